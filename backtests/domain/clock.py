"""The rows of one market as plain lists in blocks, with the time at which each row's message happens on one clock.

A block is as much as is held at a time, so memory does not grow with the tape. Times are nanoseconds, prices and
sizes millionths. `op` is kind, outcome and side in one number: kind * 4 + outcome * 2 + side, so that a level is 0..3.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from markets.domain.tape import LAST, Kind, Tape

NEVER = 2**62
SECOND_NS = 10**9
SILENCE_NS = 300 * SECOND_NS  # between two tapes of one market: after so much nothing is sure
BLOCK_ROWS, SMALLEST_BLOCK = 65_536, 256
LEVELS = 4  # ops below are levels


def op_of(kind: Kind, outcome: int = 0, side: int = 0) -> int:
    return int(kind) * 4 + outcome * 2 + side


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows [first, last) of a tape; without a tape a gap of both outcomes that begins at `gap_ns`."""

    tape: Tape | None
    first: int = 0
    last: int = 0
    gap_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """What a market paid, from its RESOLVED message: ticks as dollars a share per outcome index, when received."""

    received_ns: int
    payouts: dict[int, int] = field(default_factory=dict)


def segments_of(parts: Sequence[Tape], *, end_ns: int | None) -> list[Segment]:
    """Return the parts of one market, oldest first, cut at `end_ns`, with the gaps between and inside them."""
    segments: list[Segment] = []
    for before, tape in pairwise((None, *parts)):
        assert tape is not None  # noqa: S101 - only the first is none
        if before is not None and tape.start_ns - before.end_ns > SILENCE_NS:
            segments.append(Segment(None, gap_ns=before.end_ns + 1))
        received = tape.columns["received_ns"]
        end = len(tape) if end_ns is None else int(np.searchsorted(received, end_ns))
        row = 0
        for gap_from, _ in sorted(tape.gaps):
            if end_ns is not None and gap_from >= end_ns:
                break
            cut = _message_start(tape, int(np.searchsorted(received, gap_from)), end)
            segments += [Segment(tape, row, cut), Segment(None, gap_ns=gap_from)]
            row = max(row, cut)
        segments.append(Segment(tape, row, end))
    return [s for s in segments if s.tape is None or s.last > s.first]


def payout_of(parts: Sequence[Tape], *, end_ns: int | None) -> Payout | None:
    """Return the first RESOLVED message of a market. The replay books it at its time and shows it to nobody before."""
    for tape in parts:
        found = np.flatnonzero(tape.columns["kind"] == Kind.RESOLVED)
        if not len(found):
            continue
        columns = tape.columns
        payouts = {int(columns["outcome"][i]): int(columns["ticks"][i]) * tape.step for i in found}
        received = int(columns["received_ns"][found[0]])
        return None if end_ns is not None and received >= end_ns else Payout(received_ns=received, payouts=payouts)
    return None


class Rows:
    """A cursor over the rows of one market. Read `times[i:n]` and the lists beside it, then move `i`.

    `next_ns` is when the next row happens, NEVER after the last one. `dropped` counts rows after the last message.
    """

    def __init__(self, segments: Sequence[Segment], *, at_venue: bool, delay_ns: int, block: int) -> None:
        self.times: list[int] = []
        self.ops: list[int] = []
        self.prices: list[int] = []
        self.sizes: list[int] = []
        self.flags: list[int] = []
        self.venue: list[int] = []  # venue_ns where known, else received
        self.i = 0
        self.next_ns = NEVER
        self.done = 0  # rows handed out in earlier blocks
        self.dropped = 0
        self._segments = list(segments)
        self._segment = 0
        self._row = self._segments[0].first if self._segments else 0
        self._at_venue = at_venue
        self._delay_ns = delay_ns
        self._block = block
        self._reached = 0
        self.load()

    @property
    def count(self) -> int:
        """Rows handed out so far."""
        return self.done + self.i

    def until(self, limit_ns: int) -> int:
        """Return the index after the last row of this block that happens by `limit_ns`."""
        return bisect_right(self.times, limit_ns, self.i)

    def move(self, index: int) -> None:
        """Go on at `index`; at the end of the block load the next one."""
        self.i = index
        if index < len(self.times):
            self.next_ns = self.times[index]
        else:
            self.done += index
            self.load()

    def load(self) -> None:
        self.i = 0
        self.times = []
        while self._segment < len(self._segments) and not self.times:
            segment = self._segments[self._segment]
            if segment.tape is None:
                self._gap(segment.gap_ns)
                self._next_segment()
            elif self._row >= segment.last or not self._rows(segment.tape, segment.last):
                self._next_segment()
        self.next_ns = self.times[0] if self.times else NEVER

    def _next_segment(self) -> None:
        self._segment += 1
        if self._segment < len(self._segments):
            self._row = self._segments[self._segment].first

    def _gap(self, at_ns: int) -> None:
        at = max(at_ns, self._reached) if self._at_venue else at_ns + self._delay_ns
        self._reached = max(self._reached, at)
        self.times = [at, at]
        self.ops = [op_of(Kind.GAP, 0), op_of(Kind.GAP, 1)]
        self.prices, self.sizes, self.flags, self.venue = [0, 0], [0, 0], [0, LAST], [at_ns, at_ns]
        self.done -= 2  # nobody recorded them

    def _rows(self, tape: Tape, last: int) -> bool:
        """Load whole messages from the current row on; False when none is left."""
        columns, first = tape.columns, self._row
        size = self._block
        while True:
            stop = min(first + size, last)
            ends = np.flatnonzero(columns["flags"][first:stop] & LAST)
            if len(ends) or stop == last:
                break
            size *= 2  # one message longer than a block
        if not len(ends):
            self.dropped += last - first
            self._row = last
            return False
        stop = first + int(ends[-1]) + 1
        self._row = stop
        received = columns["received_ns"][first:stop]
        stated = columns["venue_ns"][first:stop]
        happened = np.where(stated > 0, np.minimum(stated, received), received)
        if self._at_venue:
            at = np.maximum(np.maximum.accumulate(happened[ends]), self._reached)
            self._reached = int(at[-1])
        else:
            at = received[ends] + self._delay_ns
        lengths = np.diff(ends, prepend=-1)
        kinds = columns["kind"][first:stop].astype(np.int64)
        self.times = np.repeat(at, lengths).tolist()
        self.ops = (kinds * 4 + columns["outcome"][first:stop] * 2 + columns["side"][first:stop]).tolist()
        self.prices = (columns["ticks"][first:stop].astype(np.int64) * tape.step).tolist()
        self.sizes = columns["size"][first:stop].tolist()
        self.flags = columns["flags"][first:stop].tolist()
        self.venue = happened.tolist()
        return True


def _message_start(tape: Tape, row: int, end: int) -> int:
    """Return the first row at or after `row` with which a message begins."""
    flags = tape.columns["flags"]
    while 0 < row < end and not flags[row - 1] & LAST:
        row += 1
    return min(row, end)
