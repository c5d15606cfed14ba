"""Would another order of luck have told the same story? Closed positions drawn again, with a seed.

The bootstrap of B. Efron (Bootstrap methods: another look at the jackknife, 1979): as many closed positions as there
were are drawn with replacement, their profits added up in the order drawn, and total and deepest fall noted. It treats
positions as independent; where they were not (many in one market, one news day) the truth is wider.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DRAWS = 1_000
_WORK = 40_000_000  # positions drawn in all: fewer draws where there are very many positions
_LEAST_DRAWS = 200
_BLOCK = 2_000_000

Ints = npt.NDArray[np.int64]
Quantiles = tuple[int, int, int]  # 5, 50 and 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """Amounts are millionths of a dollar."""

    positions: int
    draws: int
    profit: Quantiles
    drawdown: Quantiles  # amount below the highest sum so far
    losing: float  # share of draws that end below zero
    profits: Ints  # of all draws, ascending, for a picture


def resampled(nets: Ints, *, seed: int, draws: int = DRAWS) -> Resampled | None:
    """Return what redrawing the profits of closed positions gives; None for fewer than two."""
    count = len(nets)
    if count < 2:
        return None
    draws = max(min(draws, _LEAST_DRAWS), min(draws, _WORK // count))
    chance = np.random.default_rng(seed)
    totals, falls = np.zeros(draws, np.int64), np.zeros(draws, np.int64)
    block = max(1, _BLOCK // count)
    for first in range(0, draws, block):
        rows = min(block, draws - first)
        path = np.cumsum(nets[chance.integers(count, size=(rows, count))], axis=1)
        totals[first : first + rows] = path[:, -1]
        # The highest sum so far begins at zero: a path that only falls has fallen from there.
        peak = np.maximum(np.maximum.accumulate(path, axis=1), 0)
        falls[first : first + rows] = (peak - path).max(axis=1)
    return Resampled(
        positions=count,
        draws=draws,
        profit=_quantiles(totals),
        drawdown=_quantiles(falls),
        losing=float((totals < 0).mean()),
        profits=np.sort(totals),
    )


def _quantiles(values: Ints) -> Quantiles:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95), method="inverted_cdf")
    return int(low), int(middle), int(high)
