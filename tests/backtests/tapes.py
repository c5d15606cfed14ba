"""Small tapes for tests, written as a story: one call is one message. Prices and sizes as people write them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from markets.domain.instruments import (
    Category,
    FeeSchedule,
    MarketFacts,
    MarketState,
    OutcomeFacts,
    Side,
    Venue,
)
from markets.domain.tape import ASK, BID, COLUMNS, INFERRED, LAST, Fidelity, Kind, Tape
from markets.domain.units import Price, Shares

START = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)
START_NS = int(START.timestamp()) * 1_000_000_000
MS = 1_000_000
YES, NO = 0, 1
Levels = Iterable[tuple[str, str]]


def micro(text: str | int | Decimal) -> int:
    return int(Decimal(text) * 1_000_000)


def facts_make(number: int = 1, **values: Any) -> MarketFacts:
    """Return an open binary market whose numbers are an archive's own: a replay gives it others."""
    fields: dict[str, Any] = {
        "market_id": number * 100,
        "venue": Venue.POLYMARKET,
        "condition_id": f"0xabc{number}",
        "question": f"Will thing {number} happen?",
        "slug": f"thing-{number}",
        "category": Category.POLITICS,
        "state": MarketState.OPEN,
        "tick": Price(10_000),
        "minimum_size": Shares(5_000_000),
        "fee": FeeSchedule(rate_ppm=0),
        "event_id": number,
        "event_slug": f"event-{number}",
        "neg_risk": False,
        "neg_risk_augmented": False,
        "closes_at": START + timedelta(days=3),
        "outcomes": (
            OutcomeFacts(outcome_id=number * 100 + 1, token_id=f"{number}yes", index=0, label="Yes"),
            OutcomeFacts(outcome_id=number * 100 + 2, token_id=f"{number}no", index=1, label="No"),
        ),
        "synced_at": START,
        "volume_24h": 0,
        "liquidity": 0,
    }
    return MarketFacts(**{**fields, **values})


