"""Recorded events of one market as columns: what the archive stores, what replays read.

One row is one event. Times are nanoseconds since 1970. `ticks` is a price in steps of the tape (`Tape.step`,
millionths), `size` is in millionths of a share. Rows stand in the order in which they were received; `LAST` marks
the last row of a message, and a book may be looked at only after it. Nothing here touches a file or a clock.

| kind | outcome | side | ticks | size |
|---|---|---|---|---|
| CLEAR | of the book that is replaced | 0 | 0 | 0; the LEVEL rows up to LAST are the whole new book |
| LEVEL | of the book | BID or ASK | price | the new total size there, 0 removes it |
| TRADE | of the traded token | the taker's: BID bought | price | traded |
| TICK | whose tick changes | 0 | new tick size | 0 |
| GAP | whose book is unsure until its next CLEAR | 0 | 0 | 0 |
| RESOLVED | one row per outcome | 0 | payout per share | 0 |
| PRICE | of a price series without a book | 0 | price | 0 |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from markets.domain.instruments import MarketFacts

ASK, BID = 0, 1  # values of `side`
LAST, INFERRED = 1, 2  # bits of `flags`; INFERRED: a trade that an importer deduced from the book

COLUMNS: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "venue_ns": np.dtype("<i8"),
        "received_ns": np.dtype("<i8"),
        "size": np.dtype("<i8"),
        "ticks": np.dtype("<i4"),
        "kind": np.dtype("u1"),
        "outcome": np.dtype("u1"),
        "side": np.dtype("u1"),
        "flags": np.dtype("u1"),
    }
)

Column = npt.NDArray[Any]


class Kind(IntEnum):
    LEVEL = 0
    TRADE = 1
    CLEAR = 2
    TICK = 3
    GAP = 4
    RESOLVED = 5
    PRICE = 6


class Fidelity(StrEnum):
    """How much of the market a tape shows, best first."""

    BOOK_AND_TRADES = "book and trades"
    BOOK = "book, trades inferred"
    TOP_OF_BOOK = "top of book"
    PRICES = "prices only"


class TapeError(ValueError):
    """Events that cannot be replayed, with the row and what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """One market's events over one span. Columns have equal length and may be memory-mapped, so they are read-only."""

    facts: MarketFacts  # ids are the tape's own: see `markets.services.archive`
    step: int  # millionths per tick of `ticks`
    fidelity: Fidelity
    columns: Mapping[str, Column]
    source: str = ""  # where it was recorded or imported from, in words
    digest: str = ""  # SHA-256 of the columns, "" while unsaved
    gaps: tuple[tuple[int, int], ...] = field(default=())  # (from, to) in ns, where nothing is known

    def __len__(self) -> int:
        return len(self.columns["kind"])

    @property
    def start_ns(self) -> int:
        return int(self.columns["received_ns"][0]) if len(self) else 0

    @property
    def end_ns(self) -> int:
        return int(self.columns["received_ns"][-1]) if len(self) else 0

    def cut(self, start_ns: int, end_ns: int) -> Tape:
        """Return the rows received in [start_ns, end_ns), without copying them."""
        received = self.columns["received_ns"]
        first, last = np.searchsorted(received, (start_ns, end_ns))
        part = {name: column[first:last] for name, column in self.columns.items()}
        gaps = tuple((a, b) for a, b in self.gaps if a < end_ns and b > start_ns)
        return Tape(
            facts=self.facts,
            step=self.step,
            fidelity=self.fidelity,
            columns=part,
            source=self.source,
            digest=self.digest,
            gaps=gaps,
        )


def tape_check(tape: Tape) -> None:
    """Raise TapeError for rows out of order, unknown kinds or sides, prices outside 0..1 or negative sizes."""
    columns = tape.columns
    if set(columns) != set(COLUMNS):
        unknown = sorted(set(columns) ^ set(COLUMNS))
        raise TapeError(f"columns differ from the format: {', '.join(unknown)}; import the source again")
    for name, dtype in COLUMNS.items():
        if columns[name].dtype != dtype or len(columns[name]) != len(tape):
            raise TapeError(f"column {name} has type {columns[name].dtype} and {len(columns[name])} rows")
    for row, words in _faults(tape):
        raise TapeError(f"row {row}: {words}; import the source again or leave this market out")


def _faults(tape: Tape) -> Iterator[tuple[int, str]]:
    columns = tape.columns
    steps = 1_000_000 // tape.step
    checks = (
        (columns["kind"] > max(Kind), "unknown kind"),
        (columns["outcome"] >= len(tape.facts.outcomes), "no such outcome"),
        (columns["side"] > BID, "unknown side"),
        (columns["size"] < 0, "negative size"),
        ((columns["ticks"] < 0) | (columns["ticks"] > steps), "price outside 0 to 1"),
    )
    for wrong, words in checks:
        if wrong.any():
            yield int(np.argmax(wrong)), words
    back = np.diff(columns["received_ns"]) < 0
    if back.any():
        yield int(np.argmax(back)) + 1, "received before the row above it"
