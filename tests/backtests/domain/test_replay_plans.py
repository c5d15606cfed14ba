"""Orders that take more than one order, and tapes that show less than a book."""

from __future__ import annotations

import pytest

from backtests.domain.request import Fees, Latency, QueueAssumption, Slippage
from backtests.domain.result import OrderEnd
from markets.domain.instruments import Side
from markets.domain.tape import ASK, BID, Fidelity
from markets.domain.units import Usd
from orders.domain.intents import Basket, BasketPolicy, OrderType, Urgency
from strategies.domain.base import Decision
from tests.backtests.scripts import Script, at_ticks, intent, quote, replay
from tests.backtests.tapes import MS, NO, START_NS, YES, TapeMaker, facts_make, micro

BIDS, ASKS = [("0.50", "100"), ("0.49", "50")], [("0.52", "30"), ("0.53", "60")]
FAST = Latency(order_ms=100, answer_ms=100)


def maker(number: int = 1, **facts) -> TapeMaker:
    return TapeMaker(facts_make(number, **facts)).book(0, bids=BIDS, asks=ASKS)


def quiet(tape: TapeMaker, until_ms: int = 9_000):
    return tape.level(until_ms, YES, Side.BUY, "0.40", "1").tape()


def test_an_urgent_order_is_chased_step_by_step():
    wish = intent(1, Side.BUY, "0.53", "80", Urgency.HIGH)
    result = replay(quiet(maker()), Script(at_ticks({0: Decision(intents=(wish,))})), latency=FAST)
    # 30 at the touch; 1.5 % above it is no other tick; then the worst price for the rest.
    assert result.orders[["price", "size", "filled", "state"]].tolist() == [
        (micro("0.52"), micro(80), micro(30), OrderEnd.CANCELED),
        (micro("0.53"), micro(50), micro(50), OrderEnd.FILLED),
    ]
    assert [(at - START_NS) // MS for at in result.orders["decided_ns"]] == [0, 200]  # when the first had ended
    assert result.orders["level"].tolist() == [-1, -1]
    assert result.funnel.wanted == 1 and result.funnel.placed == 2
    assert any("1 chase done" in words for words in result.problems)


def basket(policy: BasketPolicy, *legs, loss="5"):
    return Decision(baskets=(Basket(legs=legs, policy=policy, worst_loss=Usd(micro(loss))),))


def test_a_basket_of_all_or_none_takes_every_leg_at_once():
    legs = [intent(i, Side.BUY, "0.53", "40", Urgency.HIGH) for i in (1, 3)]
    tapes = [quiet(maker(1)), quiet(maker(2))]
    decide = at_ticks({0: basket(BasketPolicy.ALL_OR_NONE, *legs)})
    result = replay(tapes, Script(decide), latency=FAST)
    assert result.orders[["market", "filled", "state"]].tolist() == [
        (0, micro(40), OrderEnd.FILLED),
        (1, micro(40), OrderEnd.FILLED),
    ]
    assert any("1 basket done" in words for words in result.problems)


def test_a_basket_that_breaks_is_sold_again_within_its_bound():
    legs = [intent(i, Side.BUY, "0.53", "40", Urgency.HIGH) for i in (1, 3)]
    thin = maker(2).level(50, YES, Side.SELL, "0.53", "1").level(50, YES, Side.SELL, "0.52", "1")  # while it travels
    decide = at_ticks({0: basket(BasketPolicy.ALL_OR_NONE, *legs)})
    result = replay([quiet(maker(1)), quiet(thin)], Script(decide), latency=FAST)
    assert result.orders[["market", "side", "filled", "state"]].tolist() == [
        (0, BID, micro(40), OrderEnd.FILLED),
        (1, BID, 0, OrderEnd.CANCELED),
        (0, ASK, micro(40), OrderEnd.FILLED),
    ]
    # Bought 30 at 0.52 and 10 at 0.53, sold at 0.50: one dollar lost, five were declared.
    assert result.cash == micro(1_000) - micro("20.9") + micro(20)
    assert result.holdings == ()
    assert any("basket failed" in words and "unwind done" in words for words in result.problems)


def test_a_basket_with_a_refused_leg_starts_nothing():
    legs = [intent(1, Side.BUY, "0.53", "40", Urgency.HIGH), intent(3, Side.BUY, "0.535", "40", Urgency.HIGH)]
    decide = at_ticks({0: basket(BasketPolicy.ALL_OR_NONE, *legs)})
    result = replay([quiet(maker(1)), quiet(maker(2))], Script(decide), latency=FAST)
    assert len(result.orders) == 0 and result.funnel.refused == {"price_tick": 1, "whole_plan": 1}


def test_what_a_plan_may_still_order_holds_back_a_second_one():
    legs = [intent(i, Side.BUY, "0.53", "40", Urgency.HIGH) for i in (1, 3)]
    decide = at_ticks({0: basket(BasketPolicy.SEQUENTIAL, *legs), 1: Decision(intents=(legs[1],))})
    slow = Latency(order_ms=2_000, answer_ms=100)
    result = replay([quiet(maker(1)), quiet(maker(2))], Script(decide), latency=slow, interval_ms=500)
    assert result.funnel.refused == {"plan_working": 1}
    assert [(int(o["market"]), (int(o["decided_ns"]) - START_NS) // MS) for o in result.orders] == [(0, 0), (1, 2_100)]


# Best prices only -----------------------------------------------------------------------------------


def test_with_best_prices_only_trades_fill_nobody_and_takers_get_what_is_shown():
    tape = TapeMaker(facts_make(1))
    tape.book(0, bids=[("0.50", "25")], asks=[("0.52", "15")])
    tape.book(2_000, bids=[("0.50", "25")], asks=[("0.52", "15")]).trade(2_500, YES, Side.SELL, "0.49", "500")
    tape.book(4_000, bids=[("0.48", "25")], asks=[("0.50", "15")])
    tape = tape.book(6_000, bids=[("0.48", "25")], asks=[("0.50", "15")]).tape(Fidelity.TOP_OF_BOOK)
    take = intent(1, Side.BUY, "0.52", "40", Urgency.HIGH, order_type=OrderType.FAK)
    rests = quote(1, Side.BUY, "0.50", "10")
    strategy = Script(at_ticks({0: Decision(intents=(take,)), 1: Decision(quotes=(rests,))}))
    result = replay(tape, strategy, interval_ms=1_000, end_ns=START_NS + 4_500 * MS)
    assert result.orders[["filled", "state"]].tolist() == [
        (micro(15), OrderEnd.CANCELED),
        (micro(10), OrderEnd.FILLED),  # the quote, when the best ask came down to it
    ]
    assert [((f["at_ns"] - START_NS) // MS, f["taker"]) for f in result.fills] == [(150, 1), (4_000, 0)]
    assert result.fidelity == (Fidelity.TOP_OF_BOOK,) and any("best prices only" in w for w in result.problems)


# Prices only ----------------------------------------------------------------------------------------


def prices(*points: tuple[int, str]):
    tape = TapeMaker(facts_make(1))
    for at, price in points:
        tape.price(at, YES, price)
    return tape.tape(Fidelity.PRICES)


@pytest.mark.parametrize(
    ("slippage", "amount", "paid"),
    [(Slippage.NONE, 0, "0.50"), (Slippage.FIXED, 4_000, "0.504"), (Slippage.PROPORTIONAL, 10_000, "0.505")],
)
def test_a_price_series_sells_at_its_price_and_slippage_is_against_us(slippage, amount, paid):
    take = intent(1, Side.BUY, "0.51", "20", Urgency.IMMEDIATE)
    back = intent(1, Side.SELL, "0.49", "20", Urgency.IMMEDIATE)
    decide = at_ticks({0: Decision(intents=(take,)), 2: Decision(intents=(back,))})
    tape = prices((0, "0.50"), (5_000, "0.50"))
    result = replay(
        tape, Script(decide), slippage=slippage, slippage_amount=amount, fees=Fees.FIXED, fee_rate_ppm=50_000
    )
    bought, sold = result.fills
    worse = micro(paid) - micro("0.50")
    assert (bought["price"], sold["price"], bought["taker"]) == (micro(paid), micro("0.50") - worse, 1)
    assert result.cash == micro(1_000) - 40 * worse - result.fees and result.fees > 0
    assert result.fidelity == (Fidelity.PRICES,) and any("prices without a book" in w for w in result.problems)


def test_a_limit_beyond_the_slippage_gets_nothing():
    take = intent(1, Side.BUY, "0.51", "20", Urgency.IMMEDIATE)
    tape = prices((0, "0.50"), (5_000, "0.50"))
    decide = at_ticks({0: Decision(intents=(take,))})
    result = replay(tape, Script(decide), slippage=Slippage.FIXED, slippage_amount=11_000)
    assert len(result.fills) == 0 and result.orders["state"].tolist() == [OrderEnd.CANCELED]


@pytest.mark.parametrize(
    ("queue", "at_ms"),
    [(QueueAssumption.PESSIMISTIC, 4_000), (QueueAssumption.NEUTRAL, 2_000), (QueueAssumption.OPTIMISTIC, 2_000)],
)
def test_a_resting_order_waits_for_its_price_or_for_a_better_one(queue, at_ms):
    tape = prices((0, "0.50"), (2_000, "0.48"), (3_000, "0.48"), (4_000, "0.47"), (6_000, "0.47"))
    strategy = Script(lambda view: Decision(quotes=(quote(1, Side.BUY, "0.48", "20"),)) if not view.own else None)
    result = replay(tape, strategy, queue=queue)
    assert [((f["at_ns"] - START_NS) // MS, f["price"], f["fee"], f["taker"]) for f in result.fills] == [
        (at_ms, micro("0.48"), 0, 0)
    ]
    view = strategy.views[0].books[1]
    assert (view.best_bid, view.best_ask, view.last_trade_price) == (micro("0.49"), micro("0.51"), micro("0.50"))
    assert strategy.views[0].books[2].best_bid == micro("0.49")  # one minus the other's price, a tick on each side


def test_a_price_series_settles_like_any_market():
    tape = TapeMaker(facts_make(1)).price(0, NO, "0.30").price(3_000, NO, "0.20").resolved(6_000, "1", "0")
    take = intent(1, Side.BUY, "0.72", "10", Urgency.IMMEDIATE)
    result = replay(tape.tape(Fidelity.PRICES), Script(at_ticks({0: Decision(intents=(take,))})))
    assert result.fills["price"].tolist() == [micro("0.70")]
    assert result.settlements["cash"].tolist() == [micro(10)] and result.cash == micro(1_003)
