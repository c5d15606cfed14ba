"""Exact money: prices, sizes and cash as integers of one millionth.

`Price` is dollars per share (0 to 1), `Shares` a number of shares, `Usd` an amount
of cash; each is an `int` that counts millionths. Decimals live at the edges (forms,
API, database columns `numeric(20, 6)`); floats never carry money.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NewType

Price = NewType("Price", int)
Shares = NewType("Shares", int)
Usd = NewType("Usd", int)

ONE = 1_000_000
MAX_MICRO = 10**20 - 1  # what numeric(20, 6) can hold
_SCALE = Decimal(ONE)
_DECIMAL_TEXT = re.compile(r"-?(?:\d{1,14})(?:\.(\d{0,}))?|-?\.\d+", re.ASCII)


class AmountError(ValueError):
    """A number that cannot be money here; the message names the field and the value."""


def micro_from_text(text: object, *, field: str) -> int:
    """Return the millionths that a plain decimal string such as `"0.515"` stands for.

    Raises AmountError for anything but a plain decimal text: no exponent, no NaN, no
    sign other than a leading minus, and no digit below one millionth.
    """
    if not isinstance(text, str) or not _DECIMAL_TEXT.fullmatch(text):
        raise AmountError(f"{field}: {text!r:.60} is not a plain decimal number")
    whole, _, fraction = text.partition(".")
    if len(fraction) > 6:
        if fraction[6:].strip("0"):
            raise AmountError(f"{field}: {text!r:.60} has digits below one millionth")
        fraction = fraction[:6]
    digits = int(f"{whole.lstrip('-') or '0'}{fraction:0<6}")
    return -digits if whole.startswith("-") else digits


def micro_from_decimal(value: Decimal, *, field: str = "amount") -> int:
    """Return `value` in millionths. Raises AmountError when that is not exact and finite."""
    if not isinstance(value, Decimal) or not value.is_finite():
        raise AmountError(f"{field}: {value!r:.60} is not a finite decimal")
    scaled = value * _SCALE
    micro = int(scaled)
    if micro != scaled:
        raise AmountError(f"{field}: {value} has digits below one millionth")
    if abs(micro) > MAX_MICRO:
        raise AmountError(f"{field}: {value} is larger than the ledger can hold")
    return micro


def decimal_from_micro(micro: int) -> Decimal:
    """Return `micro` as a Decimal with exactly six places, fit for `numeric(20, 6)`."""
    return Decimal(micro).scaleb(-6)


def text_from_micro(micro: int) -> str:
    """Return the shortest plain decimal text, the way the venues write numbers."""
    sign, digits = ("-", -micro) if micro < 0 else ("", micro)
    whole, fraction = divmod(digits, ONE)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{f'{fraction:06d}'.rstrip('0')}"


def notional_down(price: int, size: int) -> Usd:
    """Return price times size in millionths of a dollar, rounded down: what a seller is sure to get."""
    return Usd(price * size // ONE)


def notional_up(price: int, size: int) -> Usd:
    """Return price times size in millionths of a dollar, rounded up: what a buyer must be able to pay."""
    return Usd(-(-price * size // ONE))


def complement(price: int) -> Price:
    """Return the price of the other outcome: a bid for YES at p is an ask for NO at 1 - p."""
    return Price(ONE - price)


def is_on_tick(price: int, tick: int) -> bool:
    """Whether `price` is a multiple of `tick` inside [tick, 1 - tick], as the venue demands."""
    return tick <= price <= ONE - tick and price % tick == 0


def round_down_to_tick(price: int, tick: int) -> Price:
    return Price(price - price % tick)


def round_up_to_tick(price: int, tick: int) -> Price:
    return Price(-(-price // tick) * tick)
