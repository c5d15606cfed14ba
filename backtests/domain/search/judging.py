"""What a trial is judged by: its profit per equal part of the time, and objectives made of it.

Bins are exact millionths of a dollar and add up to the whole profit. Objectives are floats, larger is better; one
that has no value for a trial raises Undefined with the reason, and the trial is ranked behind all others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from backtests.domain.curves import curve_of
from backtests.domain.ratios import Undefined
from backtests.domain.result import BacktestResult

BINS = 48  # divides into the 16 groups of the overfitting test and into 2, 3, 4, 6, 8 or 12 folds

Bins = Sequence[int]


@dataclass(frozen=True, slots=True)
class Objective:
    title: str
    help: str
    unit: str
    measure: Callable[[Bins], float]


def bins_of(result: BacktestResult, *, start_ns: int, end_ns: int, count: int = BINS) -> tuple[int, ...]:
    """Return the profit in each of `count` equal parts of [start_ns, end_ns), in millionths; they sum to all of it.

    A point of the equity curve belongs to the part in which it lies, so a part in which nothing was marked has 0.
    """
    if end_ns <= start_ns:
        raise ValueError("the span is empty")
    curve = curve_of(result)
    edges = [start_ns + (end_ns - start_ns) * number // count for number in range(1, count)]
    # The value at an edge is that of the last point before it; what lies outside the span counts to its ends.
    last = np.searchsorted(curve.at_ns, edges, side="left") - 1
    values = [int(curve.value[max(0, index)]) for index in last]
    marks = [result.capital, *values, int(curve.value[-1])]
    return tuple(later - earlier for earlier, later in pairwise(marks))


def _profit(bins: Bins) -> float:
    return sum(bins) / 1_000_000


def _steadiness(bins: Bins) -> float:
    values = np.asarray(bins, np.float64)
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if spread <= 0:
        raise Undefined("every part of the time earned the same")
    return float(values.mean()) / spread * math.sqrt(len(values))


def _against_drawdown(bins: Bins) -> float:
    equity = np.concatenate(([0], np.cumsum(np.asarray(bins, np.int64))))
    fall = int((np.maximum.accumulate(equity) - equity).max())
    if not fall:
        raise Undefined("no drawdown")
    return int(equity[-1]) / fall


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        "profit": Objective("Net profit", "Dollars after fees, marked at the end.", "$", _profit),
        "steadiness": Objective(
            "Steadiness", "Mean over deviation of the profit per part of the time: a Sharpe ratio.", "", _steadiness
        ),
        "profit_to_drawdown": Objective(
            "Profit to drawdown", "Net profit over the deepest fall between parts of the time.", "x", _against_drawdown
        ),
    }
)


def judged(objective: str, bins: Bins) -> float:
    """Return the objective's value. Raises Undefined with a reason, KeyError for an objective that is not known."""
    value = OBJECTIVES[objective].measure(bins)
    if not math.isfinite(value):
        raise Undefined("not a finite number")
    return value
