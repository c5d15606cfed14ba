"""Does a decision depend on what had not happened yet? Change the future and see whether the past stays.

The same request and seed are replayed over recordings that agree up to a cut and differ after it: cut off, moved
in time, and turned upside down (bids become asks at the mirrored price). Every decision and every fill before the cut
must be the same as in the untouched replay. Passing is no proof, failing is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from backtests.domain.result import BacktestResult
from markets.domain.tape import ASK, BID, Kind, Tape

Replay = Callable[[Sequence[Tape]], BacktestResult]
_SHIFT_NS = 3_600 * 10**9


class Change(StrEnum):
    CUT = "cut off"
    SHIFT = "moved by an hour"
    MIRROR = "prices mirrored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One changed future. `differs_ns` is the first decision or fill before the cut that changed; None: none did."""

    change: Change
    cut_ns: int
    compared: int  # decisions and fills before the cut
    differs_ns: int | None

    @property
    def passed(self) -> bool:
        return self.differs_ns is None


def lookahead_check(replay: Replay, tapes: Sequence[Tape], *, cuts: int = 3) -> tuple[Probe, ...]:
    """Replay `tapes` once as they are and `3 * cuts` times with changed futures."""
    start, end = min(tape.start_ns for tape in tapes), max(tape.end_ns for tape in tapes)
    whole = replay(tapes)
    probes: list[Probe] = []
    for number in range(1, cuts + 1):
        cut = start + (end - start) * number // (cuts + 1)
        for change in Change:
            result = replay([changed(tape, cut, change) for tape in tapes])
            probes.append(_compare(whole, result, change, cut))
    return tuple(probes)


def changed(tape: Tape, cut_ns: int, change: Change) -> Tape:
    """Return the tape with another future from `cut_ns` on, by venue time as by receive time."""
    columns = tape.columns
    # A row belongs to the future only when neither the venue nor we had seen it: messages stay whole.
    first = int(np.searchsorted(columns["received_ns"], cut_ns))
    while 0 < first < len(tape) and not columns["flags"][first - 1] & 1:
        first += 1
    if change is Change.CUT:
        return replace(tape, columns={name: column[:first] for name, column in columns.items()}, digest="")
    new = {name: np.array(column) for name, column in columns.items()}
    if change is Change.SHIFT:
        new["received_ns"][first:] += _SHIFT_NS
        new["venue_ns"][first:] += _SHIFT_NS
    else:
        kind = new["kind"][first:]
        priced = (kind == Kind.LEVEL) | (kind == Kind.TRADE) | (kind == Kind.PRICE) | (kind == Kind.RESOLVED)
        sided = (kind == Kind.LEVEL) | (kind == Kind.TRADE)
        ticks, side = new["ticks"][first:], new["side"][first:]
        ticks[priced] = 1_000_000 // tape.step - ticks[priced]
        side[sided] = np.where(side[sided] == BID, ASK, BID)
        # Everything after the cut is another book: both begin empty.
        new = {name: np.insert(column, first, _cleared(name, column, first, tape)) for name, column in new.items()}
    return replace(tape, columns=new, digest="")


def _cleared(name: str, column: np.ndarray, first: int, tape: Tape) -> list[int]:
    """Return what stands in column `name` of the rows that empty each outcome's book at row `first`."""
    count = len(tape.facts.outcomes)
    if name in ("venue_ns", "received_ns"):
        return [int(column[min(first, len(column) - 1)])] * count
    return {
        "kind": [int(Kind.CLEAR)] * count,
        "outcome": list(range(count)),
        "flags": [1] * count,
    }.get(name, [0] * count)


def _compare(whole: BacktestResult, other: BacktestResult, change: Change, cut_ns: int) -> Probe:
    until = min(cut_ns, other.end_ns)  # a recording that was cut off ends with its last row before the cut
    pairs = [(_decisions(whole, until), _decisions(other, until)), (_fills(whole, until), _fills(other, until))]
    differs = [at for ours, theirs in pairs if (at := _first_difference(ours, theirs)) is not None]
    return Probe(
        change=change,
        cut_ns=cut_ns,
        compared=sum(len(ours) for ours, _ in pairs),
        differs_ns=min(differs) if differs else None,
    )


def _decisions(result: BacktestResult, until_ns: int) -> list[tuple[int, str]]:
    return [(at, digest) for at, digest in result.decisions if at < until_ns]


def _fills(result: BacktestResult, until_ns: int) -> list[tuple[int, str]]:
    fields = ("market", "outcome", "side", "price", "size", "fee")
    return [
        (int(row["at_ns"]), ",".join(str(row[field]) for field in fields))
        for row in result.fills[result.fills["at_ns"] < until_ns]
    ]


def _first_difference(ours: list[tuple[int, str]], theirs: list[tuple[int, str]]) -> int | None:
    for mine, other in zip(ours, theirs, strict=False):
        if mine != other:
            return min(mine[0], other[0])
    if len(ours) != len(theirs):
        longer = ours if len(ours) > len(theirs) else theirs
        return longer[min(len(ours), len(theirs))][0]
    return None
