"""Rewards, rebates, deposits and withdrawals at the local exchange: booked once, or named as the cause."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import AuditEvent
from orders.models import Account, Discrepancy, LedgerTransaction
from orders.services import reconciliation_live
from orders.services.differences import difference_book
from orders.services.invariants import check_invariants
from orders.services.reconciliation import reconcile
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A desk whose account was opened a while ago, and whose reconciliation needs no quiet."""
    monkeypatch.setattr(reconciliation_live, "QUIET_S", 0)
    made = live_desk.account("safe")
    monkeypatch.setattr("orders.services.venue_payments.opened_at", lambda _: made.created_at - timedelta(hours=1))
    return made


def pay(desk: LiveDesk, account: Account, kind: str, amount: str, **more: Any) -> None:
    desk.exchange.control("reward", address=account.wallet_address, kind=kind, amount=amount, **more)


def test_rewards_and_rebates_are_booked_once_and_leave_nothing_unexplained(
    live_desk: LiveDesk, account: Account
) -> None:
    market = live_desk.outcome(2).market
    pay(live_desk, account, "REWARD", "1.234567", market=market.condition_id)
    pay(live_desk, account, "MAKER_REBATE", "0.5")
    pay(live_desk, account, "MAKER_REBATE", "0.5")  # twins are two
    for _ in range(2):
        assert reconcile(account.pk, timezone.now()).clean
    booked = LedgerTransaction.objects.filter(account=account, kind__in=("reward", "rebate"))
    assert sorted(booked.values_list("kind", flat=True)) == ["rebate", "rebate", "reward"]
    account.refresh_from_db()
    assert f"{account.cash:f}" == "1002.234567"
    assert check_invariants([account.pk]) == []
    assert AuditEvent.objects.filter(kind="cash.paid").count() == 3


@pytest.mark.parametrize(("kind", "amount", "cash"), [("DEPOSIT", "25", 1025), ("WITHDRAWAL", "40", 960)])
def test_the_owners_own_money_is_a_named_difference_until_a_person_books_it(
    live_desk: LiveDesk, account: Account, kind: str, amount: str, cash: int
) -> None:
    pay(live_desk, account, kind, amount)
    assert not reconcile(account.pk, timezone.now()).clean
    row = Discrepancy.objects.get(run__account=account, kind="cash_differs")
    assert row.cause == f"a {kind.lower()} of ${amount} is in the venue's activity: book it?"
    difference_book(row.pk, by="ada", reason="that was me", now=timezone.now())
    account.refresh_from_db()
    assert account.cash == cash
    assert reconcile(account.pk, timezone.now()).clean


def test_money_that_no_activity_names_stays_unexplained(live_desk: LiveDesk, account: Account) -> None:
    live_desk.exchange.control("faucet", address=account.wallet_address, amount="7")
    assert not reconcile(account.pk, timezone.now()).clean
    assert "not booked" in Discrepancy.objects.get(run__account=account, kind="cash_differs").cause


def test_what_was_paid_before_the_opening_is_in_it_already(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = live_desk.account("safe")
    pay(live_desk, account, "REWARD", "2")
    monkeypatch.setattr("orders.services.venue_payments.opened_at", lambda _: timezone.now() + timedelta(seconds=5))
    reconcile(account.pk, timezone.now())
    assert not LedgerTransaction.objects.filter(account=account, kind="reward").exists()
