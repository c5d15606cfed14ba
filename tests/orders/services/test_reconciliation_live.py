# ruff: noqa: F811 (fixtures are imported by name)
"""Reconciliation against the local exchange: our books are the venue's, to the millionth, or the run says why not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from markets.domain.instruments import Side
from orders.domain.lifecycle import OrderState
from orders.models import (
    Account,
    AccountLease,
    Discrepancy,
    ExternalOrder,
    Fill,
    Order,
    OrderSubmission,
    Position,
    ReconcileRun,
)
from orders.services import keyholder, ownership, reconciliation_live, resync
from orders.services.differences import difference_close
from orders.services.foreign import foreign_acknowledge
from orders.services.invariants import check_invariants
from orders.services.reconciliation import live_reconcile, reconcile
from tests.live_desk import LiveDesk, live_desk, local_exchange  # noqa: F401
from tests.orders.services.venue_kit import send, until

pytestmark = pytest.mark.django_db


def run(account: Account) -> ReconcileRun:
    return ReconcileRun.objects.get(pk=reconcile(account.pk, timezone.now()).run_id)


def settled(account: Account) -> bool:
    run(account)
    return not Fill.objects.filter(account=account).exclude(settlement__in=("confirmed", "failed")).exists()


def text(micro: int) -> str:
    return f"{Decimal(micro) / 1_000_000:f}"


@pytest.mark.parametrize("kind", ["eoa", "deposit_beacon"])
def test_after_a_round_trip_every_balance_is_equal_to_the_millionth(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(reconciliation_live, "QUIET_S", 0)
    account = live_desk.account(kind)
    first = run(account)
    assert (first.clean, first.quiescent, first.cash_ours, first.cash_theirs) == (True, True, 1000, 1000)
    outcome = live_desk.outcome(1)
    asks = live_desk.book(outcome)[1]
    bought, sent = send(live_desk, account, outcome, Side.BUY, text(asks[0][0]), "17.77", answered=OrderState.MATCHED)
    assert sent.answer.is_accepted, sent
    until(lambda: settled(account), every=0.3)
    done = run(account)
    assert (done.clean, done.quiescent) == (True, True), list(done.discrepancies.values())
    assert done.cash_ours == done.cash_theirs != 1000
    bought.refresh_from_db()
    assert bought.state == OrderState.FILLED
    bids = live_desk.book(outcome)[0]
    sold, _ = send(live_desk, account, outcome, Side.SELL, text(bids[2][0]), "9.99", answered=OrderState.MATCHED)
    until(lambda: settled(account), every=0.3)
    done = run(account)
    assert (done.clean, done.quiescent) == (True, True), list(done.discrepancies.values())
    assert done.cash_ours == done.cash_theirs
    sold.refresh_from_db()
    assert sold.filled_size > 0
    assert Position.objects.get(account=account).size == Decimal("17.77") - sold.filled_size
    assert check_invariants([account.pk]) == []


def test_while_a_trade_settles_the_difference_is_explained_by_it(live_desk: LiveDesk) -> None:
    live_desk.exchange.control("faults", scope="engine", kind="slow_settlement", latency_ms=60_000, times=5)
    account = live_desk.account()
    outcome = live_desk.outcome(2)
    ask = live_desk.book(outcome)[1][0][0]
    send(live_desk, account, outcome, Side.BUY, text(ask), "10", answered=OrderState.MATCHED)
    done = run(account)
    assert done.clean and not done.quiescent
    assert done.cash_theirs == 1000 != done.cash_ours
    assert {item["kind"] for item in done.open_items} >= {"provisional_fill"}


def test_a_failed_trade_is_voided_and_the_books_agree_again(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation_live, "QUIET_S", 0)
    live_desk.exchange.control("faults", scope="engine", kind="failed", times=1)
    account = live_desk.account()
    outcome = live_desk.outcome(3)
    ask = live_desk.book(outcome)[1][0][0]
    send(live_desk, account, outcome, Side.BUY, text(ask), "10", answered=OrderState.MATCHED)
    until(lambda: settled(account), every=0.3)
    done = run(account)
    assert (done.clean, done.quiescent) == (True, True), list(done.discrepancies.values())
    assert done.cash_ours == done.cash_theirs == 1000
    assert Fill.objects.get(account=account).voided
    assert Order.objects.get(account=account).state == OrderState.CANCELED


def test_a_deposit_is_an_open_end_that_halts_in_the_second_run(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation_live, "QUIET_S", 0)
    account = live_desk.account()
    live_desk.exchange.control("faucet", address=account.wallet_address, amount="12.5")
    done = run(account)
    assert not done.clean
    found = Discrepancy.objects.get(run=done)
    assert (found.kind, found.ours, found.theirs) == ("cash_differs", "1000", "1012.5")
    assert "a deposit" in found.cause
    assert Account.objects.get(pk=account.pk).trading_state == "active"
    run(account)
    assert Account.objects.get(pk=account.pk).trading_state == "halted"


def test_a_foreign_order_is_found_and_its_fills_explain_themselves(live_desk: LiveDesk) -> None:
    account = live_desk.account()
    outcome = live_desk.outcome(4)
    order_id, sent = live_desk.post_foreign(account, outcome, Side.BUY, "0.01", "100")
    assert sent.answer.is_accepted
    assert run(account).clean
    row = ExternalOrder.objects.get(account=account)
    assert (row.venue_order_id, row.acknowledged_at) == (order_id, None)
    foreign_acknowledge(row.pk, by="ada", reason="mine", now=timezone.now())
    ask = live_desk.book(outcome)[1][0][0]
    live_desk.post_foreign(account, outcome, Side.BUY, text(ask), "10")
    done = until(lambda: (found := run(account)) and not found.clean and found, every=0.3)
    assert not done.error
    assert ExternalOrder.objects.filter(account=account).count() == 2
    causes = set(Discrepancy.objects.filter(run__account=account).values_list("cause", flat=True))
    assert "an order that this desk did not make has traded" in causes


def test_an_order_that_the_venue_ended_silently_ends_here_after_three_looks(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "MISSING_FOR", timedelta(0))
    account = live_desk.account()
    outcome = live_desk.outcome(5)
    order, _ = send(live_desk, account, outcome)
    live_desk.gateway(account).cancel([order.venue_order_id or ""], deadline_ms=2**62)
    for _ in range(3):
        run(account)
    assert Order.objects.get(pk=order.pk).state == OrderState.LIVE  # too young for its absence to count
    Order.objects.filter(pk=order.pk).update(acknowledged_at=timezone.now() - timedelta(minutes=5))
    assert [run(account).discrepancies.count() for _ in range(2)] == [0, 1]  # two looks a run
    order.refresh_from_db()
    assert (order.state, order.reserved) == (OrderState.CANCELED, 0)


def test_an_order_whose_matched_shares_show_no_trade_keeps_its_money_and_is_told(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "MISSING_FOR", timedelta(0))
    account = live_desk.account()
    order, _ = send(live_desk, account, live_desk.outcome(5))
    live_desk.gateway(account).cancel([order.venue_order_id or ""], deadline_ms=2**62)
    OrderSubmission.objects.filter(pk=order.pk).update(ending="canceled", matched_claim=Decimal(4))
    Order.objects.filter(pk=order.pk).update(acknowledged_at=timezone.now() - timedelta(minutes=5))
    assert [run(account).discrepancies.count() for _ in range(3)] == [0, 0, 0]
    order.refresh_from_db()
    assert (order.state, order.reserved > 0) == (OrderState.LIVE, True)
    monkeypatch.setattr(resync, "UNBOOKED_FOR", timedelta(0))
    row = run(account).discrepancies.get()
    assert (row.kind, row.subject, row.theirs, row.repaired) == (
        "missing_fill", f"order {order.pk}", "4 matched", False,
    )  # fmt: skip
    assert Order.objects.get(pk=order.pk).reserved > 0
    run(account)
    assert Account.objects.get(pk=account.pk).trading_state == "halted"


def test_an_order_given_up_here_that_still_rests_is_cancelled(live_desk: LiveDesk) -> None:
    account = live_desk.account()
    order, _ = send(live_desk, account, live_desk.outcome(6), answered=OrderState.CANCELED)
    Order.objects.filter(pk=order.pk).update(ended_at=timezone.now() - timedelta(minutes=5))
    assert run(account).discrepancies.get().repair == "cancelled at the venue"
    assert live_desk.gateway(account).open_orders() == []


def test_a_lost_answer_is_found_by_looking(live_desk: LiveDesk) -> None:
    account = live_desk.account()
    order, _ = send(live_desk, account, live_desk.outcome(7), answered=OrderState.UNKNOWN)
    assert run(account).clean
    order.refresh_from_db()
    assert order.state == OrderState.LIVE
    assert OrderSubmission.objects.get(pk=order.pk).next_read_ms is None


@pytest.mark.parametrize("quirk", ["page_small", "page_overlap", "page_tail"])
def test_pages_with_quirks_are_read_to_their_end(live_desk: LiveDesk, quirk: str) -> None:
    account = live_desk.account()
    for number in range(5):
        send(live_desk, account, live_desk.outcome(8), price=f"0.0{number + 1}")
    live_desk.exchange.control("faults", scope="engine", kind="page_small", times=50)
    live_desk.exchange.control("faults", scope="engine", kind=quirk, times=50)
    done = run(account)
    assert (done.clean, done.orders_compared) == (True, 5), (done.error, list(done.discrepancies.values()))
    assert not ExternalOrder.objects.filter(account=account).exists()


def test_pages_that_go_round_fail_the_run_and_conclude_nothing(live_desk: LiveDesk) -> None:
    account = live_desk.account()
    for number in range(3):
        send(live_desk, account, live_desk.outcome(8), price=f"0.0{number + 1}")
    live_desk.exchange.control("faults", scope="engine", kind="page_small", times=500)
    live_desk.exchange.control("faults", scope="engine", kind="page_loop", times=500)
    done = run(account)
    assert not done.clean
    assert "do not come to an end" in done.error
    assert set(Order.objects.filter(account=account).values_list("state", flat=True)) == {"live"}


def test_a_lagging_read_ends_no_order(live_desk: LiveDesk) -> None:
    account = live_desk.account()
    order, _ = send(live_desk, account, live_desk.outcome(9))
    live_desk.exchange.control("faults", scope="engine", kind="read_lag", latency_ms=30_000, seconds=20)
    for _ in range(4):
        run(account)
    order.refresh_from_db()
    assert order.state == OrderState.LIVE


def test_the_trader_takes_what_it_reconciles_and_sends_only_when_its_own_look_was_clean(live_desk: LiveDesk) -> None:
    account = live_desk.account(well=False)
    assert not ownership.owns(account.pk)
    Account.objects.filter(pk=account.pk).update(reconciled_at=timezone.now() - timedelta(seconds=5))
    assert live_reconcile(timezone.now()) == 1
    assert ownership.owns(account.pk)
    AccountLease.objects.update(owner="elsewhere:1:x")
    assert live_reconcile(timezone.now()) == 0
    assert not ownership.owns(account.pk)
    keyholder.install()
    assert live_reconcile(timezone.now()) == 0


def test_old_shares_of_an_unknown_market_are_set_aside_by_a_person_until_they_change(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = live_desk.account()
    dust = {"size": 3_000_000}
    monkeypatch.setattr(
        reconciliation_live, "_theirs", lambda gateway, ours: (gateway.balances().cash, {"12345": dust["size"]})
    )
    found = run(account)
    (row,) = found.discrepancies.all()
    assert not found.clean and row.subject == "token 12345"
    difference_close(row.pk, by="ada", reason="won years ago", now=timezone.now())
    assert run(account).clean
    dust["size"] += 1
    assert not run(account).clean
