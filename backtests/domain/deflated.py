"""Is a Sharpe ratio skill, when it is the best of many tries on few and lopsided returns?

All ratios here are per observation, not annualised (divide an annual one by √365 for daily returns).

- `probabilistic_sharpe`: the probability that the true ratio is above a benchmark, given length, skewness and kurtosis
  of the returns (D. H. Bailey, M. López de Prado, The Sharpe Ratio Efficient Frontier, 2012).
- `deflated_sharpe`: the same against the ratio that the best of N tries without skill is expected to show (the same,
  The Deflated Sharpe Ratio, 2014).
- `overfitting`: the probability that the best in one half of the time is below the median in the other half, over all
  ways to halve it (the same with J. Borwein and Q. J. Zhu, The Probability of Backtest Overfitting, 2017: CSCV).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from backtests.domain.ratios import Undefined

EULER_MASCHERONI = 0.5772156649015329
_NORMAL = NormalDist()
_NOTHING = 1e-15
_ROUNDING = 1e-12  # a variance below this share of the squared mean is rounding

Floats = npt.NDArray[np.float64]


def probabilistic_sharpe(
    ratio: float, *, benchmark: float, count: int, skewness: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Return P(true ratio > benchmark) after `count` returns. Raises Undefined for fewer than two."""
    if count < 2:
        raise Undefined("less than two returns")
    variance = 1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2
    if variance <= 0:
        raise Undefined("skewness and kurtosis contradict each other")
    return _NORMAL.cdf((ratio - benchmark) * math.sqrt((count - 1) / variance))


def expected_best(trials: int, variance: float) -> float:
    """Return the ratio that the best of `trials` independent tries without skill is expected to show.

    `variance` is that of the tries' ratios. One try expects zero.
    """
    if trials < 1 or variance < 0:
        raise Undefined("needs a number of trials and the variance of their ratios")
    if trials == 1:
        return 0.0
    one = _NORMAL.inv_cdf(1 - 1 / trials)
    other = _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - EULER_MASCHERONI) * one + EULER_MASCHERONI * other)


def deflated_sharpe(
    ratio: float, *, trials: int, variance: float, count: int, skewness: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Return the probability that the true ratio is above zero, knowing that it was the best of `trials`."""
    return probabilistic_sharpe(
        ratio, benchmark=expected_best(trials, variance), count=count, skewness=skewness, kurtosis=kurtosis
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """`probability`: of the best in sample being below the median out of sample. `logits`: one per split."""

    probability: float
    splits: int
    logits: tuple[float, ...]
    slope: float | None  # of performance out of sample over that in sample, of the chosen ones: falling is overfitted


def overfitting(returns: Sequence[Sequence[float]] | Floats, *, blocks: int = 10) -> Overfitting:
    """Return the probability of backtest overfitting from one column of returns per tried parameter set.

    Time is cut into `blocks` (even) equal parts, leftover rows at the end stay out; every half of the parts is in
    sample once. Ties share their rank. Raises Undefined for fewer than two sets, or fewer rows than two per block.
    """
    table = np.asarray(returns, np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise Undefined("needs the returns of at least two parameter sets")
    if blocks < 2 or blocks % 2:
        raise Undefined(f"{blocks} blocks cannot be halved")
    size = len(table) // blocks
    if size < 2:
        raise Undefined(f"{len(table)} returns are too few for {blocks} blocks of at least two")
    parts = table[: size * blocks].reshape(blocks, size, table.shape[1])
    sums, squares = parts.sum(axis=1), (parts**2).sum(axis=1)
    logits, inside, outside = [], [], []
    for chosen in combinations(range(blocks), blocks // 2):
        rest = [i for i in range(blocks) if i not in chosen]
        within = _ratios(sums[list(chosen)], squares[list(chosen)], size)
        beyond = _ratios(sums[rest], squares[rest], size)
        best = int(np.argmax(within))
        lower = int((beyond < beyond[best]).sum())
        equal = int((beyond == beyond[best]).sum())
        rank = (lower + (equal + 1) / 2) / (table.shape[1] + 1)
        logits.append(math.log(rank / (1 - rank)))
        inside.append(float(within[best]))
        outside.append(float(beyond[best]))
    return Overfitting(
        probability=sum(logit <= 0 for logit in logits) / len(logits),
        splits=len(logits),
        logits=tuple(logits),
        slope=_slope(inside, outside),
    )


def _ratios(sums: Floats, squares: Floats, size: int) -> Floats:
    """Return each column's Sharpe ratio over some blocks; columns without variance have none and come last."""
    count = size * len(sums)
    mean = sums.sum(axis=0) / count
    variance = np.maximum(squares.sum(axis=0) / count - mean**2, 0.0)
    ratios = np.full(len(mean), -np.inf)
    np.divide(mean, np.sqrt(variance), out=ratios, where=variance > _ROUNDING * mean**2)
    return ratios


def _slope(inside: list[float], outside: list[float]) -> float | None:
    x, y = np.array(inside), np.array(outside)
    usable = np.isfinite(x) & np.isfinite(y)
    x, y = x[usable], y[usable]
    if len(x) < 2 or float(np.ptp(x)) < _NOTHING:
        return None
    return float(np.polyfit(x, y, 1)[0])
