"""Closed positions: from the first share of an outcome until none is held again, by sale or settlement.

Amounts are millionths and exact, times nanoseconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from backtests.domain.result import BacktestResult
from markets.domain.tape import BID

ROUND = np.dtype(
    [
        ("opened_ns", "<i8"),
        ("closed_ns", "<i8"),
        ("bought", "<i8"),  # shares
        ("net", "<i8"),  # what all its cash changes add up to: fees included, rebates not
        ("fees", "<i8"),
        ("fills", "<i8"),
        ("market", "<i4"),
        ("outcome", "u1"),
        ("settled", "u1"),
    ]
)
MOVE = np.dtype(
    [
        ("at_ns", "<i8"),
        ("size", "<i8"),  # signed: bought or sold
        ("cash", "<i8"),
        ("fee", "<i8"),
        ("held", "<i8"),  # of this outcome, afterwards
        ("market", "<i4"),
        ("outcome", "u1"),
        ("settles", "u1"),
    ]
)


def moves_of(result: BacktestResult) -> npt.NDArray[Any]:
    """Return fills and settlements as signed moves of shares, grouped by market and outcome, each in time order."""
    fills, ends = result.fills, result.settlements
    moves = np.zeros(len(fills) + len(ends), MOVE)
    traded, settled = moves[: len(fills)], moves[len(fills) :]
    for name in ("at_ns", "cash", "market", "outcome"):
        traded[name] = fills[name]
        settled[name] = ends[name]
    traded["size"] = np.where(fills["side"] == BID, fills["size"], -fills["size"])
    traded["fee"] = fills["fee"]
    settled["size"] = -ends["size"]
    settled["settles"] = 1
    # Stable: fills of one moment keep their order, and a settlement comes after them.
    order = np.lexsort((moves["settles"], moves["at_ns"], moves["outcome"], moves["market"]))
    moves = moves[order]
    if not len(moves):
        return moves
    total = np.cumsum(moves["size"])
    first = group_starts(moves)
    before = np.where(first > 0, total[first - 1], 0)
    moves["held"] = total - np.repeat(before, np.diff(np.append(first, len(moves))))
    return moves


def group_starts(moves: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return where each (market, outcome) begins in the rows of `moves_of`."""
    change = (np.diff(moves["market"]) != 0) | (np.diff(moves["outcome"]) != 0)
    return np.concatenate(([0], np.flatnonzero(change) + 1)).astype(np.int64)


def rounds_of(moves: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the closed positions among `moves`, by the time they closed. What is still held is left out."""
    flat = moves["held"] == 0 if len(moves) else np.zeros(0, bool)
    # A settlement of nothing ends no position.
    flat &= moves["size"] != 0
    ends = np.flatnonzero(flat)
    if not len(ends):
        return np.zeros(0, ROUND)
    begins = np.union1d(group_starts(moves), ends + 1)
    begins = begins[begins < len(moves)]
    stops = np.append(begins[1:], len(moves)) - 1
    sums = {
        "bought": np.add.reduceat(np.maximum(moves["size"], 0), begins),
        "net": np.add.reduceat(moves["cash"], begins),
        "fees": np.add.reduceat(moves["fee"], begins),
        "fills": np.add.reduceat((moves["settles"] == 0).astype(np.int64), begins),
        "settled": np.maximum.reduceat(moves["settles"], begins),
    }
    closed = flat[stops]
    rounds = np.zeros(int(closed.sum()), ROUND)
    for name, value in sums.items():
        rounds[name] = value[closed]
    rounds["opened_ns"] = moves["at_ns"][begins[closed]]
    rounds["closed_ns"] = moves["at_ns"][stops[closed]]
    rounds["market"] = moves["market"][stops[closed]]
    rounds["outcome"] = moves["outcome"][stops[closed]]
    return rounds[np.argsort(rounds["closed_ns"], kind="stable")]


def share_seconds(moves: npt.NDArray[Any], *, end_ns: int) -> tuple[float, float]:
    """Return (shares held times seconds, shares bought): their ratio is how long a share was held on average."""
    if not len(moves):
        return 0.0, 0.0
    after = np.append(moves["at_ns"][1:], end_ns)
    last = np.append(group_starts(moves)[1:], len(moves)) - 1
    after[last] = np.maximum(end_ns, moves["at_ns"][last])
    span = (after - moves["at_ns"]) / 1e9
    held = float((moves["held"] / 1e6 * span).sum())
    return held, float(np.maximum(moves["size"], 0).sum() / 1e6)
