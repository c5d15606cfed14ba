"""Ratios of returns and of trades, as the literature defines them. Floats; what is undefined says why.

Returns are daily shares of equity, without a risk-free rate: prediction markets pay none on idle cash. A year has
365 days because these markets never close.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

YEAR_DAYS = 365
_NOTHING = 1e-15  # a spread of returns below this is rounding, not variance

Floats = npt.NDArray[np.float64]


class Undefined(ValueError):
    """A figure that has no value here; the message is the reason, in plain words."""


def annualised(total: float, days: float) -> float:
    """Return (1 + total) ** (365 / days) - 1: the yearly return that compounds to `total`. Needs two days."""
    if days < 2:
        raise Undefined("less than two days of data")
    if total <= -1:
        return -1.0
    try:
        return math.expm1(math.log1p(total) * YEAR_DAYS / days)
    except OverflowError:
        raise Undefined("too few days for the size of the return") from None


def sharpe(returns: Floats) -> float:
    """Return mean / standard deviation (n - 1) × √365 (W. F. Sharpe, The Sharpe Ratio, 1994)."""
    _enough(returns)
    spread = float(np.std(returns, ddof=1))
    if spread < _NOTHING:
        raise Undefined("no variance: every day returned the same")
    return float(np.mean(returns)) / spread * math.sqrt(YEAR_DAYS)


def sortino(returns: Floats) -> float:
    """Return mean / downside deviation × √365.

    The downside deviation is the root of the mean, over all days, of squared negative returns: the target is 0
    (F. A. Sortino, L. N. Price, Performance Measurement in a Downside Risk Framework, 1994).
    """
    _enough(returns)
    down = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    if down < _NOTHING:
        raise Undefined("no losing day")
    return float(np.mean(returns)) / down * math.sqrt(YEAR_DAYS)


def calmar(yearly: float | None, drawdown: float) -> float:
    """Return annualised return / maximum drawdown (T. W. Young, Calmar Ratio: A Smoother Tool, 1991)."""
    if yearly is None:
        raise Undefined("less than two days of data")
    if drawdown <= 0:
        raise Undefined("no drawdown")
    return yearly / drawdown


def win_rate(nets: npt.NDArray[np.int64]) -> float:
    """Return the share of closed positions with a positive net profit; one at exactly zero did not win."""
    _closed(nets)
    return float((nets > 0).mean())


def profit_factor(nets: npt.NDArray[np.int64]) -> float:
    """Return the sum of gains / the sum of losses over closed positions."""
    _closed(nets)
    lost = -int(nets[nets < 0].sum())
    if not lost:
        raise Undefined("no closed position lost")
    return int(nets[nets > 0].sum()) / lost


def expectancy(nets: npt.NDArray[np.int64]) -> float:
    """Return the mean net profit of a closed position in millionths of a dollar."""
    _closed(nets)
    return int(nets.sum()) / len(nets)


def moments(returns: Floats) -> tuple[float, float]:
    """Return (skewness, kurtosis) of returns; a normal distribution has (0, 3)."""
    _enough(returns)
    away = returns - returns.mean()
    spread = float(np.sqrt(np.mean(away**2)))
    if spread < _NOTHING:
        raise Undefined("no variance: every day returned the same")
    return float(np.mean(away**3)) / spread**3, float(np.mean(away**4)) / spread**4


def _enough(returns: Floats) -> None:
    if len(returns) < 2:
        raise Undefined("less than two days of data")


def _closed(nets: npt.NDArray[np.int64]) -> None:
    if not len(nets):
        raise Undefined("no position was closed")
