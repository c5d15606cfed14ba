"""How the desk writes numbers: cents, dollars, shares, signs, ages.

Inputs are Decimals in dollars or shares (or seconds for ages); `micro` turns the core's
integer millionths into them. Signed values carry + or − (U+2212), zero carries no sign,
and what is missing is an en dash, never 0.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

NONE = "–"
MINUS = "−"
_CENTS = Decimal("0.01")


def micro(value: int | Decimal | None) -> Decimal | None:
    """Return an integer of millionths as a Decimal; a Decimal passes through."""
    if value is None or isinstance(value, Decimal):
        return value
    return Decimal(value).scaleb(-6)


def as_decimal(value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    if isinstance(value, Decimal):
        return value
    return Decimal(str(value))


def places_of_tick(tick: Decimal | None) -> int:
    """How many decimals a price in cents needs at this tick: 0.01 → 0, 0.001 → 1."""
    if not tick:
        return 1
    exponent = int(Decimal(tick).normalize().as_tuple().exponent)
    return max(0, -exponent - 2)


def _fixed(value: Decimal, places: int) -> str:
    quantum = Decimal(1).scaleb(-places)
    return f"{value.quantize(quantum, rounding=ROUND_HALF_EVEN):,.{places}f}"


def cents(price: Decimal | None, tick: Decimal | None = None, *, extra: int = 0) -> str:
    """Return a price in cents, its decimals following the tick (`extra` more for mids and averages)."""
    if price is None:
        return NONE
    places = places_of_tick(tick) + extra
    text = _fixed(price * 100, places)
    # A mid of a one-cent market is 61.5 or 61, not 61.0: the extra digit shows only when it says something.
    return text.rstrip("0").rstrip(".") if extra and "." in text and places_of_tick(tick) == 0 else text


def money(value: Decimal | None, places: int = 2) -> str:
    """`$1,234.56`; a negative amount has its sign before the dollar."""
    if value is None:
        return NONE
    text = _fixed(abs(value), places)
    return f"{MINUS}${text}" if value < 0 and text.strip("0.,") else f"${text}"


def signed(value: Decimal | None, places: int = 2, *, unit: str = "") -> str:
    """`+41.10`, `−9.86`, `0.00`; with unit "$" the dollar follows the sign."""
    if value is None:
        return NONE
    text = _fixed(abs(value), places)
    if not text.strip("0.,"):
        return f"{unit}{text}"
    return f"{MINUS if value < 0 else '+'}{unit}{text}"


def tone(value: Decimal | None, places: int = 2) -> str:
    """The colour class of a signed value: up, down, or dim for zero and missing."""
    if value is None or not _fixed(abs(value), places).strip("0.,"):
        return "dim"
    return "down" if value < 0 else "up"


def shares(value: Decimal | None) -> str:
    """A number of shares without needless decimals: `1,840`, `12.5`."""
    if value is None:
        return NONE
    text = _fixed(value, 2)
    return text.rstrip("0").rstrip(".")


def count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def percent(value: Decimal | None, places: int = 1) -> str:
    return NONE if value is None else f"{_fixed(value, places)} %".replace("-", MINUS)


def age(seconds: float | Decimal | None) -> str:
    """`0.4 s`, `38 s`, `12 m`, `3 h 12 m`, `2 d`."""
    if seconds is None:
        return NONE
    whole = max(0.0, float(seconds))
    if whole < 9.95:
        return f"{whole:.1f} s"
    if whole < 60:
        return f"{int(whole)} s"
    minutes = int(whole // 60)
    if minutes < 60:
        return f"{minutes} m"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {rest} m" if rest else f"{hours} h"
    return f"{hours // 24} d"


def age_of(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else (now - at).total_seconds()


def big_money(value: Decimal | None) -> str:
    """Whole dollars, thousands and millions shortened: `$940`, `$18.1 k`, `$1.42 m`."""
    if value is None:
        return NONE
    size = abs(value)
    if size >= 1_000_000:
        return f"${value / 1_000_000:.2f} m"
    if size >= 10_000:
        return f"${value / 1_000:.1f} k"
    return f"${value:,.0f}"
