"""Rows on their way into the archive: one draft per market, cut into days, with bounded memory.

A draft takes what a source says, in the order in which it was heard, and writes rows of 32 bytes. It knows the books,
so that each day begins with them as they stood at midnight, crossed ones are counted, and a gap ends with the next
whole book. Rows wait in memory up to a common limit, then in one temporary file beside the archive; `save` makes
tapes of them. Prices and sizes are millionths; the step of a tape is found when it is saved.
"""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType

import numpy as np

from markets.domain.instruments import MarketFacts
from markets.domain.tape import ASK, BID, COLUMNS, INFERRED, LAST, Fidelity, Kind, Tape
from markets.domain.units import ONE, Price
from markets.selectors.archive.files import ArchiveError
from markets.selectors.archive.manifest import DAY_NS, TapeInfo, day_of, day_start_ns
from markets.selectors.archive.tapes import archive_folder, tape_sources
from markets.services.archive.growing import tape_extend
from markets.services.archive.store import tape_save

_pack = struct.Struct("<qqqiBBBB").pack
_RECORD = np.dtype(
    [("venue_ns", "<i8"), ("received_ns", "<i8"), ("size", "<i8"), ("price", "<i4"),
     ("kind", "u1"), ("outcome", "u1"), ("side", "u1"), ("flags", "u1")]
)  # fmt: skip
MOST_WAITING = 64_000_000  # bytes of rows in memory, of all drafts together
Level = tuple[int, int]


class Spool:
    """Where the rows of all drafts wait. `with Spool() as spool:` leaves no file behind, however it ends."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self.waiting = 0
        self._most = most_waiting
        self._drafts: list[Draft] = []

    def __enter__(self) -> Spool:
        try:
            archive_folder().mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=archive_folder())
        except OSError as error:
            raise ArchiveError(f"cannot write to {archive_folder()}: {error.strerror or error}") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def join(self, draft: Draft) -> None:
        self._drafts.append(draft)

    def leave(self, draft: Draft) -> None:
        self._drafts.remove(draft)

    def grew(self, size: int) -> None:
        """Count waiting bytes; above the limit every draft's rows go to the file."""
        self.waiting += size
        if self.waiting > self._most:
            for draft in self._drafts:
                draft.flush()

    def write(self, rows: bytes) -> int:
        """Append rows; returns where they are."""
        at = self._file.seek(0, 2)
        self._file.write(rows)
        self.waiting -= len(rows)
        return at

    def read(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)


@dataclass(slots=True)
class _Day:
    tick: int  # that held when the day began
    chunks: list[tuple[int, int]] = field(default_factory=list)  # (place in the spool, bytes)
    gaps: list[tuple[int, int]] = field(default_factory=list)


