"""Rows of several markets for the loop: one tape as it lies on disk, more of them block by block."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backtests.domain.clock import Segment
from backtests.domain.kernel import layout as at
from backtests.domain.kernel.tables import Ints
from markets.domain.tape import COLUMNS, LAST, Kind, Tape

NAMES = ("received_ns", "venue_ns", "size", "ticks", "kind", "outcome", "side", "flags")
BLOCK = 16_384


def _whole_row(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a column as the one row of a table, without copying it.

    A column that is mapped read-only is another type to numba, which would compile the loop a second time for it.
    The loop never writes to its rows.
    """
    row = np.ascontiguousarray(column).reshape(1, -1)
    if row.flags.writeable or not row.size:
        return row
    memory: Any = (ctypes.c_char * row.nbytes).from_address(row.ctypes.data)
    same: npt.NDArray[Any] = np.frombuffer(memory, row.dtype).reshape(1, -1)
    memory.keeps = row
    return same


class RowSource:
    """What the loop reads. With one market and no gap its rows are the tape's own columns; nothing is copied then."""

    def __init__(self, markets: Sequence[Sequence[Segment]], market: Ints, *, block: int = BLOCK) -> None:
        self._segments = [list(segments) for segments in markets]
        self._market = market
        self._block = block
        self.total = sum(s.last - s.first for segments in markets for s in segments if s.tape is not None)
        only = self._segments[0] if len(self._segments) == 1 else []
        if len(only) == 1 and only[0].tape is not None:
            tape, first, last = only[0].tape, only[0].first, only[0].last
            self.columns = {name: _whole_row(tape.columns[name][first:last]) for name in NAMES}
            market[0, at.M_LENGTH] = last - first
            market[0, at.M_MORE] = 0
            return
        longest = max((s.last - s.first for segments in self._segments for s in segments), default=0)
        self._block = max(16, min(block, longest))
        self.columns = {name: np.zeros((len(markets), self._block), COLUMNS[name]) for name in NAMES}
        self._at = [[0, segments[0].first if segments else 0] for segments in self._segments]
        market[:, at.M_MORE] = 1
        for one in range(len(markets)):
            self.refill(one)

    def arguments(self) -> tuple[npt.NDArray[np.generic], ...]:
        return tuple(self.columns[name] for name in NAMES)

    def refill(self, one: int) -> None:
        """Move a market's unread rows to the front and read as many more as fit."""
        market = self._market
        cursor, length = int(market[one, at.M_CURSOR]), int(market[one, at.M_LENGTH])
        kept = length - cursor
        if kept >= self._block - 2:  # one message is longer than a block
            self.columns = {
                name: np.concatenate((column, np.zeros_like(column)), axis=1) for name, column in self.columns.items()
            }
            self._block *= 2
        for column in self.columns.values():
            column[one, :kept] = column[one, cursor:length]
        position, segments = self._at[one], self._segments[one]
        while position[0] < len(segments) and kept < self._block - 2:
            segment = segments[position[0]]
            if segment.tape is None:
                kept = self._gap(one, kept, segment.gap_ns)
            else:
                kept = self._read(one, kept, segment.tape, position, segment.last)
                if position[1] < segment.last:
                    break
                kept = self._whole(one, kept)
            position[0] += 1
            if position[0] < len(segments):
                position[1] = segments[position[0]].first
        market[one, at.M_CURSOR] = 0
        market[one, at.M_LENGTH] = kept
        market[one, at.M_MORE] = int(position[0] < len(segments))

    def _read(self, one: int, kept: int, tape: Tape, position: list[int], last: int) -> int:
        count = min(last - position[1], self._block - 2 - kept)
        for name, column in self.columns.items():
            column[one, kept : kept + count] = tape.columns[name][position[1] : position[1] + count]
        position[1] += count
        return kept + count

    def _whole(self, one: int, kept: int) -> int:
        """Leave out rows after the last whole message of a tape."""
        flags = self.columns["flags"]
        while kept and not flags[one, kept - 1] & LAST:
            kept -= 1
        return kept

    def _gap(self, one: int, kept: int, at_ns: int) -> int:
        for outcome in (0, 1):
            for name in NAMES:
                self.columns[name][one, kept] = 0
            self.columns["received_ns"][one, kept] = at_ns
            self.columns["venue_ns"][one, kept] = at_ns
            self.columns["kind"][one, kept] = Kind.GAP
            self.columns["outcome"][one, kept] = outcome
            self.columns["flags"][one, kept] = LAST if outcome else 0
            kept += 1
        return kept


def gaps_of(segments: Sequence[Segment], *, outcome: int, feed_ns: int, end_ns: int) -> list[tuple[int, int]]:
    """Return when a market's books were seen to be unsure, by the book of `outcome`, up to `end_ns`."""
    if all(s.tape is not None and not (s.tape.columns["kind"][s.first : s.last] == Kind.GAP).any() for s in segments):
        return []
    found: list[tuple[int, int]] = []
    live, closed, since = False, False, 0
    for kind, seen_ns in _specials(segments, outcome=outcome, feed_ns=feed_ns):
        if seen_ns >= end_ns:
            break
        if kind == Kind.RESOLVED:
            live, closed = False, True
        elif kind == Kind.GAP:
            if live and not since:
                since = seen_ns
            live = False
        else:
            live = not closed
            if since:
                found.append((since, seen_ns))
                since = 0
    return [*found, (since, end_ns)] if since else found


def _specials(segments: Sequence[Segment], *, outcome: int, feed_ns: int) -> Iterator[tuple[int, int]]:
    """Yield kind and time of all gaps and new books of an outcome, and of the resolution."""
    for segment in segments:
        if segment.tape is None:
            yield Kind.GAP, segment.gap_ns + feed_ns
            continue
        columns = {name: segment.tape.columns[name][segment.first : segment.last] for name in NAMES}
        kinds = columns["kind"]
        own = ((kinds == Kind.CLEAR) | (kinds == Kind.GAP)) & (columns["outcome"] == outcome)
        for row in np.flatnonzero(own | (kinds == Kind.RESOLVED)).tolist():
            last = row
            while last < len(kinds) and not columns["flags"][last] & LAST:
                last += 1
            if last < len(kinds):
                yield int(kinds[row]), int(columns["received_ns"][last]) + feed_ns
