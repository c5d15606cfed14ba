"""Finished backtests made up for report tests: small ones by hand, large ones from a seed.

Every result balances: its cash is the capital plus what its fills, settlements and rebates changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from backtests.domain.request import BacktestRequest, DataRef
from backtests.domain.result import EQUITY, FILL, ORDER, SETTLEMENT, BacktestResult, Funnel, Holding, OrderEnd
from markets.domain.instruments import Category, FeeSchedule, MarketFacts, MarketState, OutcomeFacts, Venue
from markets.domain.tape import ASK, BID, COLUMNS, LAST, Fidelity, Kind, Tape
from markets.domain.units import ONE, Price, Shares

DAY_NS = 86_400 * 10**9
START = 1_756_684_800 * 10**9  # 2025-09-01 00:00 UTC
CAPITAL = 1_000 * ONE


def facts_make(number: int = 0, *, tags: tuple[str, ...] = (), category: Category = Category.SPORTS) -> MarketFacts:
    outcomes = tuple(
        OutcomeFacts(outcome_id=2 * number + i + 1, token_id=str(2 * number + i), index=i, label=label)
        for i, label in enumerate(("Yes", "No"))
    )
    return MarketFacts(
        market_id=number + 1, venue=Venue.POLYMARKET, condition_id=f"0x{number:064x}",
        question=f"Will number {number} win?", slug=f"number-{number}", category=category, state=MarketState.OPEN,
        tick=Price(10_000), minimum_size=Shares(5 * ONE), fee=FeeSchedule(rate_ppm=50_000), event_id=1,
        event_slug="race", neg_risk=False, neg_risk_augmented=False, closes_at=None, outcomes=outcomes,
        synced_at=datetime(2025, 9, 1, tzinfo=UTC), volume_24h=0, liquidity=0, tags=tags,
    )  # fmt: skip


def request_make(**more: Any) -> BacktestRequest:
    base: dict[str, Any] = {
        "strategy": "example_maker",
        "params": {"spread": "0.02"},
        "data": (DataRef(market="polymarket.number-0", day="2025-09-01", digest="ab" * 32),),
        "capital": CAPITAL,
    }
    return BacktestRequest(**{**base, **more})


def fill_row(
    at_s: float, *, buy: bool = True, price: int, size: int, fee: int = 0, mid: int = -1, market: int = 0,
    outcome: int = 0, taker: bool = False, inferred: bool = False, order: int = 1, realized: int = 0,
) -> tuple[Any, ...]:  # fmt: skip
    """A fill `at_s` seconds after START; price and mid in cents, size in shares, fee in millionths."""
    micro_price, micro_size = price * 10_000, size * ONE
    notional = micro_price * micro_size // ONE
    cash = (-notional if buy else notional) - fee
    micro_mid = mid * 10_000 if mid >= 0 else -1
    return (START + int(at_s * 1e9), order, micro_price, micro_size, fee, cash, realized, micro_mid, market, outcome,
            BID if buy else ASK, taker, inferred)  # fmt: skip


def result_make(
    fills: Sequence[tuple[Any, ...]] = (),
    *,
    equity: Sequence[tuple[int, int]] = (),
    settlements: Sequence[tuple[Any, ...]] = (),
    holdings: tuple[Holding, ...] = (),
    markets: int = 1,
    rebates: int = 0,
    **more: Any,
) -> BacktestResult:
    """A balanced result. `equity` is (seconds after START, dollars in millionths), all of it as cash."""
    rows = np.array(list(fills), FILL)
    ends = np.array(list(settlements), SETTLEMENT)
    cash = CAPITAL + int(rows["cash"].sum()) + int(ends["cash"].sum()) + rebates
    points = np.zeros(len(equity), EQUITY)
    for number, (at_s, value) in enumerate(equity):
        points[number]["at_ns"], points[number]["cash"] = START + at_s * 10**9, value
    base = BacktestResult(
        markets=tuple(facts_make(i) for i in range(markets)), fidelity=(Fidelity.BOOK_AND_TRADES,) * markets,
        capital=CAPITAL, start_ns=START, end_ns=START + DAY_NS, orders=np.zeros(0, ORDER), fills=rows, equity=points,
        settlements=ends, holdings=holdings, cash=cash, fees=int(rows["fee"].sum()), rebates=rebates,
        funnel=Funnel(fills=len(rows)), events=1_000,
    )  # fmt: skip
    return replace(base, **more)


def large_make(
    *, fills: int = 10_000, markets: int = 12, days: int = 30, seed: int = 7, tape_rows: int = 9_000
) -> tuple[BacktestResult, tuple[Tape, ...]]:
    """A result with many fills, and tapes of the same markets (one per market) of `tape_rows` rows each, about."""
    chance = np.random.default_rng(seed)
    every = days * DAY_NS // fills
    mids = np.clip(0.5 + np.cumsum(chance.normal(0, 0.004, (markets, fills)), axis=1), 0.05, 0.95)
    held = np.zeros((markets, 2), np.int64)
    rows, orders = np.zeros(fills, FILL), np.zeros(fills, ORDER)
    cash, fees = CAPITAL * 10, 0
    curve = np.zeros(fills, EQUITY)
    for i in range(fills):
        market, outcome = int(chance.integers(markets)), int(chance.integers(2))
        middle = int(mids[market, i] * 100) * 10_000
        middle = middle if outcome == 0 else ONE - middle
        buy = held[market, outcome] == 0 or chance.random() < 0.4
        taker = chance.random() < 0.15
        edge = -10_000 if taker else 10_000
        price = middle - edge if buy else middle + edge
        size = int(chance.integers(5, 60)) * ONE if buy else int(held[market, outcome])
        fee = size * 50_000 // ONE * price // ONE * (ONE - price) // ONE if taker else 0
        change = (-price if buy else price) * (size // ONE) - fee
        held[market, outcome] += size if buy else -size
        cash, fees = cash + change, fees + fee
        at = START + (i + 1) * every
        rows[i] = (at, i + 1, price, size, fee, change, 0, middle, market, outcome, BID if buy else ASK, taker, i % 3 == 0)  # fmt: skip  # noqa: E501
        orders[i] = (i + 1, at - 10**9, at - 8 * 10**8, at, price, size, size, market, outcome,
                     BID if buy else ASK, OrderEnd.FILLED, 0)  # fmt: skip
        marks = (mids[:, i] * 100).astype(np.int64) * 10_000
        worth = int((held[:, 0] // ONE * marks).sum() + (held[:, 1] // ONE * (ONE - marks)).sum())
        curve[i] = (at, cash, worth, worth, fees, 0)
    last = (mids[:, -1] * 100).astype(np.int64) * 10_000
    holdings = tuple(
        Holding(market=m, outcome=o, size=int(held[m, o]), cost=int(held[m, o]) // 2, realized=0, fees=0,
                mark=int(last[m]) if o == 0 else ONE - int(last[m]))
        for m in range(markets) for o in range(2) if held[m, o]
    )  # fmt: skip
    facts = tuple(facts_make(m, tags=("sports", f"league {m % 3}")) for m in range(markets))
    result = BacktestResult(
        markets=facts, fidelity=(Fidelity.BOOK,) * markets, capital=CAPITAL * 10, start_ns=START,
        end_ns=START + days * DAY_NS, orders=orders, fills=rows, equity=curve, settlements=np.zeros(0, SETTLEMENT),
        holdings=holdings, cash=cash, fees=fees, rebates=0, events=1_000_000,
        funnel=Funnel(ticks=2_600_000, unchanged=2_000_000, decisions=600_000, wanted=40_000,
                      refused={"max_position": 12_000, "price_band": 2_500}, placed=fills, canceled=17, fills=fills),
    )  # fmt: skip
    return result, tuple(_tape(facts[m], mids[m], days, tape_rows // 3) for m in range(markets))


def _tape(facts: MarketFacts, mids: np.ndarray, days: int, moments: int) -> Tape:
    """A tape whose book is replaced at each moment: three rows a message, the second outcome by complement."""
    middle = (mids[np.linspace(0, len(mids) - 1, moments).astype(int)] * 100).astype(np.int32)
    columns = {name: np.zeros(3 * moments, dtype) for name, dtype in COLUMNS.items()}
    at = START + np.linspace(0, days * DAY_NS, moments).astype(np.int64)
    for offset, (kind, side, shift, flags) in enumerate(
        ((Kind.CLEAR, 0, 0, 0), (Kind.LEVEL, BID, -1, 0), (Kind.LEVEL, ASK, 1, LAST))
    ):
        rows = slice(offset, None, 3)
        columns["venue_ns"][rows] = columns["received_ns"][rows] = at
        columns["kind"][rows], columns["side"][rows], columns["flags"][rows] = kind, side, flags
        columns["ticks"][rows] = middle + shift if kind == Kind.LEVEL else 0
        columns["size"][rows] = 10 * ONE if kind == Kind.LEVEL else 0
    return Tape(facts=facts, step=10_000, fidelity=Fidelity.BOOK, columns=columns, source="made up")