class TapeMaker:
    """Collects messages in order. Every call takes `at` in milliseconds after START, when it was received.

    maker = TapeMaker()
    maker.book(0, bids=[("0.50", "100")], asks=[("0.52", "100")])
    maker.level(200, YES, Side.BUY, "0.51", "40").trade(300, YES, Side.SELL, "0.51", "10")
    tape = maker.resolved(400, "1", "0").tape()
    """

    def __init__(self, facts: MarketFacts | None = None, *, step: str = "0.01", venue_lag_ms: int = 0) -> None:
        self.facts = facts_make() if facts is None else facts
        self.step = micro(step)
        self.venue_lag_ms = venue_lag_ms  # so much earlier the venue says that it happened
        self.rows: list[tuple[int, int, int, int, int, int, int, int]] = []

    def row(  # noqa: PLR0917 - a row of the table
        self,
        at: float,
        kind: Kind,
        outcome: int,
        side: int,
        ticks: int,
        size: int,
        *,
        last: bool = True,
        flags: int = 0,
    ) -> TapeMaker:
        received = START_NS + int(at * MS)
        venue = received - self.venue_lag_ms * MS
        self.rows.append((venue, received, size, ticks, int(kind), outcome, side, flags | (LAST if last else 0)))
        return self

    def book(
        self, at: float, *, bids: Levels = (), asks: Levels = (), outcome: int = YES, pair: bool = True
    ) -> TapeMaker:
        """Replace the whole book of `outcome` and, with `pair`, of the other one by its mirror, in one message."""
        bids, asks = list(bids), list(asks)
        books = [(outcome, bids, asks)]
        if pair:
            books.append((1 - outcome, _mirrored(asks), _mirrored(bids)))
        rows: list[tuple[Kind, int, int, int, int]] = []
        for which, its_bids, its_asks in books:
            rows.append((Kind.CLEAR, which, 0, 0, 0))
            rows += [(Kind.LEVEL, which, BID, self._ticks(p), micro(s)) for p, s in its_bids]
            rows += [(Kind.LEVEL, which, ASK, self._ticks(p), micro(s)) for p, s in its_asks]
        for number, (kind, which, side, ticks, size) in enumerate(rows, start=1):
            self.row(at, kind, which, side, ticks, size, last=number == len(rows))
        return self

    def level(
        self, at: float, outcome: int, side: Side, price: str, size: str, *, pair: bool = True, last: bool = True
    ) -> TapeMaker:
        """Set one level and, with `pair`, its mirror in the other outcome's book."""
        bid = side is Side.BUY
        self.row(at, Kind.LEVEL, outcome, BID if bid else ASK, self._ticks(price), micro(size), last=last and not pair)
        if pair:
            mirror = 1_000_000 // self.step - self._ticks(price)
            self.row(at, Kind.LEVEL, 1 - outcome, ASK if bid else BID, mirror, micro(size), last=last)
        return self

    def trade(self, at: float, outcome: int, side: Side, price: str, size: str, *, inferred: bool = False) -> TapeMaker:
        taker = BID if side is Side.BUY else ASK
        flags = INFERRED if inferred else 0
        return self.row(at, Kind.TRADE, outcome, taker, self._ticks(price), micro(size), flags=flags)

    def price(self, at: float, outcome: int, price: str) -> TapeMaker:
        return self.row(at, Kind.PRICE, outcome, 0, self._ticks(price), 0)

    def tick(self, at: float, outcome: int, tick: str) -> TapeMaker:
        return self.row(at, Kind.TICK, outcome, 0, self._ticks(tick), 0)

    def gap(self, at: float, outcome: int | None = None) -> TapeMaker:
        """Make one outcome's book unsure, or both."""
        for which in (YES, NO) if outcome is None else (outcome,):
            self.row(at, Kind.GAP, which, 0, 0, 0, last=outcome is not None or which == NO)
        return self

    def resolved(self, at: float, yes: str, no: str) -> TapeMaker:
        self.row(at, Kind.RESOLVED, YES, 0, self._ticks(yes), 0, last=False)
        return self.row(at, Kind.RESOLVED, NO, 0, self._ticks(no), 0)

    def tape(self, fidelity: Fidelity = Fidelity.BOOK_AND_TRADES, **values: Any) -> Tape:
        names = ("venue_ns", "received_ns", "size", "ticks", "kind", "outcome", "side", "flags")
        columns = {
            name: np.array([row[place] for row in self.rows], dtype=COLUMNS[name]) for place, name in enumerate(names)
        }
        fields = {"facts": self.facts, "step": self.step, "fidelity": fidelity, "columns": columns, **values}
        return Tape(**fields)

    def _ticks(self, price: str) -> int:
        ticks, rest = divmod(micro(price), self.step)
        assert not rest, f"{price} is not on the tape's step"
        return ticks


def tape_of(columns: dict[str, Any], *, facts: MarketFacts | None = None, step: int = 1_000) -> Tape:
    """Return a tape of ready columns: arrays of any number type, missing ones zero."""
    count = len(columns["received_ns"])
    full = {name: np.asarray(columns.get(name, np.zeros(count))).astype(kind) for name, kind in COLUMNS.items()}
    facts = facts_make(tick=Price(step)) if facts is None else facts
    return Tape(facts=facts, step=step, fidelity=Fidelity.BOOK_AND_TRADES, columns=full)


def shifted(tape: Tape, by_ns: int) -> Tape:
    """Return the tape as if everything had happened `by_ns` later."""
    columns = dict(tape.columns)
    for name in ("venue_ns", "received_ns"):
        columns[name] = columns[name] + np.int64(by_ns)
    return replace(tape, columns=columns)


def _mirrored(levels: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(str(1 - Decimal(price)), size) for price, size in levels]
