from datetime import timedelta

import pytest

from markets.domain.instruments import Side
from orders.domain.lifecycle import TradingState
from orders.models import Account, Order, PaperTrade
from orders.services import kill
from orders.services.accounts import auto_trade_set, trading_state_set
from orders.services.invariants import check_invariants
from orders.services.paper import paper_sync
from orders.services.sweep import lease_expire, orders_sweep, stale_cancel
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, MANUAL, account_make, order_make, paper_order, paper_trade, sent_order

pytestmark = pytest.mark.django_db
LATER = AT + timedelta(seconds=21)


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def test_an_approved_order_whose_message_was_lost_is_sent() -> None:
    order = order_make(account_make(), outcome_make())
    assert orders_sweep(AT + timedelta(seconds=1)).submitted == 0  # the message may still come
    assert orders_sweep(AT + timedelta(seconds=5)).submitted == 1
    assert fresh(order).state == "sending"


def test_an_order_that_outlived_its_lease_without_a_trace_is_unknown_and_then_ended() -> None:
    account = account_make()
    order = sent_order(account, outcome_make())
    assert lease_expire(order.pk, AT + timedelta(seconds=19)) is False
    assert lease_expire(order.pk, LATER) is True
    assert (fresh(order).state, fresh(order).reserved > 0) == ("unknown", True)
    assert orders_sweep(LATER).lost == 1
    assert (fresh(order).state, fresh(order).state_reason) == ("rejected", "the venue never received it")
    assert Account.objects.get(pk=account.pk).reserved_cash == 0
    assert check_invariants() == []


def test_what_the_venue_did_before_a_crash_is_booked_by_the_sweep() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    order = sent_order(account, outcome, price="0.50", size="10")
    paper_order(order, filled="4")
    paper_trade(order, "4")
    assert orders_sweep(AT).booked == 1
    assert (fresh(order).state, fresh(order).filled_size) == ("live", 4)
    assert orders_sweep(AT).booked == 0
    assert check_invariants() == []


def test_an_order_that_expired_before_we_heard_of_it_goes_through_live() -> None:
    order = sent_order(account_make(), outcome_make())
    paper_order(order, state="expired", reason="good-till-date reached")
    paper_sync(order.venue_order_id or "", now=AT)
    assert (fresh(order).state, fresh(order).state_reason) == ("expired", "good-till-date reached")


def test_trades_come_before_the_state_that_ends_the_order() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    order = sent_order(account, outcome, price="0.50", size="10")
    paper_order(order, state="canceled", filled="6", reason="the rest found no match")
    paper_trade(order, "6", role="taker")
    paper_sync(order.venue_order_id or "", now=AT)
    assert (fresh(order).state, fresh(order).filled_size, fresh(order).reserved) == ("canceled", 6, 0)
    assert check_invariants() == []


def test_a_trade_that_the_books_cannot_hold_halts_the_account_and_waits() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    order = sent_order(account, outcome, price="0.50", size="10")
    paper_order(order, filled="11")
    paper_trade(order, "11")
    assert paper_sync(order.venue_order_id or "", now=AT) == 0
    row = Account.objects.get(pk=account.pk)
    assert row.trading_state == "halted"
    assert "would fill 11 of 10" in row.trading_state_reason
    assert PaperTrade.objects.get().ingested is False
    assert check_invariants() == []


def test_a_set_kill_switch_cancels_whatever_is_open_and_counts_empty_reads() -> None:
    order = sent_order(account_make(), outcome_make())
    paper_order(order)
    kill.kill_set("drill", "ada", AT)
    assert orders_sweep(AT).killed == 1
    assert fresh(order).cancel_reason == "kill switch"
    paper_order(order, state="canceled")
    for _ in range(3):
        orders_sweep(AT)
    from orders.models import KillSwitch

    assert KillSwitch.objects.get().empty_reads == 3
    assert fresh(order).state == "canceled"


def test_a_strategy_s_order_that_nobody_renewed_is_cancelled_and_a_person_s_is_not() -> None:
    account, outcome = account_make(), outcome_make()
    orders = [sent_order(account, outcome, size="5"), sent_order(account, outcome, size="5", origin=MANUAL)]
    for order in orders:
        paper_order(order)
        paper_sync(order.venue_order_id or "", now=AT)
    assert stale_cancel(AT + timedelta(seconds=599)) == 0
    assert stale_cancel(AT + timedelta(seconds=601)) == 1
    assert [fresh(o).cancel_requested_at is None for o in orders] == [False, True]


def resting_pair(account: Account) -> tuple[Order, Order, Order]:
    """A strategy's buy and sell, and a person's buy, all resting."""
    outcome = outcome_make(fee_rate_ppm=0)
    bought = sent_order(account, outcome, price="0.50", size="20")
    paper_order(bought, state="filled", filled="20")
    paper_trade(bought, "20")
    paper_sync(bought.venue_order_id or "", now=AT)
    orders = (
        sent_order(account, outcome, price="0.40", size="10"),
        sent_order(account, outcome, side=Side.SELL, price="0.60", size="10"),
        sent_order(account, outcome, price="0.30", size="10", origin=MANUAL),
    )
    for order in orders:
        paper_order(order)
        paper_sync(order.venue_order_id or "", now=AT)
    return orders


@pytest.mark.parametrize(
    ("state", "asked", "reason"),
    [
        (TradingState.ACTIVE, [], ""),
        (TradingState.REDUCE_ONLY, [0, 2], "the account is reduce_only"),
        (TradingState.HALTED, [0, 1, 2], "the account is halted"),
    ],
)
def test_orders_that_an_account_may_not_make_any_more_do_not_go_on_resting(
    state: TradingState, asked: list[int], reason: str
) -> None:
    account = account_make()
    orders = resting_pair(account)
    trading_state_set(account_id=account.pk, state=state, reason="a loss", now=AT)
    assert orders_sweep(AT).stopped == len(asked)
    assert orders_sweep(AT).stopped == 0
    assert [n for n, order in enumerate(orders) if fresh(order).cancel_requested_at] == asked
    assert {fresh(orders[n]).cancel_reason for n in asked} <= {reason}


def test_switching_automatic_orders_off_withdraws_those_of_strategies() -> None:
    account = account_make()
    orders = resting_pair(account)
    auto_trade_set(account_id=account.pk, on=False, now=AT)
    assert orders_sweep(AT).stopped == 2
    assert [bool(fresh(order).cancel_requested_at) for order in orders] == [True, True, False]
