"""The middle of a recorded book at given moments, read from a tape's columns chunk by chunk.

Memory does not grow with the tape: a chunk of rows, one flag per price level, and the asked moments. Prices are
millionths; -1 stands for a moment at which the middle is not known. Time is the venue's, as `replay` defines it: when a
message happened there, or was received where the tape does not say or says later; it never runs back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from markets.domain.tape import BID, LAST, Column, Kind, Tape
from markets.domain.units import ONE

UNKNOWN = -1
CHUNK_ROWS = 1 << 18
_PAIRS = 1 << 21  # levels times moments looked at in one go
_JOINED_NS = 300 * 10**9  # tapes this close are one recording: the last book of one holds until the next

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Middles:
    """Answers to asked moments: the middle, and whether bid and ask were crossed or touching then."""

    mid: Ints
    crossed: Flags


def market_middles(tapes: Sequence[Tape], outcome: int, asked: Ints) -> Middles:
    """Return the middle of `outcome` at each of the ascending moments `asked`, from one market's tapes.

    Unknown: before a tape's first book, after its end (unless its market resolved, or the next tape follows within
    five minutes), inside its gaps, and while a side of the book is empty. After a resolution it is the payout.
    """
    mid = np.full(len(asked), UNKNOWN, np.int64)
    crossed = np.zeros(len(asked), bool)
    ordered = sorted((tape for tape in tapes if len(tape)), key=lambda tape: tape.start_ns)
    state: _State | None = None
    for tape, following in zip_longest(ordered, ordered[1:]):
        end = max(tape.end_ns, int(tape.columns["venue_ns"][-1]))
        joined = following is not None and following.start_ns - end <= _JOINED_NS
        if _is_resolved(tape):
            end = np.iinfo(np.int64).max - 1
        if joined or (following is not None and end > following.start_ns):
            end = following.start_ns - 1
        state = state if state is not None and len(state.present[0]) == ONE // tape.step + 1 else _State(tape.step)
        first, last = np.searchsorted(asked, (_first_ns(tape), end + 1))
        part = _tape_middles(tape, outcome, asked[first:last], state, whole=joined)
        mid[first:last], crossed[first:last] = part.mid, part.crossed
        state = state if joined else None
    return Middles(mid=mid, crossed=crossed)


def _first_ns(tape: Tape) -> int:
    venue = int(tape.columns["venue_ns"][0])
    return min(venue, tape.start_ns) if venue > 0 else tape.start_ns


def _is_resolved(tape: Tape) -> bool:
    return bool((tape.columns["kind"][-8:] == Kind.RESOLVED).any())


def _tape_middles(tape: Tape, outcome: int, asked: Ints, state: _State, *, whole: bool) -> Middles:
    if not _shows(tape, outcome) and len(tape.facts.outcomes) == 2:
        # Only the other outcome was recorded: the two sides of a binary market add up to one dollar.
        other = _walk(tape, 1 - outcome, asked, state, whole=whole)
        return Middles(mid=np.where(other.mid == UNKNOWN, UNKNOWN, ONE - other.mid), crossed=other.crossed)
    return _walk(tape, outcome, asked, state, whole=whole)


def _shows(tape: Tape, outcome: int) -> bool:
    """Whether the tape holds prices of this outcome at all."""
    for first in range(0, len(tape), CHUNK_ROWS):
        part = slice(first, first + CHUNK_ROWS)
        kind = tape.columns["kind"][part]
        priced = (kind == Kind.LEVEL) | (kind == Kind.CLEAR) | (kind == Kind.PRICE)
        if (priced & (tape.columns["outcome"][part] == outcome)).any():
            return True
    return False


class _State:
    """What is known of one outcome's book between two chunks, or two tapes that follow each other at once."""

    def __init__(self, step: int) -> None:
        self.present = np.zeros((2, ONE // step + 1), bool)  # by side: ASK, BID
        self.unsure = True
        self.price = UNKNOWN  # of a price series, in steps; or the payout
        self.settled = False


def _walk(tape: Tape, outcome: int, asked: Ints, state: _State, *, whole: bool) -> Middles:
    """Answer `asked` from one tape; read it to its end even after the last answer where `whole` says so."""
    mid = np.full(len(asked), UNKNOWN, np.int64)
    crossed = np.zeros(len(asked), bool)
    answered, clock, first = 0, 0, 0
    while first < len(tape) and (whole or answered < len(asked)):
        last = _message_end(tape, first + CHUNK_ROWS)
        part = {name: column[first:last] for name, column in tape.columns.items()}
        ends = np.flatnonzero(part["flags"] & LAST)
        venue, received = part["venue_ns"][ends], part["received_ns"][ends]
        times = np.maximum.accumulate(np.where(venue > 0, np.minimum(venue, received), received))
        times = np.maximum(times, clock)
        clock = int(times[-1]) if len(times) else clock
        # A moment at the chunk's last time may still be changed by the next chunk.
        stop = len(asked) if last == len(tape) else int(np.searchsorted(asked, clock))
        position = np.searchsorted(times, asked[answered:stop], side="right") - 1
        # The last complete message at each moment; -1: none yet in this chunk. The chunk's end is asked as well.
        row = np.append(np.where(position >= 0, ends[np.maximum(position, 0)] if len(ends) else -1, -1), last - first)
        here = _chunk_middles(part, row, step=tape.step, outcome=outcome, state=state)
        mid[answered:stop], crossed[answered:stop] = here.mid[:-1], here.crossed[:-1]
        answered, first = stop, last
    for start, end in tape.gaps:
        a, b = np.searchsorted(asked, (start, end))
        mid[a:b] = UNKNOWN
    return Middles(mid=mid, crossed=crossed)


def _message_end(tape: Tape, row: int) -> int:
    """Return where the message ends that holds `row`: no chunk may cut one."""
    while row < len(tape):
        ends = np.flatnonzero(tape.columns["flags"][row - 1 : row + 4096] & LAST)
        if len(ends):
            return row + int(ends[0])
        row += 4096
    return len(tape)


def _chunk_middles(part: dict[str, Column], row: Ints, *, step: int, outcome: int, state: _State) -> Middles:
    """Answer what holds after each of the rows and leave in `state` what holds after the last of them."""
    ours = part["outcome"] == outcome
    kind = part["kind"]
    bid, ask = _best(part, np.flatnonzero(ours & (kind == Kind.LEVEL)), ours, row, state)
    known = ~_unsure(kind, ours, row, state) & (bid >= 0) & (ask >= 0)
    middle = np.where(known, (bid + ask) * step // 2, UNKNOWN)
    crossed = known & (bid >= ask)
    for which in (Kind.PRICE, Kind.RESOLVED):
        rows = np.flatnonzero(ours & (kind == which))
        at = np.searchsorted(rows, row, side="right") - 1
        steps = np.where(at >= 0, part["ticks"][rows[np.maximum(at, 0)]] if len(rows) else 0, state.price)
        applies = (at >= 0) | ((state.price != UNKNOWN) & (state.settled == (which is Kind.RESOLVED)))
        middle = np.where(applies, steps.astype(np.int64) * step, middle)
        if len(rows) and not (state.settled and which is Kind.PRICE):
            state.price = int(part["ticks"][rows[-1]])
            state.settled = which is Kind.RESOLVED
    return Middles(mid=middle, crossed=crossed)


def _unsure(kind: Column, ours: Flags, row: Ints, state: _State) -> Flags:
    """Whether the book is unknown at each row: after a GAP, or before its first CLEAR."""
    turns = np.flatnonzero(ours & ((kind == Kind.CLEAR) | (kind == Kind.GAP)))
    at = np.searchsorted(turns, row, side="right") - 1
    lost = kind[turns] == Kind.GAP
    unsure = np.where(at >= 0, lost[np.maximum(at, 0)] if len(turns) else False, state.unsure)
    state.unsure = bool(unsure[-1])
    return unsure.astype(bool)


def _best(part: dict[str, Column], rows: Ints, ours: Flags, row: Ints, state: _State) -> tuple[Ints, Ints]:
    """Return best bid and best ask in steps at each row, -1 where a side is empty; the last row updates `state`."""
    clears = np.flatnonzero(ours & (part["kind"] == Kind.CLEAR))
    at = np.searchsorted(clears, row, side="right") - 1
    cleared = np.where(at >= 0, clears[np.maximum(at, 0)] if len(clears) else -1, -1)
    found = []
    for side in (BID, 1 - BID):
        mine = rows[part["side"][rows] == side]
        ticks = part["ticks"][mine].astype(np.int64)
        # Grouped by level, in the order of time within each.
        order = np.argsort(ticks, kind="stable")
        changes = _Changes(ticks=ticks[order], row=mine[order], filled=part["size"][mine[order]] > 0)
        levels = np.union1d(changes.ticks, np.flatnonzero(state.present[side]))
        best = np.full(len(row), -1, np.int64)
        block = max(1, _PAIRS // max(1, len(levels)))
        for start in range(0, len(row), block):
            part_rows, part_cleared = row[start : start + block], cleared[start : start + block]
            there = _present(levels, changes, part_rows, part_cleared, state.present[side])
            best[start : start + block] = _edge(levels, there, highest=side == BID)
            if start + block >= len(row):
                after = there[:, -1].copy()
        state.present[side][:] = False
        state.present[side][levels[after]] = True
        found.append(best)
    return found[0], found[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """Changes of one side's levels, by level and then by row."""

    ticks: Ints
    row: Ints
    filled: Flags


def _present(levels: Ints, changes: _Changes, row: Ints, cleared: Ints, before: Flags) -> Flags:
    """Return which levels (down) hold shares at which rows (across)."""
    standing: Flags = before[levels][:, None] & (cleared < 0)[None, :]
    if not len(changes.ticks):
        return standing
    span = int(max(row.max(initial=0), changes.row.max(initial=0))) + 2
    wanted = levels[:, None] * span + row[None, :]
    at = np.searchsorted(changes.ticks * span + changes.row, wanted, side="right") - 1
    same = (at >= 0) & (changes.ticks[at] == levels[:, None])
    # A level that the chunk has not touched since the book was replaced is empty.
    touched = same & (changes.row[at] > cleared[None, :])
    return np.where(touched, changes.filled[at], standing & ~same)


def _edge(levels: Ints, there: Flags, *, highest: bool) -> Ints:
    if not len(levels):
        return np.full(there.shape[1], -1, np.int64)
    any_there = there.any(axis=0)
    if highest:
        best = levels[len(levels) - 1 - there[::-1].argmax(axis=0)]
    else:
        best = levels[there.argmax(axis=0)]
    return np.where(any_there, best, -1)
