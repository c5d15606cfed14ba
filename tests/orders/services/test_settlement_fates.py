"""What becomes of a trade on its way to the chain, at the local exchange: booked through legs, equal to the venue."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.utils import timezone

from markets.domain.instruments import Side
from markets.domain.units import text_from_micro
from orders.domain.lifecycle import OrderState
from orders.models import Account, Discrepancy, Fill
from orders.services import keyholder, reconciliation_live
from orders.services.differences import difference_book
from orders.services.invariants import check_invariants
from orders.services.reconciliation import reconcile
from orders.services.resync import account_resync
from tests.live_desk import LiveDesk
from tests.orders.services.test_chain_send import equal_to_the_venue
from tests.orders.services.venue_kit import send

pytestmark = pytest.mark.django_db


def buy(desk: LiveDesk, account: Account, fault: str, size: str = "12") -> None:
    """Trade at once with what rests, the fate of the trade given."""
    outcome = desk.outcome(4)
    best = desk.book(outcome)[1][0][0]
    desk.exchange.control("faults", scope="engine", kind=fault, times=1)
    _, sent = send(desk, account, outcome, Side.BUY, text_from_micro(best), size, "fak", answered=OrderState.MATCHED)
    assert sent.answer.is_accepted, sent


def watch(account: Account, done: Callable[[], bool], *, every_s: float = 0.05) -> None:
    gateway = keyholder.gateway(account.pk)
    for _ in range(200):
        account_resync(account.pk, gateway, since_ms=0, clock=timezone.now)
        if done():
            return
        time.sleep(every_s)
    raise AssertionError([(f.settlement, f.voided) for f in Fill.objects.filter(account=account)])


def stages(account: Account) -> set[str]:
    return set(Fill.objects.filter(account=account).values_list("settlement", flat=True))


@pytest.mark.parametrize("fault", ["reorg", "retrying", "slow_settlement"])
def test_a_trade_that_settles_late_or_twice_is_booked_once(live_desk: LiveDesk, fault: str) -> None:
    account = live_desk.account("safe")
    buy(live_desk, account, fault)
    watch(account, lambda: stages(account) == {"confirmed"})
    assert all(f.transaction_hash for f in Fill.objects.filter(account=account))
    equal_to_the_venue(live_desk, account)


def test_the_hash_of_a_reorganised_trade_is_the_last_one(live_desk: LiveDesk) -> None:
    account, hashes = live_desk.account("safe"), set()
    buy(live_desk, account, "reorg")

    def done() -> bool:
        hashes.update(Fill.objects.filter(account=account).values_list("transaction_hash", flat=True))
        return stages(account) == {"confirmed"}

    watch(account, done)
    (row,) = Fill.objects.filter(account=account)
    (theirs,) = keyholder.gateway(account.pk).legs(since_ms=0)
    assert row.transaction_hash == theirs.transaction_hash
    assert len(hashes - {""}) == 2


@pytest.mark.parametrize("fault", ["failed", "failed_after_mined"])
def test_a_trade_that_fails_is_voided_once_and_nothing_stays(live_desk: LiveDesk, fault: str) -> None:
    account = live_desk.account("safe")
    buy(live_desk, account, fault)
    watch(account, lambda: stages(account) == {"failed"})
    account.refresh_from_db()
    assert account.cash == 1000
    equal_to_the_venue(live_desk, account)


def test_a_match_of_which_half_settles_leaves_half(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    buy(live_desk, account, "partial")
    watch(account, lambda: stages(account) == {"confirmed", "failed"})
    equal_to_the_venue(live_desk, account)


def test_a_trade_confirmed_after_it_failed_halts_the_account_until_a_person_has_booked_it(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation_live, "QUIET_S", 0)
    account = live_desk.account("safe")
    buy(live_desk, account, "confirmed_after_failed")
    watch(account, lambda: stages(account) == {"failed"}, every_s=0.01)

    def halted() -> bool:
        account.refresh_from_db()
        return account.trading_state == "halted"

    watch(account, halted)
    assert "trade" in account.trading_state_reason
    assert not reconcile(account.pk, timezone.now()).clean
    run = Discrepancy.objects.filter(run__account=account).latest("pk").run_id
    rows = Discrepancy.objects.filter(run=run, repaired=False, kind__in=("cash_differs", "position_differs"))
    assert rows.count() == 2
    for row in rows:
        difference_book(row.pk, by="ada", reason="the venue confirmed it after all", now=timezone.now())
    equal_to_the_venue(live_desk, account)
    assert check_invariants([account.pk]) == []
