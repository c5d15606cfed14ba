"""The reconcile page: what it shows of differences, items and strangers, and what a person does about them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from alerts.models import AuditEvent
from orders.models import Account, Discrepancy, ExternalOrder, LedgerTransaction, Position, ReconcileRun
from orders.services.invariants import check_invariants
from tests.factories.markets import outcome_make
from tests.factories.orders import AT
from tests.factories.venue import sandbox_account

pytestmark = pytest.mark.django_db


def run_of(account: Account, *, ours: str = "100", theirs: str = "112.5", **values: object) -> ReconcileRun:
    return ReconcileRun.objects.create(
        account=account,
        started_at=AT,
        finished_at=AT + timedelta(seconds=1),
        cash_ours=Decimal(ours),
        cash_theirs=Decimal(theirs),
        **values,
    )


def difference(run: ReconcileRun, **values: object) -> Discrepancy:
    fields = {
        "kind": "cash_differs",
        "subject": "cash",
        "ours": "100",
        "theirs": "112.5",
        "cause": "a deposit",
        **values,
    }
    return Discrepancy.objects.create(run=run, **fields)


@pytest.fixture
def account(db: None) -> Account:
    return sandbox_account("100", owner=get_user_model().objects.create_user("ada"))


@pytest.fixture
def client(account: Account) -> Client:
    client = Client()
    client.force_login(account.owner)
    return client


def page(client: Client) -> str:
    return client.get(reverse("desk:reconcile")).content.decode()


def settle(client: Client, row: Discrepancy, how: str, reason: str = "sent from my bank") -> str:
    posted = {"id": row.pk, "how": how, "reason": reason}
    return client.post(reverse("desk:difference_settle"), posted, follow=True).content.decode()


def test_it_says_what_differs_why_and_what_is_in_flight(account: Account, client: Client) -> None:
    item = {"kind": "provisional_fill", "subject": "fill 7 (matched)", "asset": "usd", "low": 0, "high": 12_500_000}
    difference(run_of(account, open_items=[item]))
    shown = page(client)
    for words in ("112.5", "a deposit", "fill 7 (matched)", "12.5", "Book as transfer"):
        assert words in shown
    rows = client.get(reverse("desk:reconcile"), {"di-csv": "1"}).content.decode()
    assert "a deposit" in rows


def test_booking_a_difference_makes_our_cash_the_venues(account: Account, client: Client) -> None:
    row = difference(run_of(account))
    assert "Booked: a deposit of $12.5" in settle(client, row, "book")
    account.refresh_from_db()
    row.refresh_from_db()
    assert account.cash == Decimal("112.5")
    assert (row.repaired, row.closed_by) == (True, "ada")
    assert LedgerTransaction.objects.get(kind="transfer").memo == "a deposit of $12.5: sent from my bank"
    assert AuditEvent.objects.get(kind="reconcile.booked").actor == "ada"
    assert "dealt with it already" in settle(client, row, "book")
    assert Account.objects.get().cash == Decimal("112.5")
    assert check_invariants([account.pk]) == []


def test_shares_that_came_and_went_are_booked_too(account: Account, client: Client) -> None:
    outcome = outcome_make()
    came = difference(run_of(account), kind="position_differs", subject=f"outcome {outcome.pk}", ours="0", theirs="7.5")
    assert "7.5 shares received" in settle(client, came, "book")
    assert Position.objects.get().size == Decimal("7.5")
    left = difference(run_of(account), kind="position_differs", subject=f"outcome {outcome.pk}", ours="7.5", theirs="0")
    assert "7.5 shares sent away" in settle(client, left, "book")
    assert Position.objects.get().size == 0
    assert check_invariants([account.pk]) == []


@pytest.mark.parametrize(
    ("values", "reason", "said"),
    [
        ({}, " ", "Say what it was"),
        ({"kind": "state_differs", "subject": "order 3"}, "x", "Only differences of cash"),
        ({"ours": "none of it"}, "x", "cannot be read"),
        ({"theirs": "-5"}, "x", "has not $105 free"),
    ],
)
def test_what_cannot_be_booked_says_why_and_changes_nothing(
    account: Account, client: Client, values: dict[str, str], reason: str, said: str
) -> None:
    row = difference(run_of(account), **values)
    assert said in settle(client, row, "book", reason)
    row.refresh_from_db()
    assert row.closed_at is None
    assert Account.objects.get().cash == 100


def test_only_the_last_runs_difference_is_booked_and_any_may_be_closed(account: Account, client: Client) -> None:
    row = difference(run_of(account))
    run_of(account, clean=True)
    assert "newer reconciliation" in settle(client, row, "book")
    assert "Closed." in settle(client, row, "close")
    row.refresh_from_db()
    assert (row.closed_by, row.repaired) == ("ada", False)
    assert Account.objects.get().cash == 100


def test_a_foreign_order_is_acknowledged_with_a_reason(account: Account, client: Client) -> None:
    facts = {"side": "buy", "size": "5", "price": "0.41", "token_id": "1", "condition_id": "0x1"}
    row = ExternalOrder.objects.create(
        account=account, venue_order_id="0x" + "f0" * 32, facts=facts, state="live", first_seen_at=AT, last_seen_at=AT
    )
    assert "1 foreign order" in page(client)
    url = reverse("desk:foreign_known")
    assert "Say whose order" in client.post(url, {"id": row.pk, "reason": ""}, follow=True).content.decode()
    client.post(url, {"id": row.pk, "reason": "my phone"})
    row.refresh_from_db()
    assert row.acknowledged_by == "ada"
    assert "my phone" in page(client)


def test_nobody_touches_what_is_not_theirs(account: Account) -> None:
    row = difference(run_of(account))
    stranger = Client()
    other = sandbox_account(owner=get_user_model().objects.create_user("eve"))
    stranger.force_login(other.owner)
    assert stranger.post(reverse("desk:difference_settle"), {"id": row.pk, "reason": "x"}).status_code == 404
    assert stranger.post(reverse("desk:foreign_known"), {"id": "x", "reason": "x"}).status_code == 404
    assert account.name not in page(stranger)
