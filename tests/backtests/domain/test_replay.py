"""Exact replays of small tapes, with numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from backtests.domain.request import Fees, Latency, QueueAssumption
from backtests.domain.result import OrderEnd
from markets.domain.instruments import Category, FeeSchedule, MarketState, Side
from markets.domain.tape import ASK, BID
from markets.domain.views import BookStatus
from orders.domain.intents import OrderType, Urgency
from strategies.domain.base import Decision, Wake, WakeKind
from tests.backtests.scripts import LIMITS, Script, at_ticks, intent, quote, replay
from tests.backtests.tapes import MS, NO, START, START_NS, YES, TapeMaker, facts_make, micro, shifted

DAY_NS = 86_400 * 10**9
BIDS, ASKS = [("0.50", "100"), ("0.49", "50")], [("0.52", "30"), ("0.53", "60")]


def maker(**facts) -> TapeMaker:
    return TapeMaker(facts_make(**facts)).book(0, bids=BIDS, asks=ASKS)


def buying(price="0.50", size="20") -> Script:
    return Script(lambda view: Decision(quotes=(quote(1, Side.BUY, price, size),)))


def moments(result, name):
    return [(int(at) - START_NS) / MS for at in result.fills[name]]


def test_a_resting_order_waits_its_turn_and_is_known_when_the_answer_has_come():
    tape = (
        maker()
        .trade(500, YES, Side.SELL, "0.50", "90")  # 10 are left before us
        .trade(1_200, YES, Side.SELL, "0.50", "25")  # 15 of them are ours
        .trade(1_300, NO, Side.BUY, "0.50", "2.005")  # the mirror: 2 more, in hundredths
        .level(5_000, YES, Side.BUY, "0.48", "1")
        .tape()
    )
    strategy = buying()
    result = replay(tape, strategy, interval_ms=1_000)
    (order,) = result.orders
    assert (order["decided_ns"], order["arrived_ns"]) == (START_NS, START_NS + 150 * MS)
    assert (order["filled"], order["state"], order["ended_ns"]) == (micro(17), OrderEnd.OPEN, 0)
    assert [(f["size"], f["price"], f["fee"], f["taker"], f["cash"]) for f in result.fills] == [
        (micro(15), micro("0.50"), 0, 0, -micro("7.50")),
        (micro(2), micro("0.50"), 0, 0, -micro("1.00")),
    ]
    assert moments(result, "at_ns") == [1_200, 1_300]
    assert [v.held(1) for v in strategy.views] == [0, 0, micro(17), micro(17), micro(17), micro(17)]
    assert [f.at for f in strategy.fills] == [START + timedelta(milliseconds=ms) for ms in (1_200, 1_300)]
    assert (result.cash, result.holdings[0].size, result.holdings[0].cost) == (micro("991.5"), micro(17), micro("8.5"))
    assert result.funnel.placed == 1 and result.funnel.unchanged == 5 and result.funnel.errors == 0


def test_the_answer_to_a_fill_takes_its_time():
    tape = maker().trade(960, YES, Side.SELL, "0.49", "20").level(3_000, YES, Side.BUY, "0.48", "1").tape()
    strategy = buying()
    replay(tape, strategy, interval_ms=1_000, latency=Latency(answer_ms=50))
    assert [v.held(1) for v in strategy.views] == [0, 0, micro(20), micro(20)]  # known at 1,010
    assert [len(v.open_orders) for v in strategy.views] == [0, 1, 0, 1]  # and another one was wanted then


def test_an_order_meets_the_book_of_its_arrival():
    moved = maker().level(100, YES, Side.SELL, "0.52", "0").level(100, YES, Side.SELL, "0.53", "7")
    tape = moved.level(3_000, YES, Side.BUY, "0.48", "1").tape()
    decide = at_ticks(
        {0: Decision(intents=(intent(1, Side.BUY, "0.53", "20", Urgency.HIGH, order_type=OrderType.FAK),))}
    )
    result = replay(tape, Script(decide), interval_ms=1_000)
    (fill,) = result.fills
    assert (fill["price"], fill["size"], fill["taker"], fill["mid"]) == (micro("0.53"), micro(7), 1, micro("0.515"))
    assert result.orders["state"].tolist() == [OrderEnd.CANCELED]


def test_what_was_taken_is_not_there_twice():
    wish = intent(1, Side.BUY, "0.52", "20", Urgency.HIGH, order_type=OrderType.FAK)
    tape = maker().level(9_000, YES, Side.BUY, "0.48", "1").tape()
    decide = at_ticks({n: Decision(intents=(wish,)) for n in (0, 3, 6)})
    result = replay(tape, Script(decide), interval_ms=1_000)
    assert [int(f["size"]) for f in result.fills] == [micro(20), micro(10)]
    assert result.orders["state"].tolist() == [OrderEnd.FILLED, OrderEnd.CANCELED, OrderEnd.CANCELED]


@pytest.mark.parametrize(
    ("day", "fee"),
    [("2025-06-01", 0), ("2026-04-10", 149_760), ("2026-07-20", 249_600)],  # 20 x rate x 0.52 x 0.48
)
def test_fees_are_those_of_the_day(day, fee):
    tape = maker(category=Category.SPORTS).level(3_000, YES, Side.BUY, "0.48", "1").tape()
    moved = shifted(
        tape, int(np.datetime64(day, "ns").astype(np.int64)) - START_NS // (86_400 * 10**9) * 86_400 * 10**9
    )
    moved = replace(moved, facts=replace(moved.facts, closes_at=None))
    decide = at_ticks({0: Decision(intents=(intent(1, Side.BUY, "0.52", "20", Urgency.IMMEDIATE),))})
    result = replay(moved, Script(decide), fees=Fees.BY_DATE)
    assert (int(result.fills["fee"][0]), int(result.fills["cash"][0])) == (fee, -micro("10.4") - fee)
    assert result.fees == fee and result.cash == micro(1_000) - micro("10.4") - fee


def test_a_market_that_holds_takers_lets_nobody_out_meanwhile():
    wish = intent(1, Side.BUY, "0.52", "40", Urgency.MEDIUM)
    tape = (
        maker(seconds_delay=3)
        .level(2_000, YES, Side.SELL, "0.52", "12")
        .level(8_000, YES, Side.BUY, "0.48", "1")
        .tape()
    )
    decide = at_ticks({0: Decision(intents=(wish,)), 1: Decision(cancels=(1,))})
    strategy = Script(decide)
    result = replay(tape, strategy, interval_ms=1_000)
    (fill,) = result.fills
    assert ((fill["at_ns"] - START_NS) / MS, fill["size"]) == (3_150, micro(12))  # what is there after three seconds
    (order,) = result.orders
    assert (order["state"], order["ended_ns"]) == (OrderEnd.CANCELED, START_NS + 3_150 * MS)
    assert [str(v.open_orders[0].state) for v in strategy.views[1:4]] == ["delayed"] * 3
    assert strategy.views[2].open_orders[0].cancel_requested
    assert strategy.views[4].open_orders == ()


def test_a_good_till_date_order_ends_in_time():
    until = START + timedelta(seconds=120)
    wish = intent(1, Side.BUY, "0.45", "10", Urgency.MEDIUM, expires_at=until)
    tape = maker().trade(120_200, YES, Side.SELL, "0.44", "500").level(130_000, YES, Side.BUY, "0.48", "1").tape()
    result = replay(tape, Script(at_ticks({0: Decision(intents=(wish,))})), interval_ms=10_000)
    assert result.orders["state"].tolist() == [OrderEnd.EXPIRED]
    # It arrived 150 ms late and may live two minutes from there.
    assert result.orders["ended_ns"].tolist() == [START_NS + 120_150 * MS]


def test_a_cancel_travels_and_keeps_the_money_until_its_end_is_known():
    tape = maker().trade(2_100, YES, Side.SELL, "0.49", "5").level(6_000, YES, Side.BUY, "0.48", "1").tape()
    decide = at_ticks({0: Decision(quotes=(quote(1, Side.BUY, "0.50", "20"),)), 2: Decision()})
    strategy = Script(decide)
    result = replay(tape, strategy, interval_ms=1_000)
    assert result.orders[["filled", "state"]].tolist() == [(micro(5), OrderEnd.CANCELED)]
    assert result.orders["ended_ns"].tolist() == [START_NS + 2_150 * MS]
    assert [len(v.open_orders) for v in strategy.views] == [0, 1, 1, 0, 0, 0, 0]
    assert result.funnel.canceled == 1 and result.cash == micro(1_000) - micro("2.5")


def test_the_outcome_stays_hidden_until_it_is_settled():
    facts = facts_make(state=MarketState.RESOLVED)
    facts = replace(
        facts, outcomes=tuple(replace(o, payout=micro(p)) for o, p in zip(facts.outcomes, ("1", "0"), strict=True))
    )
    tape = TapeMaker(facts).book(0, bids=BIDS, asks=ASKS).resolved(2_500, "1", "0")
    tape = tape.level(9_000, YES, Side.BUY, "0.48", "1").tape()
    taking = Decision(intents=(intent(1, Side.BUY, "0.52", "20", Urgency.IMMEDIATE),))
    strategy = Script(at_ticks({0: taking}), wakes=[Wake(kind=WakeKind.RESOLUTION)])
    result = replay(tape, strategy, interval_ms=1_000)
    shown = [(v.markets[1].state, [o.payout for o in v.markets[1].outcomes]) for v in strategy.views]
    assert shown[:3] == [(MarketState.OPEN, [None, None])] * 3
    assert shown[3] == (MarketState.RESOLVED, [micro(1), 0])
    assert (strategy.views[3].now - START) == timedelta(milliseconds=2_550)  # woken when it was booked
    assert strategy.views[3].books[1].status is BookStatus.CLOSED
    (paid,) = result.settlements
    assert (paid["size"], paid["payout"], paid["cash"], paid["realized"]) == (
        micro(20), micro(1), micro(20), micro("9.6"),
    )  # fmt: skip
    assert [r.payouts for r in strategy.resolved] == [{1: micro(1), 2: 0}]
    assert result.holdings == () and result.cash == micro(1_000) + micro("9.6")


def test_payouts_that_do_not_add_up_pay_nothing():
    tape = maker().resolved(2_500, "1", "0.5").level(5_000, YES, Side.BUY, "0.48", "1").tape()
    taking = Decision(intents=(intent(1, Side.BUY, "0.52", "20", Urgency.IMMEDIATE),))
    result = replay(tape, Script(at_ticks({0: taking})))
    assert len(result.settlements) == 0 and result.holdings[0].size == micro(20)
    assert any("without clear payouts" in words for words in result.problems)


def test_a_void_market_pays_half_for_both():
    tape = maker().resolved(2_500, "0.5", "0.5").tape()
    taking = Decision(intents=(intent(1, Side.BUY, "0.52", "20", Urgency.IMMEDIATE),))
    result = replay(tape, Script(at_ticks({0: taking})))
    assert result.settlements[["cash", "realized"]].tolist() == [(micro(10), -micro("0.4"))]


def test_an_order_on_its_way_when_the_market_ends_is_rejected_and_its_shares_are_paid():
    taking = Decision(intents=(intent(1, Side.BUY, "0.52", "20", Urgency.IMMEDIATE),))
    selling = Decision(intents=(intent(1, Side.SELL, "0.50", "20", Urgency.IMMEDIATE),))
    tape = maker().resolved(2_100, "1", "0").level(5_000, YES, Side.BUY, "0.48", "1").tape()
    result = replay(tape, Script(at_ticks({0: taking, 2: selling})), latency=Latency(order_ms=150, answer_ms=500))
    assert result.orders["state"].tolist() == [OrderEnd.FILLED, OrderEnd.REJECTED]
    assert result.settlements["size"].tolist() == [micro(20)]
    assert result.settlements["at_ns"][0] >= START_NS + 2_650 * MS  # after the rejection was known
    assert result.funnel.rejected == {"the market is resolved and takes no orders": 1}


def test_after_a_gap_nothing_is_sure_until_the_next_book():
    tape = (
        maker()
        .gap(1_100)
        .level(1_500, YES, Side.BUY, "0.51", "10")
        .book(4_500, bids=BIDS, asks=ASKS)
        .level(8_000, YES, Side.BUY, "0.48", "1")
        .tape()
    )
    strategy = Script(at_ticks({2: Decision(quotes=(quote(1, Side.BUY, "0.45", "10"),))}))
    result = replay(tape, strategy, interval_ms=1_000)
    seen = [(str(v.books[1].status), v.books[1].best_bid, v.books[1].seq) for v in strategy.views]
    assert seen[1] == ("live", micro("0.50"), 1)
    assert seen[2:5] == [("stale", micro("0.50"), 1)] * 3  # what came meanwhile is not trusted
    assert seen[5] == ("live", micro("0.50"), 2)
    assert strategy.views[4].books[1].age_ms(strategy.views[4].now_ms) == 4_000
    assert result.funnel.refused == {"book_fresh": 1} and result.funnel.placed == 1  # asked again after five seconds
    assert [(m, (a - START_NS) // MS, (b - START_NS) // MS) for m, a, b in result.gaps] == [(0, 1_100, 4_500)]


def test_a_tape_without_a_whole_book_says_why_nothing_was_traded():
    never = TapeMaker(facts_make()).level(0, YES, Side.BUY, "0.50", "10").level(3_000, YES, Side.BUY, "0.49", "10")
    result = replay(never.tape(), buying())
    assert len(result.orders) == 0 and any("no whole book was recorded" in words for words in result.problems)
    lost = maker().gap(100).level(3_000, YES, Side.BUY, "0.49", "10").tape()
    assert any("after its last gap" in words for words in replay(lost, buying()).problems)
    between = replace(
        maker().level(9_000, YES, Side.BUY, "0.49", "10").tape(), gaps=((START_NS + MS, START_NS + 2 * MS),)
    )
    assert any("after its last gap" in words for words in replay(between, buying()).problems)


def test_days_of_one_market_follow_each_other_with_a_gap_between():
    first = maker().trade(1_000, YES, Side.SELL, "0.49", "5").level(2_000, YES, Side.BUY, "0.48", "1").tape()
    second = TapeMaker(facts_make()).book(900_000, bids=BIDS, asks=ASKS).trade(901_000, YES, Side.SELL, "0.49", "5")
    result = replay([second.level(903_000, YES, Side.BUY, "0.48", "1").tape(), first], buying(), interval_ms=1_000)
    assert len(result.markets) == 1 and result.holdings[0].size == micro(10)
    assert [(a - START_NS) // MS for _, a, b in result.gaps] == [2_000]
    assert result.funnel.placed == 1  # it rests over the gap and keeps its place


def test_an_order_that_arrives_in_a_gap_waits_for_the_book():
    quotes = Decision(quotes=(quote(1, Side.BUY, "0.50", "10"),))
    base = maker().gap(100)
    found = base.book(2_000, bids=BIDS, asks=ASKS).level(8_000, YES, Side.BUY, "0.48", "1").tape()
    result = replay(found, Script(at_ticks({0: quotes})), interval_ms=20_000)
    assert result.orders["state"].tolist() == [OrderEnd.OPEN]
    lost = maker().gap(100).level(8_000, YES, Side.BUY, "0.48", "1").tape()
    result = replay(lost, Script(at_ticks({0: quotes})), interval_ms=20_000)
    assert result.orders[["state", "ended_ns"]].tolist() == [(OrderEnd.REJECTED, START_NS + 5_150 * MS)]


def test_two_outcomes_and_two_markets_share_one_clock_and_one_purse():
    first = maker().level(9_000, YES, Side.BUY, "0.48", "1").tape()
    second = TapeMaker(facts_make(2)).book(500, bids=BIDS, asks=ASKS).trade(3_000, NO, Side.SELL, "0.44", "30").tape()
    decide = at_ticks(
        {
            0: Decision(intents=(intent(1, Side.BUY, "0.52", "20", Urgency.IMMEDIATE),)),
            1: Decision(quotes=(quote(4, Side.BUY, "0.45", "30"),)),
        }
    )
    strategy = Script(decide)
    result = replay([first, second], strategy, interval_ms=1_000)
    assert [(f["market"], f["outcome"], f["side"]) for f in result.fills] == [(0, 0, BID), (1, 1, BID)]
    assert result.cash == micro(1_000) - micro("10.4") - micro("13.5")
    assert [h.market for h in result.holdings] == [0, 1] and [h.mark for h in result.holdings] == [
        micro("0.50"),
        micro("0.48"),
    ]
    assert sorted(strategy.views[0].books) == [1, 2] and sorted(strategy.views[1].books) == [1, 2, 3, 4]


def test_markets_of_one_event_are_one_risk():
    events = {"event_slug": "final", "neg_risk": True}
    tapes = []
    for number in (1, 2):
        story = TapeMaker(facts_make(number, **events)).book(0, bids=BIDS, asks=ASKS)
        tapes.append(story.level(3_000, YES, Side.BUY, "0.4", "1").tape())
    wish = tuple(intent(i, Side.BUY, "0.52", "20", Urgency.IMMEDIATE) for i in (1, 3))
    tight = replace(LIMITS, event_exposure=micro(12))
    result = replay(tapes, Script(at_ticks({0: Decision(intents=wish)})), limits=tight)
    assert result.orders["market"].tolist() == [0, 1]
    assert result.orders["size"].tolist()[0] == micro(20) and result.orders["size"].tolist()[1] < micro(4)
    assert "event_exposure" in {**result.funnel.shrunk, **result.funnel.refused}


def test_a_sell_takes_only_what_is_held_and_books_its_profit():
    better = maker().book(2_500, bids=[("0.55", "100")], asks=[("0.57", "50")])
    tape = better.level(6_000, YES, Side.BUY, "0.48", "1").tape()
    buy = Decision(intents=(intent(1, Side.BUY, "0.52", "20", Urgency.IMMEDIATE),))
    sell = Decision(intents=(intent(1, Side.SELL, "0.55", "50", Urgency.HIGH, order_type=OrderType.FAK),))
    result = replay(tape, Script(at_ticks({0: buy, 3: sell})), interval_ms=1_000, fees=Fees.FIXED, fee_rate_ppm=50_000)
    assert [(f["side"], f["size"], f["fee"], f["realized"]) for f in result.fills] == [
        (BID, micro(20), 249_600, 0),
        (ASK, micro(20), 247_500, micro("0.6")),  # cut to what is held
    ]
    assert result.cash == micro(1_000) - micro("10.4") - 249_600 + micro("11") - 247_500


def test_queue_assumptions_differ_where_others_cancel():
    tape = maker().level(1_000, YES, Side.BUY, "0.50", "150").level(1_100, YES, Side.BUY, "0.50", "75")
    tape = tape.trade(5_000, YES, Side.SELL, "0.50", "60").tape()
    filled = [
        int(replay(tape, buying(size="40"), interval_ms=10_000, queue=queue).orders["filled"][0])
        for queue in QueueAssumption
    ]
    # 100 before us; of 150 shares 75 leave: 75, 50 or 25 are left before us.
    assert filled == [0, micro(10), micro(35)]


def test_before_the_start_books_fill_and_nobody_trades():
    tape = maker().trade(500, YES, Side.SELL, "0.49", "40").level(5_000, YES, Side.BUY, "0.48", "1").tape()
    strategy = buying()
    result = replay(tape, strategy, interval_ms=1_000, start_ns=START_NS + 2_000 * MS, end_ns=START_NS + 4_000 * MS)
    assert [(v.now - START) / timedelta(seconds=1) for v in strategy.views] == [2, 3]
    assert len(result.orders) == 1 and strategy.views[0].books[1].best_bid == micro("0.50")
    assert len(result.fills) == 0


def test_a_crossed_book_is_counted_and_trades_with_nobody():
    tape = (
        maker()
        .level(1_000, YES, Side.BUY, "0.53", "10", pair=False)
        .level(3_000, YES, Side.BUY, "0.53", "0", pair=False)
    )
    result = replay(tape.level(5_000, YES, Side.BUY, "0.48", "1").tape(), buying(price="0.52"), interval_ms=10_000)
    assert any("crossed" in words for words in result.problems)


def test_maker_rebates_are_estimated_and_paid_a_day_later():
    facts = {"fee": FeeSchedule(rate_ppm=50_000, rebate_ppm=250_000), "closes_at": None}
    tape = (
        maker(**facts)
        .trade(1_000, YES, Side.SELL, "0.49", "500")
        .level(13 * 3_600_000, YES, Side.BUY, "0.48", "1")
        .tape()
    )
    result = replay(tape, buying(size="400"), interval_ms=3_600_000, fees=Fees.MARKET, rebates=True)
    assert result.rebates == micro("1.25")  # 400 x 0.05 x 0.25 makes 5 dollars of fee, a quarter of it
    assert result.cash == micro(1_000) - micro(200) + micro("1.25")
    midnight = result.equity["at_ns"] >= START_NS + 12 * 3_600 * 10**9
    assert set(result.equity["rebates"][~midnight].tolist()) == {0}
    assert any("estimate" in words for words in result.problems)