class Draft:
    """One market's rows. Times that step back keep the place in which they were heard, and are counted in `late`."""

    def __init__(
        self,
        spool: Spool,
        *,
        market: str,
        facts: MarketFacts,
        fidelity: Fidelity,
        source: str,
        sources: Iterable[str] = (),
    ) -> None:
        self.market, self.facts, self.fidelity, self.source = market, facts, fidelity, source
        self.sources: dict[str, int] = dict.fromkeys(sources, 0)
        self.notes: list[str] = []
        self.extra: Mapping[str, str] = {}
        self.payouts: tuple[int, ...] = ()
        self.tick = int(facts.tick)
        self.rows = self.late = self.crossed = self.messages = 0
        self.last_ns = 0
        self.books: dict[int, tuple[dict[int, int], dict[int, int]]] = {}  # outcome: (asks, bids), price: size
        self._spool = spool
        self._buffer = bytearray()
        self._counted = 0
        self._day = ""
        self._day_end = 0
        self._days: dict[str, _Day] = {}
        self._open_gaps: dict[int, int] = {}  # outcome: since when
        self._mid_message = False
        self.opens_days = True  # whether to begin a day with the books of midnight
        spool.join(self)

    # ---- what a source says ----------------------------------------------------------------------

    def book(
        self, outcome: int, bids: Iterable[Level], asks: Iterable[Level], *, venue_ns: int, received_ns: int
    ) -> None:
        """A whole book, and the end of its message."""
        at = self._at(received_ns)
        since = self._open_gaps.pop(outcome, None)
        if since is not None and at > since:
            self._days[self._day].gaps.append((since, at))
        self._write_book(outcome, (dict(asks), dict(bids)), venue_ns, at)
        self._ended(outcome)

    def level(self, outcome: int, side: int, price: int, size: int, *, venue_ns: int, received_ns: int) -> None:
        """The new total size at a price. `end` ends the message."""
        at = self._at(received_ns)
        self._buffer += _pack(venue_ns, at, size, price, Kind.LEVEL, outcome, side, 0)
        self._mid_message = True
        book = self.books.get(outcome)
        if book is None:
            book = self.books[outcome] = ({}, {})
        if size:
            book[side][price] = size
        else:
            book[side].pop(price, None)

    def end(self, outcomes: Iterable[int]) -> None:
        """End the message that the latest rows belong to; `outcomes` are those whose books it changed."""
        if not self._mid_message:
            return
        self._buffer[-1] |= LAST
        self._mid_message = False
        for outcome in outcomes:
            self._ended(outcome)

    def trade(
        self, outcome: int, side: int, price: int, size: int, *, venue_ns: int, received_ns: int, inferred: bool = False
    ) -> None:
        """A trade, `side` being the taker's; a message of its own."""
        at = self._at(received_ns)
        flags = LAST | INFERRED if inferred else LAST
        self._buffer += _pack(venue_ns, at, size, price, Kind.TRADE, outcome, side, flags)
        self._grown()

    def ticks(self, tick: int, *, venue_ns: int, received_ns: int, outcomes: Iterable[int] = (0, 1)) -> None:
        """The market's tick is another from here on."""
        at = self._at(received_ns)
        for outcome in outcomes:
            self._buffer += _pack(venue_ns, at, 0, tick, Kind.TICK, outcome, 0, LAST)
        self.tick = tick
        self._grown()

    def price(self, prices: Sequence[int], *, venue_ns: int, received_ns: int) -> None:
        """One point of a price series, a price per outcome."""
        at = self._at(received_ns)
        for outcome, price in enumerate(prices):
            if self._open_gaps and (since := self._open_gaps.pop(outcome, None)) is not None and at > since:
                self._days[self._day].gaps.append((since, at))
            self._buffer += _pack(venue_ns, at, 0, price, Kind.PRICE, outcome, 0, 0)
        self._buffer[-1] |= LAST
        self._grown()

    def gap(self, outcomes: Iterable[int], *, at_ns: int) -> None:
        """From here on nothing is sure of these outcomes until their next whole book (or price)."""
        at = self._at(at_ns)
        for outcome in outcomes:
            if outcome not in self._open_gaps:
                self._buffer += _pack(at, at, 0, 0, Kind.GAP, outcome, 0, LAST)
                self._open_gaps[outcome] = at
                self.books.pop(outcome, None)
        self._grown()

    def resolved(self, payouts: Sequence[int], *, venue_ns: int, received_ns: int) -> None:
        """What a share of each outcome paid. Nothing that follows is the market's any more."""
        at = self._at(received_ns)
        for outcome, payout in enumerate(payouts):
            self._buffer += _pack(venue_ns, at, 0, payout, Kind.RESOLVED, outcome, 0, 0)
        self._buffer[-1] |= LAST  # one message: a replay settles a market whole
        self.payouts = tuple(payouts)
        self._grown()

    # ---- into the archive ------------------------------------------------------------------------

    def save(self, *, replace_others: bool = False, durable: bool = False) -> list[TapeInfo]:
        """Make a tape of every day; nothing of this draft is left afterwards.

        Raises ArchiveError where a day is there from other sources and `replace_others` is False: what one recording
        holds must not silently take the place of another's.
        """
        self._finish()
        for day in self._days:
            others = sorted(set(tape_sources(self.market, day)) - set(self.sources))
            if others and not replace_others:
                raise ArchiveError(
                    f"{self.market} on {day} is there from {', '.join(others[:3])}; import those files together with "
                    "this one, or replace it with --replace"
                )
        notes = [*self.notes, *self._findings()]
        return [
            tape_save(
                self._tape(day, self._days[day]),
                market=self.market, day=day, sources=self.sources, payouts=self.payouts, notes=notes,
                extra=self.extra, durable=durable,
            )
            for day in sorted(self._days)
        ]  # fmt: skip

    def go_on(self, tape: Tape) -> None:
        """Take up the gaps that are open at the end of what the archive has already."""
        kind, outcome = tape.columns["kind"], tape.columns["outcome"]
        for index in range(len(tape.facts.outcomes)):
            rows = np.flatnonzero((outcome == index) & ((kind == Kind.GAP) | (kind == Kind.CLEAR)))
            if len(rows) and kind[rows[-1]] == Kind.GAP:
                self._open_gaps[index] = tape.end_ns

    def extend(self, sources: Mapping[str, int]) -> list[TapeInfo]:
        """Put each day's rows behind those of the archive, unless it has the sources that far already."""
        self._finish()
        found = []
        for day in sorted(self._days):
            there = tape_sources(self.market, day)
            if any(there.get(name, 0) < place for name, place in sources.items()):
                tape = self._tape(day, self._days[day])
                found.append(tape_extend(tape, market=self.market, day=day, sources=sources))
        return found

    def drop(self) -> None:
        """Forget this draft."""
        self.flush()
        self._spool.leave(self)

    def flush(self) -> None:
        """Put the waiting rows where they need no memory, except those of a message that has not ended."""
        self._count()
        if self._mid_message:
            return
        if self._buffer:
            size = len(self._buffer)
            self._days[self._day].chunks.append((self._spool.write(bytes(self._buffer)), size))
            self._buffer = bytearray()
        self._counted = 0

    def _tape(self, day: str, found: _Day) -> Tape:
        rows = np.frombuffer(b"".join(self._spool.read(at, size) for at, size in found.chunks), dtype=_RECORD)
        step = math.gcd(ONE, found.tick, *(int(price) for price in np.unique(rows["price"])))
        columns = {name: np.ascontiguousarray(rows[name]) for name in COLUMNS if name != "ticks"}
        columns["ticks"] = (rows["price"] // step).astype(COLUMNS["ticks"])
        synced_at = datetime.fromtimestamp(day_start_ns(day) // 10**9, tz=UTC)
        return Tape(
            facts=replace(self.facts, tick=Price(found.tick), synced_at=synced_at),
            step=step,
            fidelity=self.fidelity,
            columns=columns,
            source=self.source,
            gaps=_merged(found.gaps),
        )

    def _findings(self) -> list[str]:
        found = []
        if self.crossed:
            found.append(f"{self.crossed:,} of {self.messages:,} messages leave a book crossed")
        if self.late:
            found.append(f"{self.late:,} rows are stamped earlier than the row above; they keep its time")
        return found

    # ---- helpers -----------------------------------------------------------------------------------

    def _at(self, received_ns: int) -> int:
        """Return the row's receive time, which never steps back, after opening its day where it is a new one."""
        if received_ns < self.last_ns:
            self.late += 1
            received_ns = self.last_ns
        if received_ns >= self._day_end:
            self._turn(received_ns)
        self.last_ns = received_ns
        return received_ns

    def _turn(self, received_ns: int) -> None:
        self.flush()
        day, before = day_of(received_ns), self._day
        start = day_start_ns(day)
        for outcome, since in self._open_gaps.items():
            if before:
                self._days[before].gaps.append((since, self._day_end))
            self._open_gaps[outcome] = max(since, start)
        follows = bool(before) and start == self._day_end
        self._day, self._day_end = day, start + DAY_NS
        self._days[day] = _Day(tick=self.tick)
        for outcome, book in self.books.items() if follows and self.opens_days else ():
            self._write_book(outcome, book, start, start)
        if not follows:
            self.books.clear()  # after days without a word nothing is known of them

    def _write_book(self, outcome: int, book: tuple[dict[int, int], dict[int, int]], venue_ns: int, at: int) -> None:
        buffer = self._buffer
        buffer += _pack(venue_ns, at, 0, 0, Kind.CLEAR, outcome, 0, 0)
        for side in (BID, ASK):
            for price, size in book[side].items():
                buffer += _pack(venue_ns, at, size, price, Kind.LEVEL, outcome, side, 0)
        buffer[-1] |= LAST
        self.books[outcome] = book

    def _ended(self, outcome: int) -> None:
        self.messages += 1
        book = self.books.get(outcome)
        if book and book[ASK] and book[BID] and max(book[BID]) >= min(book[ASK]):
            self.crossed += 1
        self._grown()

    def _grown(self) -> None:
        if len(self._buffer) - self._counted > 16_384:
            self._count()

    def _count(self) -> None:
        size = len(self._buffer) - self._counted
        self._counted = len(self._buffer)
        self.rows += size // _RECORD.itemsize
        self._spool.grew(size)

    def _finish(self) -> None:
        self.flush()
        self._spool.leave(self)
        self._close_gaps()

    def _close_gaps(self) -> None:
        for since in self._open_gaps.values():
            if self.last_ns > since:
                self._days[self._day].gaps.append((since, self.last_ns))
        self._open_gaps.clear()


def _merged(gaps: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(gaps):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
