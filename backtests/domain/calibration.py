"""How often what was bought came true, and how good the market's own prices were as forecasts.

The Brier score is the mean of (forecast - payout)², 0 at best (G. W. Brier, Verification of forecasts expressed in
terms of probability, 1950). A forecast of the market is the middle of its book. Ours exists only where the strategy
stated fair values. Fills of one outcome stand or fall together, so intervals count outcomes, not fills.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backtests.domain.mids import UNKNOWN, Floats, Ints
from backtests.domain.recorded import Recorded
from backtests.domain.result import BacktestResult
from markets.domain.tape import BID
from markets.domain.units import ONE

BINS = 10
_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Purchases whose middle lay in one tenth of the price range. Prices and shares are between 0 and 1."""

    low: float
    count: int  # fills
    outcomes: int  # different ones
    price: float  # mean middle
    came_true: float  # mean payout
    interval: tuple[float, float]  # 95 % (Wilson 1927), of as many cases as there are outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A mean of squared errors; None where no case has a payout yet."""

    brier: float | None
    cases: int
    outcomes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    bins: tuple[Bin, ...]
    bought: Score  # the market's middle when we bought
    held: Score  # the market's middle over the time we held
    forecast: Score  # our stated fair values
    against: Score  # the market's middle at the same decisions


def calibration_of(result: BacktestResult, recorded: Recorded) -> Calibration:
    """Return calibration over the outcomes whose payout is known."""
    fills = result.fills[(result.fills["side"] == BID) & (result.fills["mid"] != UNKNOWN)]
    payout = _payouts(fills, recorded)
    known = ~np.isnan(payout)
    fills, payout = fills[known], payout[known]
    price = fills["mid"] / ONE
    which = fills["market"].astype(np.int64) * 256 + fills["outcome"]
    forecast, against = _forecasts(result, recorded)
    return Calibration(
        bins=_bins(price, payout, which),
        bought=_score(price, payout, which),
        held=_held(recorded),
        forecast=forecast,
        against=against,
    )


def _payouts(rows: npt.NDArray[Any], recorded: Recorded) -> Floats:
    pairs = zip(rows["market"].tolist(), rows["outcome"].tolist(), strict=True)
    return np.array([recorded.payouts.get(pair, math.nan) for pair in pairs], np.float64) / ONE


def _score(price: Floats, payout: Floats, which: Ints) -> Score:
    brier = float(np.mean((price - payout) ** 2)) if len(price) else None
    return Score(brier=brier, cases=len(price), outcomes=len(np.unique(which)))


def _held(recorded: Recorded) -> Score:
    """Score the middle at the grid's moments while we held the outcome."""
    prices, payouts, which = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, np.int64)]
    for key, grid in recorded.grids.items():
        if key in recorded.payouts:
            part = grid.mid[(grid.held > 0) & (grid.mid != UNKNOWN)]
            prices.append(part / ONE)
            payouts.append(np.full(len(part), recorded.payouts[key] / ONE))
            which.append(np.full(len(part), key[0] * 256 + key[1]))
    return _score(np.concatenate(prices), np.concatenate(payouts), np.concatenate(which))


def _forecasts(result: BacktestResult, recorded: Recorded) -> tuple[Score, Score]:
    rows = result.forecasts
    if rows is None or not len(rows):
        none = Score(brier=None, cases=0, outcomes=0)
        return none, none
    rows = rows[rows["mid"] != UNKNOWN]
    payout = _payouts(rows, recorded)
    known = ~np.isnan(payout)
    rows, payout = rows[known], payout[known]
    which = rows["market"].astype(np.int64) * 256 + rows["outcome"]
    return _score(rows["fair"] / ONE, payout, which), _score(rows["mid"] / ONE, payout, which)


def _bins(price: Floats, payout: Floats, which: Ints) -> tuple[Bin, ...]:
    number = np.minimum((price * BINS).astype(np.int64), BINS - 1)
    found = []
    for index in range(BINS):
        here = number == index
        if not here.any():
            continue
        outcomes = len(np.unique(which[here]))
        share = float(payout[here].mean())
        found.append(
            Bin(
                low=index / BINS, count=int(here.sum()), outcomes=outcomes, price=float(price[here].mean()),
                came_true=share, interval=wilson(share, outcomes),
            )
        )  # fmt: skip
    return tuple(found)


def wilson(share: float, cases: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `cases` (E. B. Wilson, 1927), sound for few cases as well."""
    square = _Z95**2
    middle = (share + square / (2 * cases)) / (1 + square / cases)
    half = _Z95 / (1 + square / cases) * math.sqrt(share * (1 - share) / cases + square / (4 * cases**2))
    return max(0.0, middle - half), min(1.0, middle + half)
