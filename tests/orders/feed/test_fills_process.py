from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from markets.domain.instruments import Side
from markets.models import Market, Outcome
from markets.tickstore import get_tickstore
from orders.domain.intents import OrderType
from orders.feed.fills_process import FillsProcess
from orders.models import Account, Fill, Order, PaperOrder, PaperTrade, Position
from orders.services.execution import order_cancel_request, order_submit
from orders.services.invariants import check_invariants
from tests.factories.markets import outcome_make
from tests.factories.orders import account_make, order_make
from tests.orders.feed.conftest import Stream

pytestmark = pytest.mark.django_db

BOOK = {"bids": [("0.48", "100"), ("0.47", "200")], "asks": [("0.52", "100"), ("0.53", "200")]}


def now() -> datetime:
    return datetime.now(UTC)


def process() -> FillsProcess:
    return FillsProcess(get_tickstore(), latency_ms=0)


def send(account: Account, outcome: Outcome, **values: Any) -> Order:
    order = order_make(account, outcome, now=now(), **values)
    assert order_submit(order.pk, now())
    return order


def rounds(fills: FillsProcess, count: int = 2) -> None:
    for _ in range(count):
        fills._memory and setattr(fills._memory, "polled_at", 0.0)
        fills.step(block_ms=None)


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def test_an_order_below_the_market_rests_behind_what_was_there(stream: Stream) -> None:
    account, outcome, fills = account_make(), outcome_make(), process()
    stream.snapshot(outcome, **BOOK)
    order = send(account, outcome, price="0.48", size="10")
    rounds(fills)
    assert (fresh(order).state, fresh(order).state_reason) == ("live", "")
    assert PaperOrder.objects.get().queue_ahead == 100
    assert check_invariants() == []


def test_trades_at_our_price_use_up_the_queue_and_then_fill_us(stream: Stream) -> None:
    account, outcome, fills = account_make(), outcome_make(), process()
    stream.snapshot(outcome, **BOOK)
    order = send(account, outcome, price="0.48", size="10")
    rounds(fills)
    stream.trade(outcome, Side.SELL, "0.48", "97")
    rounds(fills)
    assert fresh(order).filled_size == 0
    stream.trade(outcome, Side.SELL, "0.48", "7")
    rounds(fills)
    assert (fresh(order).state, fresh(order).filled_size) == ("live", 4)
    stream.trade(outcome, Side.SELL, "0.48", "50")
    rounds(fills)
    assert (fresh(order).state, fresh(order).filled_size) == ("filled", 10)
    assert [(t.role, t.fee, t.ingested) for t in PaperTrade.objects.all()] == [("maker", 0, True)] * 2
    assert Account.objects.get(pk=account.pk).cash == Decimal("995.2")
    assert check_invariants() == []


def test_a_trade_of_the_other_outcome_counts_mirrored(stream: Stream) -> None:
    account, fills = account_make(), process()
    yes = outcome_make()
    no = yes.market.outcomes.get(index=1)
    stream.snapshot(yes, **BOOK)
    order = send(account, yes, price="0.48", size="10")
    rounds(fills)
    stream.trade(no, Side.BUY, "0.52", "110")  # buying NO at 0.52 is selling YES at 0.48
    rounds(fills)
    assert fresh(order).state == "filled"


def test_a_marketable_order_takes_the_displayed_depth_and_pays_the_fee(stream: Stream) -> None:
    account, outcome, fills = account_make(), outcome_make(fee_rate_ppm=40_000), process()
    stream.snapshot(outcome, **BOOK)
    order = send(account, outcome, price="0.53", size="150", order_type=OrderType.FAK)
    rounds(fills)
    assert fresh(order).state == "filled"
    legs = list(PaperTrade.objects.order_by("price").values_list("price", "size", "fee"))
    # 100 x 0.04 x 0.52 x 0.48 and 50 x 0.04 x 0.53 x 0.47
    assert legs == [
        (Decimal("0.52"), Decimal(100), Decimal("0.99840")),
        (Decimal("0.53"), Decimal(50), Decimal("0.49820")),
    ]
    assert Account.objects.get(pk=account.pk).reserved_cash == 0
    assert check_invariants() == []


@pytest.mark.parametrize(
    ("values", "state", "reason"),
    [
        ({"price": "0.53", "size": "400", "order_type": OrderType.FOK}, "canceled", "FOK orders are fully filled"),
        ({"price": "0.50", "size": "10", "order_type": OrderType.FAK}, "canceled", "no orders found to match"),
        ({"price": "0.52", "size": "10", "post_only": True}, "rejected", "order crosses book"),
        ({"price": "0.485", "size": "10"}, "rejected", "breaks minimum tick size rule: 0.01"),
        ({"price": "0.48", "size": "4"}, "rejected", "lower than the minimum: 5"),
        (
            {"price": "0.48", "size": "10", "order_type": OrderType.GTD, "expires_at": now() + timedelta(seconds=60)},
            "rejected",
            "at least 3 minutes",
        ),
    ],
)
def test_the_venue_refuses_as_the_real_one_does(
    stream: Stream, values: dict[str, Any], state: str, reason: str
) -> None:
    account, outcome, fills = account_make(), outcome_make(), process()
    stream.snapshot(outcome, **BOOK)
    order = send(account, outcome, **values)
    rounds(fills)
    assert fresh(order).state == state
    assert reason in fresh(order).state_reason
    assert Account.objects.get(pk=account.pk).reserved_cash == 0
    assert check_invariants() == []


