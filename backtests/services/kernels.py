"""Compiling the loops of the fast mode ahead, so that nobody waits for it in front of a form."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from backtests.domain.fast import replay_fast
from backtests.domain.request import BacktestRequest, Mode
from markets.domain.instruments import Category, FeeSchedule, MarketFacts, MarketState, OutcomeFacts, Venue
from markets.domain.tape import ASK, BID, COLUMNS, LAST, Fidelity, Kind, Tape
from markets.domain.units import ONE, Price, Shares, Usd
from risk.domain.limits import Limits
from strategies.domain.quoting import QuoteStrategy
from strategies.library.registry import STRATEGIES

_AT_NS = 1_760_000_000 * 10**9
_LIMIT = Usd(1_000 * ONE)


def kernels_compile() -> dict[str, float]:
    """Run every quote strategy once over a few events; return the seconds of each. Compiled ones take a moment."""
    took = {}
    for name, strategy in STRATEGIES.items():
        if not isinstance(strategy, QuoteStrategy):
            continue
        began = time.monotonic()
        _replay(name, strategy)
        took[name] = time.monotonic() - began
    return took


def stepping_compile() -> float:
    """Compile the loop for strategies that stay in Python; return the seconds it took."""
    began = time.monotonic()
    for name, strategy in STRATEGIES.items():
        if isinstance(strategy, QuoteStrategy):
            _replay(name, _in_python(strategy))
            break
    return time.monotonic() - began


def _in_python(strategy: QuoteStrategy) -> QuoteStrategy:
    kind: Any = type(strategy)
    made: QuoteStrategy = type(f"{kind.__name__}InPython", (kind,), {"compiles": False})()
    return made


def _replay(name: str, strategy: QuoteStrategy) -> None:
    request = BacktestRequest(strategy=name, params={}, data=(), mode=Mode.FAST)
    limits = Limits(
        profile="none", account_exposure=_LIMIT, market_exposure=_LIMIT, event_exposure=_LIMIT,
        strategy_exposure=_LIMIT, order_size=_LIMIT, order_minimum=Usd(ONE), open_orders=10, open_positions=10,
        daily_loss=_LIMIT, drawdown_stop_bps=1_000, drawdown_kill_bps=2_000, slippage_bps=100,
    )  # fmt: skip
    replay_fast([_tape()], request, limits=limits, strategy=strategy)


def _tape() -> Tape:
    """Return one book and one change of it."""
    rows = [(Kind.CLEAR, 0, 0), (Kind.LEVEL, BID, 48), (Kind.LEVEL, ASK, 52), (Kind.LEVEL, BID, 49)]
    columns = {column: np.zeros(len(rows), kind) for column, kind in COLUMNS.items()}
    for row, (kind, side, tick) in enumerate(rows):
        columns["kind"][row], columns["side"][row], columns["ticks"][row] = kind, side, tick
        columns["size"][row] = 100 * ONE
        columns["received_ns"][row] = _AT_NS + (0 if row < 3 else 5 * 10**9)
        columns["flags"][row] = LAST if row >= 2 else 0
    at = datetime.fromtimestamp(_AT_NS / 1e9, tz=UTC)
    outcomes = tuple(OutcomeFacts(outcome_id=i + 1, token_id=str(i), index=i, label=str(i)) for i in range(2))
    facts = MarketFacts(
        market_id=1, venue=Venue.POLYMARKET, condition_id="compile", question="", slug="compile",
        category=Category.OTHER, state=MarketState.OPEN, tick=Price(10_000), minimum_size=Shares(5 * ONE),
        fee=FeeSchedule(rate_ppm=0), event_id=1, event_slug="", neg_risk=False, neg_risk_augmented=False,
        closes_at=None, outcomes=outcomes, synced_at=at, volume_24h=0, liquidity=0,
    )  # fmt: skip
    return replace(
        Tape(facts=facts, step=10_000, fidelity=Fidelity.BOOK_AND_TRADES, columns=columns), source="made to compile"
    )
