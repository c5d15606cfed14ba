"""The look-ahead check passes an honest strategy and catches one that knows the tape."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import numpy as np

from backtests.domain.replay import replay_exact
from backtests.domain.request import BacktestRequest, DataRef
from backtests.domain.result import BacktestResult
from backtests.domain.search.lookahead import Change, changed, lookahead_check
from markets.domain.instruments import Side
from markets.domain.tape import Kind, Tape, tape_check
from markets.domain.units import Price, Shares
from orders.domain.intents import Quote
from strategies.domain.base import Base, Decision, TradingParameters
from strategies.domain.view import MarketView
from strategies.library.market_making import MarketMaking
from tests.backtests.tapes import YES, TapeMaker
from tests.factories.risk import limits


def _tape() -> Tape:
    rng, maker = random.Random(4), TapeMaker()
    mid = Decimal("0.50")
    for step in range(240):
        mid = min(max(mid + rng.choice((-1, 0, 1)) * Decimal("0.01"), Decimal("0.2")), Decimal("0.8"))
        at = 500 * step
        maker.book(at, bids=[(str(mid - Decimal("0.02")), "100")], asks=[(str(mid + Decimal("0.02")), "100")])
        if step % 3 == 0:
            side = rng.choice((Side.BUY, Side.SELL))
            price = mid + (Decimal("0.01") if side is Side.BUY else -Decimal("0.01"))
            maker.trade(at + 100, YES, side, str(price), "30")
    return maker.resolved(121_000, "1", "0").tape()


class Nothing(TradingParameters):
    """No parameters of its own."""


class Clairvoyant(Base):
    """Buys below a price that it read from the end of the tape: what no strategy may know."""

    name, title, description, params = "clairvoyant", "Clairvoyant", "For this test.", Nothing

    def __init__(self) -> None:
        self.tape: Tape | None = None

    def decide(self, view: MarketView) -> Decision:
        assert self.tape is not None
        columns = self.tape.columns
        last = columns["ticks"][(columns["kind"] == Kind.LEVEL) & (columns["outcome"] == YES)][-1]
        price = (int(last) % 10 + 2) * 10_000  # far from the market, and another one for every end
        return Decision(quotes=(Quote(outcome_id=1, side=Side.BUY, price=Price(price), size=Shares(10_000_000)),))


def _replay(strategy: Any, params: dict[str, Any], tapes: Any) -> BacktestResult:
    if isinstance(strategy, Clairvoyant):
        strategy.tape = tapes[0]
    request = BacktestRequest(
        strategy="market_making", params=params, data=(DataRef(market="-", day="-"),), interval_ms=1_000, bands=False
    )
    return replay_exact(tapes, request, limits=limits(), strategy=strategy)


def test_an_honest_strategy_passes_and_was_compared() -> None:
    params = {"half_spread": "0.01", "minimum_edge": "0", "volatility_window_s": "30"}
    tape = _tape()
    whole = _replay(MarketMaking(), params, [tape])
    assert len(whole.decisions) > 10 and len(whole.fills) > 1
    probes = lookahead_check(lambda tapes: _replay(MarketMaking(), params, tapes), [tape], cuts=2)
    assert len(probes) == 6 and {probe.change for probe in probes} == set(Change)
    assert all(probe.passed and probe.compared > 3 for probe in probes), probes


def test_one_that_reads_the_end_of_the_tape_is_caught() -> None:
    strategy = Clairvoyant()
    probes = lookahead_check(lambda tapes: _replay(strategy, {}, tapes), [_tape()], cuts=2)
    caught = [probe for probe in probes if not probe.passed]
    assert caught and all(probe.differs_ns is not None and probe.differs_ns < probe.cut_ns for probe in caught)


def test_a_changed_future_can_be_replayed_and_leaves_the_past_as_it_was() -> None:
    tape = _tape()
    cut = tape.start_ns + (tape.end_ns - tape.start_ns) // 2
    first = int(np.searchsorted(tape.columns["received_ns"], cut))
    for change in Change:
        other = changed(tape, cut, change)
        tape_check(other)
        for name, column in tape.columns.items():
            assert (other.columns[name][:first] == column[:first]).all()
        assert change is not Change.CUT or len(other) < len(tape)
