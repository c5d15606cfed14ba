"""Small tapes for tests of the archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from markets.domain.instruments import Category, MarketFacts, MarketState, OutcomeFacts, Venue
from markets.domain.tape import ASK, BID, COLUMNS, LAST, Fidelity, Kind, Tape
from markets.domain.units import Price, Shares
from markets.selectors.archive.manifest import day_start_ns

DAY = "2026-07-11"
START_NS = day_start_ns(DAY)
FACTS = MarketFacts(
    market_id=1,
    venue=Venue.POLYMARKET,
    condition_id="0xabc",
    question="Will it rain?",
    slug="rain",
    category=Category.WEATHER,
    state=MarketState.OPEN,
    tick=Price(10_000),
    minimum_size=Shares(5_000_000),
    fee=None,
    event_id=1,
    event_slug="rain-event",
    neg_risk=False,
    neg_risk_augmented=False,
    closes_at=datetime(2026, 7, 12, tzinfo=UTC),
    outcomes=(
        OutcomeFacts(outcome_id=1, token_id="11", index=0, label="Yes"),
        OutcomeFacts(outcome_id=2, token_id="12", index=1, label="No"),
    ),
    synced_at=datetime(2026, 7, 11, tzinfo=UTC),
    volume_24h=0,
    liquidity=0,
    tags=("weather",),
)
Row = tuple[float, Kind, int, int, int, int, int]  # seconds, kind, outcome, side, ticks, shares, flags
ROWS: Sequence[Row] = (
    (0, Kind.CLEAR, 0, 0, 0, 0, 0),
    (0, Kind.LEVEL, 0, BID, 40, 100, 0),
    (0, Kind.LEVEL, 0, ASK, 42, 80, LAST),
    (5, Kind.LEVEL, 0, BID, 41, 7, LAST),
    (6, Kind.TRADE, 0, BID, 42, 3, LAST),
)


def tape_of(rows: Sequence[Row] = ROWS, *, start_ns: int = START_NS, facts: MarketFacts = FACTS, **words: Any) -> Tape:
    columns: dict[str, Any] = {name: np.zeros(len(rows), dtype) for name, dtype in COLUMNS.items()}
    for n, (at, kind, outcome, side, ticks, size, flags) in enumerate(rows):
        ns = start_ns + int(at * 10**9)
        values = {"venue_ns": ns, "received_ns": ns, "size": size * 10**6, "ticks": ticks, "kind": kind}
        for name, value in {**values, "outcome": outcome, "side": side, "flags": flags}.items():
            columns[name][n] = value
    known: dict[str, Any] = {"facts": facts, "step": 10_000, "fidelity": Fidelity.BOOK_AND_TRADES, "source": "a test"}
    return replace(Tape(columns=columns, **known), **words)
