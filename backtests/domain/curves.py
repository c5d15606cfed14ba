"""The equity curve of a backtest as arrays: by day, below its peak, and how much was invested.

Values are millionths of a dollar, times nanoseconds, days UTC. Ratios are floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backtests.domain.result import BacktestResult

DAY_NS = 86_400 * 10**9
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Equity over time, beginning with the capital. `exposure` is the cost of what was held."""

    at_ns: Ints
    value: Ints
    exposure: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """One row per UTC day on which there were data; `value` is the equity at its end."""

    day: Ints  # days since 1970
    value: Ints
    profit: Ints
    returns: Floats  # share of the equity of the day before
    missing: int  # calendar days in between without data: left out, not counted as zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall from a peak. `recovered_ns` is None where the peak was not reached again."""

    share: float
    amount: int
    peak_ns: int
    trough_ns: int
    recovered_ns: int | None
    length_ns: int  # from the peak to its recovery, or to the end
    longest_ns: int  # longest time below any peak


def curve_of(result: BacktestResult) -> Curve:
    """Return the equity points of `result` in time order, with the capital put in front."""
    rows: npt.NDArray[Any] = result.equity
    start = min(result.start_ns, int(rows["at_ns"][0])) if len(rows) else result.start_ns
    value = rows["cash"] + rows["positions"]
    return Curve(
        at_ns=np.concatenate(([start], rows["at_ns"])).astype(np.int64),
        value=np.concatenate(([result.capital], value)).astype(np.int64),
        exposure=np.concatenate(([0], rows["exposure"])).astype(np.int64),
    )


def days_of(curve: Curve) -> Days:
    """Return equity by day. A day's return is its change over the equity at the end of the day with data before it.

    The first day is measured from the capital; a day that was replayed in part counts as a day. A point at midnight
    ends the day before it, if that day has data. Where equity before was not positive the return is -1.
    """
    if len(curve.at_ns) < 2:
        empty = np.zeros(0, np.int64)
        return Days(day=empty, value=empty, profit=empty, returns=np.zeros(0), missing=0)
    number = curve.at_ns // DAY_NS
    ends_day = (curve.at_ns[1:] % DAY_NS == 0) & (number[:-1] == number[1:] - 1)
    number = number[1:] - ends_day
    last = np.append(np.flatnonzero(np.diff(number)), len(number) - 1)
    value = curve.value[1:][last]
    before = np.concatenate((curve.value[:1], value[:-1]))
    profit = value - before
    returns = np.full(len(value), -1.0)
    np.divide(profit, before, out=returns, where=before > 0)
    day = number[last]
    missing = int(day[-1] - day[0] + 1 - len(day))
    return Days(day=day, value=value, profit=profit, returns=returns, missing=missing)


def below_peak(curve: Curve) -> Floats:
    """Return for each point the share lost since the highest equity so far, 0 at a peak."""
    peak = np.maximum.accumulate(curve.value)
    fall = np.zeros(len(peak))
    np.divide(peak - curve.value, peak, out=fall, where=peak > 0)
    return fall


def drawdown_of(curve: Curve) -> Drawdown | None:
    """Return the deepest drawdown as a share of its peak; None where equity never fell."""
    fall = below_peak(curve)
    trough = int(np.argmax(fall))
    if fall[trough] <= 0:
        return None
    peak_value = int(curve.value[: trough + 1].max())
    # The last moment at the peak: time spent exactly on it is not time under water.
    peak = int(np.flatnonzero(curve.value[: trough + 1] == peak_value)[-1])
    back = np.flatnonzero(curve.value[trough:] >= peak_value)
    recovered = int(curve.at_ns[trough + back[0]]) if len(back) else None
    end = int(curve.at_ns[-1]) if recovered is None else recovered
    return Drawdown(
        share=float(fall[trough]),
        amount=peak_value - int(curve.value[trough]),
        peak_ns=int(curve.at_ns[peak]),
        trough_ns=int(curve.at_ns[trough]),
        recovered_ns=recovered,
        length_ns=end - int(curve.at_ns[peak]),
        longest_ns=_longest_under(curve, fall),
    )


def _longest_under(curve: Curve, fall: Floats) -> int:
    at_peak = np.flatnonzero(fall <= 0)
    marks = np.append(curve.at_ns[at_peak], curve.at_ns[-1])
    return int(np.diff(marks).max()) if len(marks) > 1 else 0


def mean_over_time(at_ns: Ints, level: Ints) -> float:
    """Return the mean of a level that holds from each point to the next, weighted by time."""
    span = np.diff(at_ns).astype(np.float64)
    total = float(span.sum())
    return float((level[:-1] * span).sum() / total) if total > 0 else float(level[-1])