def test_an_order_in_a_market_that_closed_is_refused_and_resting_ones_are_sent_back(stream: Stream) -> None:
    account, outcome, fills = account_make(), outcome_make(), process()
    stream.snapshot(outcome, **BOOK)
    resting = send(account, outcome, price="0.48", size="10")
    rounds(fills)
    Market.objects.filter(pk=outcome.market_id).update(state="closed")
    assert fills._memory is not None
    fills._memory.facts_at = 0.0
    rounds(fills)
    assert (fresh(resting).state, fresh(resting).state_reason) == ("canceled", "the market is closed")
    late = send(account, outcome, price="0.48", size="10")
    rounds(fills)
    assert fresh(late).state == "rejected"


def test_a_cancel_request_ends_a_resting_order_and_frees_its_money(stream: Stream) -> None:
    account, outcome, fills = account_make(), outcome_make(), process()
    stream.snapshot(outcome, **BOOK)
    order = send(account, outcome, price="0.48", size="10")
    rounds(fills)
    order_cancel_request(order.pk, "changed my mind", "ada", now())
    rounds(fills)
    assert (fresh(order).state, fresh(order).state_reason) == ("canceled", "changed my mind")
    assert Account.objects.get(pk=account.pk).reserved_cash == 0
    assert check_invariants() == []


def test_a_gtd_order_ends_at_its_time_and_not_the_venues_minute_before(stream: Stream) -> None:
    account, outcome = account_make(), outcome_make()
    clock = {"now": now().timestamp() + 1}
    fills = FillsProcess(get_tickstore(), latency_ms=0, clock=lambda: clock["now"])
    stream.snapshot(outcome, **BOOK)
    ends = now() + timedelta(seconds=240)
    order = send(account, outcome, price="0.48", size="10", order_type=OrderType.GTD, expires_at=ends)
    rounds(fills)
    assert fresh(order).state == "live"
    clock["now"] += 230
    rounds(fills)
    fills = FillsProcess(get_tickstore(), latency_ms=0, clock=lambda: clock["now"])  # a restart keeps the time
    rounds(fills)
    assert fresh(order).state == "live"
    clock["now"] += 11
    rounds(fills)
    assert fresh(order).state == "expired"


def test_a_dated_order_of_two_minutes_is_taken_although_it_had_to_wait_on_its_way(stream: Stream) -> None:
    account, outcome = account_make(), outcome_make()
    fills = FillsProcess(get_tickstore(), latency_ms=0)
    stream.snapshot(outcome, **BOOK)
    asked = now() - timedelta(seconds=4)
    terms = {"order_type": OrderType.GTD, "expires_at": asked + timedelta(seconds=120), "created_at": asked}
    order = send(account, outcome, price="0.48", size="10", **terms)
    rounds(fills)
    assert fresh(order).state == "live"


def test_an_order_without_a_book_waits_and_is_then_refused(stream: Stream) -> None:
    account, outcome = account_make(), outcome_make()
    clock = {"now": now().timestamp() + 1}
    fills = FillsProcess(get_tickstore(), latency_ms=0, clock=lambda: clock["now"])
    order = send(account, outcome, price="0.48", size="10")
    rounds(fills)
    assert fresh(order).state == "sending"
    clock["now"] += 6
    rounds(fills)
    assert (fresh(order).state, fresh(order).state_reason) == ("rejected", "no live order book to match against")


def test_a_restart_keeps_the_place_in_the_queue_and_repeats_no_fill(stream: Stream) -> None:
    account, outcome, fills = account_make(), outcome_make(), process()
    stream.snapshot(outcome, **BOOK)
    order = send(account, outcome, price="0.48", size="10")
    rounds(fills)
    stream.trade(outcome, Side.SELL, "0.48", "60")
    stream.trade(outcome, Side.SELL, "0.48", "44")
    rounds(fills)
    assert fresh(order).filled_size == 4
    stream.trade(outcome, Side.SELL, "0.48", "3")  # happens while nobody listens
    again = process()
    rounds(again)
    assert fresh(order).filled_size == 7
    rounds(process())
    assert fresh(order).filled_size == 7
    assert Fill.objects.count() == 2
    assert Position.objects.get().size == 7
    assert check_invariants() == []


