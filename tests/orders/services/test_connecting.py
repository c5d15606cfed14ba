"""Accounts at a venue: opened, connected, refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from alerts.models import AuditEvent
from markets.domain.answers import ACCEPTED
from markets.domain.instruments import Side
from markets.domain.units import Usd
from orders.domain.lifecycle import Environment
from orders.domain.private_keys import key_new
from orders.domain.wallet_entry import wallet_entry
from orders.models import Account, LedgerEntry, Secret
from orders.services.accounts import AccountError, account_open
from orders.services.connecting import account_connect, accounts_connect_waiting, connection_ask
from orders.services.invariants import check_invariants
from orders.services.secrets import secret_store
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db

KINDS = ["eoa", "proxy", "safe", "deposit_beacon", "deposit_uups"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_wallet_connects_and_its_order_is_accepted(live_desk: LiveDesk, kind: str) -> None:
    account = live_desk.account(kind, cash="1500")
    assert (account.connection, account.wallet_kind, account.cash) == ("ready", kind, 1500)
    assert set(LedgerEntry.objects.filter(account=account).values_list("book", "amount")) == {
        ("own", 1500),
        ("capital", -1500),
    }
    order_id, sent = live_desk.post_foreign(account, live_desk.outcome(3), Side.BUY, "0.02", "100")
    assert sent.answer.kind in ACCEPTED, sent
    assert live_desk.gateway(account).order(order_id) is not None
    assert check_invariants() == []


def raw_account(desk: LiveDesk, key: bytes | None = None, **values: Any) -> Account:
    """Open a sandbox account without connecting it."""
    owner = get_user_model().objects.create_user(username=f"ada{get_user_model().objects.count()}")
    entry = wallet_entry(key or key_new(), kind=values.pop("kind", "safe"))
    fields = {"name": f"sandbox of {owner}", "environment": Environment.SANDBOX, "wallet": entry, **values}
    return account_open(owner=owner, **fields)


def failed(account: Account) -> str:
    """Connect, expecting it not to work; return the reason on the account's row."""
    assert not account_connect(account.pk)
    account.refresh_from_db()
    assert account.connection == "failed" and not LedgerEntry.objects.filter(account=account).exists()
    assert AuditEvent.objects.filter(kind="account.connect_failed", account_id=account.pk).exists()
    return account.connection_note


def test_opening_stores_a_sealed_key_and_nothing_else_of_it(live_desk: LiveDesk) -> None:
    key = key_new()
    account = raw_account(live_desk, key)
    secret = Secret.objects.get(account=account)
    assert (secret.kind, secret.public, account.connection) == ("private_key", account.signer_address, "connecting")
    assert key not in bytes(secret.sealed) and account.cash == 0
    assert key.hex() not in str(list(AuditEvent.objects.values()))


def test_connecting_twice_changes_nothing_and_a_waiting_account_is_found(live_desk: LiveDesk) -> None:
    account = raw_account(live_desk)
    assert accounts_connect_waiting(timezone.now()) == 1 and accounts_connect_waiting(timezone.now()) == 0
    before = (LedgerEntry.objects.count(), Secret.objects.count(), AuditEvent.objects.count())
    assert account_connect(account.pk)
    assert (LedgerEntry.objects.count(), Secret.objects.count(), AuditEvent.objects.count()) == before
    connection_ask(account.pk, by="ada")
    assert account_connect(account.pk)
    assert (LedgerEntry.objects.count(), Secret.objects.count()) == before[:2]


def test_an_unreachable_venue_is_a_reason_and_trying_again_works(live_desk: LiveDesk, settings: Any) -> None:
    account = raw_account(live_desk)
    good = settings.POLYMARKET
    settings.POLYMARKET = {**good, "clob": "http://127.0.0.1:9"}
    assert "cannot be reached" in failed(account) and "connect again" in account.connection_note
    settings.POLYMARKET = good
    connection_ask(account.pk)
    assert account_connect(account.pk)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "status", "status": 401, "path": "/auth/*"}, "check this machine's clock"),
        ({"kind": "status", "status": 503, "path": "/auth/*"}, "cannot be reached"),
        ({"kind": "malformed", "path": "/auth/*"}, "not understood"),
        ({"kind": "html", "path": "/auth/*"}, "refused the log-in"),
        ({"kind": "status", "status": 500, "path": "/balance-allowance*"}, "balance"),
        ({"kind": "malformed", "path": "/balance-allowance*"}, "balance"),
    ],
)
def test_what_the_venue_does_wrong_is_written_on_the_account(
    live_desk: LiveDesk, fault: dict[str, Any], reason: str
) -> None:
    account = raw_account(live_desk)
    live_desk.exchange.control("faults", **fault)
    assert reason in failed(account)


def test_an_account_needs_the_desk_of_its_environment(live_desk: LiveDesk, settings: Any) -> None:
    settings.POLYBOT_VENUE = "polymarket"
    assert "started with --venue sandbox" in failed(raw_account(live_desk))
    settings.POLYBOT_VENUE = "sandbox"
    assert "started with --venue polymarket" in failed(raw_account(live_desk, environment=Environment.LIVE))


def test_a_key_that_does_not_open_or_belongs_elsewhere_is_refused(live_desk: LiveDesk) -> None:
    account, other = raw_account(live_desk), raw_account(live_desk)
    sealed = Secret.objects.get(account=other).sealed
    Secret.objects.filter(account=account).update(sealed=sealed)
    assert "belongs to another account" in failed(account)
    wrong = raw_account(live_desk)
    secret_store(wrong, Secret.Kind.PRIVATE_KEY, key_new(), public="")
    assert "not the one of" in failed(wrong)
    moved = raw_account(live_desk)
    Account.objects.filter(pk=moved.pk).update(wallet_kind="proxy")
    assert "is of type safe, not proxy" in failed(moved)


def test_one_wallet_has_one_account_and_names_are_not_used_twice(live_desk: LiveDesk) -> None:
    key = key_new()
    first = raw_account(live_desk, key)
    with pytest.raises(AccountError, match="one account per wallet"):
        raw_account(live_desk, key)
    with pytest.raises(AccountError, match="choose another name"):
        raw_account(live_desk, name=first.name)
    with pytest.raises(AccountError, match="builder code"):
        raw_account(live_desk, builder_code="0x12")
    with pytest.raises(AccountError, match="leave the cash empty"):
        raw_account(live_desk, environment=Environment.LIVE, cash=Usd(1))
