"""Fees: what Gamma says of a market as a FeeSchedule, and what one trade costs its taker.

An unknown schedule stays unknown: the gate refuses such a market.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from markets.domain.instruments import FeeSchedule
from markets.domain.units import ONE, Usd
from markets.venues.base import ParseError

_STEPS_PER_DOLLAR = 100_000
FREE = FeeSchedule(rate_ppm=0)


def schedule_from_gamma(enabled: bool | None, schedule: dict[str, Any] | None) -> FeeSchedule | None:
    """Return the schedule, FREE when fees are off, or None when fees are on (or unspoken of) without numbers."""
    if enabled is False:
        return FREE
    if enabled is None or schedule is None:
        return None
    return FeeSchedule(
        rate_ppm=_parts(schedule, "rate"),
        exponent=_exponent(schedule),
        rebate_ppm=_parts(schedule, "rebateRate"),
    )


def taker_fee(price: int, size: int, schedule: FeeSchedule | None) -> Usd:
    """Return what the taker of one trade pays, in millionths of a dollar: to five decimals, less than one is free.

    The venue does not say how ties round; the local exchange rounds them up, and so do we.
    """
    if schedule is None or not schedule.rate_ppm:
        return Usd(0)
    chance = Fraction(price, ONE) * (1 - Fraction(price, ONE))
    exact = Fraction(size, ONE) * Fraction(schedule.rate_ppm, ONE) * chance**schedule.exponent
    steps = exact * _STEPS_PER_DOLLAR
    return Usd(0) if steps < 1 else Usd(int(steps + Fraction(1, 2)) * (ONE // _STEPS_PER_DOLLAR))


def _parts(schedule: dict[str, Any], key: str) -> int:
    """Return a share of 1 in millionths."""
    value = schedule.get(key)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ParseError(f"feeSchedule.{key}", f"{value!r:.40} is not a number")
    scaled = Decimal(value) * ONE
    if not 0 <= scaled <= ONE or scaled != int(scaled):
        raise ParseError(f"feeSchedule.{key}", f"{value!r:.40} is not a rate between 0 and 1")
    return int(scaled)


def _exponent(schedule: dict[str, Any]) -> int:
    value = schedule.get("exponent")
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value != int(value) or not 1 <= value <= 4:
        raise ParseError("feeSchedule.exponent", f"{value!r:.40} is not a whole number from 1 to 4")
    return int(value)
