"""The strategy's side of exact replays: when it ticks, what it is shown, when the gate is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from backtests.domain.replay import replay_exact
from backtests.domain.request import RequestError
from backtests.domain.result import OrderEnd
from markets.domain.instruments import Side
from strategies.domain.base import Decision, Wake, WakeKind
from strategies.domain.view import Needs
from tests.backtests.scripts import LIMITS, Script, at_ticks, quote, replay, request
from tests.backtests.tapes import MS, NO, START, START_NS, YES, TapeMaker, facts_make, micro

DAY_NS = 86_400 * 10**9
BIDS, ASKS = [("0.50", "100"), ("0.49", "50")], [("0.52", "30"), ("0.53", "60")]


def maker(**facts) -> TapeMaker:
    return TapeMaker(facts_make(**facts)).book(0, bids=BIDS, asks=ASKS)


def buying(price="0.50", size="20") -> Script:
    return Script(lambda view: Decision(quotes=(quote(1, Side.BUY, price, size),)))


def moments(result, name):
    return [(int(at) - START_NS) / MS for at in result.fills[name]]


def test_a_refusal_is_asked_again_later_and_later():
    tape = maker().level(100_000, YES, Side.BUY, "0.48", "1").tape()
    dear = replace(LIMITS, order_minimum=micro(50))
    result = replay(tape, buying(), limits=dear, interval_ms=1_000)
    assert result.funnel.refused == {"order_minimum": 5}  # at 0, 5, 15, 35 and 75 s
    assert result.funnel.decisions == 1 and result.funnel.unchanged == 96


def test_a_smaller_order_than_asked_is_no_change_at_the_next_tick():
    tape = maker().level(10_000, YES, Side.BUY, "0.48", "1").tape()
    small = replace(LIMITS, order_size=micro(6))
    result = replay(tape, buying(size="20"), limits=small, interval_ms=1_000)
    assert result.orders["size"].tolist() == [micro(12)]
    assert result.funnel.shrunk == {"order_size": 1} and result.funnel.canceled == 0


def test_a_strategy_that_raises_five_times_is_stopped_and_its_orders_are_taken_off():
    def decide(view):
        if view.now >= START + timedelta(seconds=3):
            raise ValueError("no idea")
        return Decision(quotes=(quote(1, Side.BUY, "0.45", "10"),))

    tape = maker().level(20_000, YES, Side.BUY, "0.48", "1").tape()
    result = replay(tape, Script(decide), interval_ms=1_000)
    assert (result.funnel.errors, result.funnel.ticks) == (5, 8)
    assert result.funnel.first_error == "ValueError: no idea"
    assert result.orders["state"].tolist() == [OrderEnd.CANCELED]
    assert any("stopped after 5 errors" in words for words in result.problems)


def test_an_error_takes_back_what_the_tick_remembered():
    calls = []

    def decide(view):
        calls.append((view.state.get("fills", 0), len(calls)))
        if len(calls) == 3:
            raise ValueError("once")
        return Decision(quotes=(quote(1, Side.BUY, "0.50", "20"),))

    tape = maker().trade(1_500, YES, Side.SELL, "0.49", "5").level(5_000, YES, Side.BUY, "0.48", "1").tape()
    strategy = Script(decide, on_fill=lambda state, fill: {"fills": state.get("fills", 0) + 1})
    result = replay(tape, strategy, interval_ms=1_000)
    assert [n for n, _ in calls] == [0, 0, 1, 1, 1, 1]  # told again at the tick after the error, and only once
    assert result.funnel.errors == 1 and len(strategy.fills) == 2


def test_wakes_come_between_intervals_with_a_pause():
    tape = (
        maker()
        .level(2_100, YES, Side.BUY, "0.51", "10")  # the middle moves by half a cent
        .level(2_150, YES, Side.SELL, "0.53", "61")  # and does not
        .trade(2_200, YES, Side.SELL, "0.51", "5")  # within the pause
        .level(9_000, YES, Side.BUY, "0.48", "1")
        .tape()
    )
    strategy = Script(lambda view: None, wakes=[Wake(kind=WakeKind.BOOK, threshold=5_000), Wake(kind=WakeKind.TRADE)])
    replay(tape, strategy, interval_ms=4_000)
    at = [(v.now - START) / timedelta(milliseconds=1) for v in strategy.views]
    assert at == [0, 2_100, 2_350, 4_000, 8_000]  # the first book wakes at 0, together with the interval


def test_an_own_fill_wakes_when_it_is_known():
    tape = maker().trade(1_500, YES, Side.SELL, "0.49", "20").level(9_000, YES, Side.BUY, "0.48", "1").tape()
    decide = at_ticks({0: Decision(quotes=(quote(1, Side.BUY, "0.50", "20"),)), 1: Decision()})
    strategy = Script(decide, wakes=[Wake(kind=WakeKind.FILL)])
    replay(tape, strategy, interval_ms=4_000)
    assert [(v.now - START) / timedelta(milliseconds=1) for v in strategy.views] == [0, 1_550, 4_000, 8_000]
    assert strategy.views[1].held(1) == micro(20)


def test_trades_and_samples_are_those_of_the_first_outcome():
    tape = (
        maker()
        .trade(100, YES, Side.BUY, "0.52", "3")
        .trade(200, NO, Side.BUY, "0.50", "4")
        .trade(300, YES, Side.SELL, "0.50", "5")
    )
    tape = tape.level(3_000, YES, Side.BUY, "0.51", "10").level(5_000, YES, Side.BUY, "0.48", "1").tape()
    strategy = Script(lambda view: None, needs=Needs(trades=1, samples_1s=10))
    replay(tape, strategy, interval_ms=1_000)
    assert [(t.price, t.size) for t in strategy.views[1].trades[1]] == [(micro("0.50"), micro(5))]
    assert 2 not in strategy.views[1].trades
    last = [(s.mid, s.traded) for s in strategy.views[5].samples_1s[1]]
    assert last == [(micro("0.51"), micro(8)), *[(micro("0.51"), 0)] * 2, *[(micro("0.515"), 0)] * 3]


def test_a_replay_can_be_stopped_and_keeps_what_it_has():
    tape = maker()
    for n in range(1, 9_000):
        tape.level(n * 10, YES, Side.BUY, "0.49", str(50 + n % 7), pair=False)
    told = []
    result = replay(tape.tape(), buying(), interval_ms=10, progress=lambda done: told.append(done) or len(told) < 2)
    assert result.stopped == "stopped on request" and len(told) == 2
    assert 0 < told[0] < told[1] < 1 and result.funnel.ticks < 9_000 and len(result.equity) > 0


def test_what_cannot_be_replayed_is_refused_with_its_field():
    tape = maker().tape()
    turned = {**tape.columns, "received_ns": START_NS - np.arange(len(tape))}
    back = replace(tape, columns=turned)
    for tapes, values, field in (
        ([], {}, "data"),
        ([back], {}, "data"),
        ([tape], {"interval_ms": 0}, "interval_ms"),
        ([tape], {"capital": 0}, "capital"),
        ([tape], {"end_ns": START_NS - 1}, "end_ns"),
    ):
        with pytest.raises(RequestError) as caught:
            replay(tapes, Script(lambda view: None), **values)
        assert caught.value.field == field
    for name, params, field in (("nobody", {}, "strategy"), ("touch_maker", {"size": -1}, "params")):
        with pytest.raises(RequestError) as caught:
            replay_exact([tape], request(strategy=name, params=params), limits=LIMITS)
        assert caught.value.field == field