def test_a_gap_never_moves_an_order_forward(stream: Stream) -> None:
    account, outcome, fills = account_make(), outcome_make(), process()
    stream.snapshot(outcome, **BOOK)
    order = send(account, outcome, price="0.48", size="10")
    rounds(fills)
    stream.gap(outcome)
    stream.level(outcome, Side.BUY, "0.48", "1")  # cannot be trusted between the gap and the next snapshot
    rounds(fills)
    assert PaperOrder.objects.get().queue_ahead == 100
    stream.snapshot(outcome, bids=[("0.48", "300")], asks=[("0.52", "100")])
    rounds(fills)
    stream.trade(outcome, Side.SELL, "0.48", "99")
    rounds(fills)
    assert fresh(order).filled_size == 0


def test_a_new_epoch_reads_the_published_books_again(stream: Stream) -> None:
    account, outcome, fills = account_make(), outcome_make(), process()
    stream.snapshot(outcome, **BOOK)
    order = send(account, outcome, price="0.48", size="10")
    rounds(fills)
    stream.writer.epoch_open(stream.now_ms() + 10)
    stream.snapshot(outcome, bids=[("0.48", "40")], asks=[("0.52", "100")])
    # The level shrank by 60: trades within the next second explain that first, then use up the 40 ahead of us.
    stream.trade(outcome, Side.SELL, "0.48", "105")
    rounds(fills)
    assert fresh(order).filled_size == 5


def test_displayed_depth_is_not_taken_twice(stream: Stream) -> None:
    account, outcome, fills = account_make(), outcome_make(), process()
    stream.snapshot(outcome, bids=[("0.48", "100")], asks=[("0.52", "100")])
    first = send(account, outcome, price="0.52", size="80", order_type=OrderType.FAK)
    second = send(account, outcome, price="0.52", size="80", order_type=OrderType.FAK)
    rounds(fills)
    assert (fresh(first).filled_size, fresh(second).filled_size) == (80, 20)
    assert fresh(second).state == "canceled"
    assert check_invariants() == []


def test_an_entry_nobody_can_read_is_skipped_after_three_tries(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    from markets.tickstore import keys

    monkeypatch.setattr("orders.feed.fills_process.time.sleep", lambda _: None)
    # The test's transaction and advisory lock live on this connection: it stays open here.
    monkeypatch.setattr("orders.feed.fills_process.connection.close", lambda: None)
    account, outcome, fills = account_make(), outcome_make(), process()
    stream.snapshot(outcome, **BOOK)
    order = send(account, outcome, price="0.48", size="10")
    rounds(fills)
    stream.writer.redis.execute_command("XADD", keys.EVENTS, f"{stream.writer.epoch}-2", "e", b"not msgpack")
    stream.resume()
    steps = iter(range(6))

    def step(**_: Any) -> None:
        if next(steps, None) is None:
            fills.stop()
        FillsProcess.step(fills, block_ms=None)

    monkeypatch.setattr(fills, "step", step)
    fills.run()
    assert fills.counters.restarts == 3
    stream.trade(outcome, Side.SELL, "0.48", "105")
    rounds(process())
    assert fresh(order).filled_size == 5


def test_only_one_process_is_the_venue(stream: Stream) -> None:
    """Another session that asks for the lock is refused as long as this one lives."""
    import psycopg
    from django.db import connection

    from orders.feed.paper_store import _LOCK

    process().step(block_ms=None)
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as other:
        assert other.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone() == (False,)


def test_a_market_that_delays_takers_holds_a_marketable_order(stream: Stream) -> None:
    account, outcome = account_make(), outcome_make(seconds_delay=3)
    clock = {"now": now().timestamp() + 1}
    fills = FillsProcess(get_tickstore(), latency_ms=0, clock=lambda: clock["now"])
    stream.snapshot(outcome, **BOOK)
    taker = send(account, outcome, price="0.52", size="10")
    maker = send(account, outcome, price="0.48", size="10")
    rounds(fills)
    assert [fresh(o).state for o in (taker, maker)] == ["sending", "live"]
    clock["now"] += 3
    rounds(fills)
    assert fresh(taker).state == "filled"


def test_an_order_that_takes_all_the_cash_is_filled_by_trades_of_any_size(stream: Stream) -> None:
    account, outcome, fills = account_make("4.5"), outcome_make(fee_rate_ppm=0), process()
    stream.snapshot(outcome, **BOOK)
    order = send(account, outcome, price="0.45", size="10", post_only=True)
    rounds(fills)
    for size in ("1.111111", "2.222222", "3.333333", "9"):  # each would cost a fraction of a millionth, rounded up
        stream.trade(outcome, Side.SELL, "0.44", size)
    rounds(fills)
    account.refresh_from_db()
    assert (fresh(order).state, account.cash, account.trading_state) == ("filled", 0, "active")
    assert check_invariants() == []
