"""The simulated venue's taker fees, from its own table. Makers pay nothing.

A rate is in millionths of a dollar per share (0.05 is 50,000); fees are millionths of a dollar.
"""

from __future__ import annotations

from markets.domain.instruments import Category, FeeSchedule
from markets.domain.units import ONE, Usd

_STEP = 10  # fees are rounded to five decimals, and anything smaller than one step is free

CATEGORY_FEES: dict[Category, FeeSchedule] = {
    Category.CRYPTO: FeeSchedule(rate_ppm=70_000, rebate_ppm=200_000),
    Category.SPORTS: FeeSchedule(rate_ppm=50_000, rebate_ppm=150_000),
    Category.FINANCE: FeeSchedule(rate_ppm=40_000, rebate_ppm=250_000),
    Category.POLITICS: FeeSchedule(rate_ppm=40_000, rebate_ppm=250_000),
    Category.MENTIONS: FeeSchedule(rate_ppm=40_000, rebate_ppm=250_000),
    Category.TECH: FeeSchedule(rate_ppm=40_000, rebate_ppm=250_000),
    Category.ECONOMICS: FeeSchedule(rate_ppm=50_000, rebate_ppm=250_000),
    Category.CULTURE: FeeSchedule(rate_ppm=50_000, rebate_ppm=250_000),
    Category.WEATHER: FeeSchedule(rate_ppm=50_000, rebate_ppm=250_000),
    Category.OTHER: FeeSchedule(rate_ppm=50_000, rebate_ppm=250_000),
    Category.GEOPOLITICS: FeeSchedule(rate_ppm=0),
}


def taker_fee(price: int, size: int, schedule: FeeSchedule | None) -> Usd:
    """Return shares x rate x (p (1 - p)) ** exponent, to the nearest 0.00001; below that it is nothing."""
    if schedule is None or not schedule.rate_ppm:
        return Usd(0)
    exponent = schedule.exponent
    numerator = size * schedule.rate_ppm * (price * (ONE - price)) ** exponent
    scale = ONE * ONE ** (2 * exponent)  # turns the product back into millionths of a dollar
    if numerator < _STEP * scale:
        return Usd(0)
    return Usd((2 * numerator + _STEP * scale) // (2 * _STEP * scale) * _STEP)
