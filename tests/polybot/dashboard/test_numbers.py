"""Numbers as the desk writes them."""

from __future__ import annotations

from decimal import Decimal
from decimal import Decimal as D

import pytest

from polybot.dashboard import numbers


@pytest.mark.parametrize(
    ("price", "tick", "extra", "text"),
    [
        ("0.61", "0.01", 0, "61"),
        ("0.615", "0.01", 1, "61.5"),
        ("0.61", "0.01", 1, "61"),
        ("0.615", "0.001", 0, "61.5"),
        ("0.0285", "0.001", 1, "2.85"),
        ("0.005", "0.0001", 0, "0.50"),
        (None, "0.01", 0, "–"),
    ],
)
def test_prices_are_cents_and_follow_the_tick(price: str | None, tick: str, extra: int, text: str) -> None:
    assert numbers.cents(D(price) if price else None, D(tick), extra=extra) == text


@pytest.mark.parametrize(
    ("value", "text", "tone"),
    [("41.1", "+41.10", "up"), ("-9.86", "−9.86", "down"), ("0", "0.00", "dim"), ("-0.001", "0.00", "dim")],
)
def test_signed_values_carry_their_sign_and_zero_carries_none(value: str, text: str, tone: str) -> None:
    assert numbers.signed(D(value)) == text
    assert numbers.tone(D(value)) == tone


def test_the_minus_stands_before_the_dollar() -> None:
    assert numbers.money(D("-1234.5")) == "−$1,234.50"
    assert numbers.signed(D("38.42"), unit="$") == "+$38.42"
    assert numbers.money(None) == "–"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (38.9, "38 s"),
        (720, "12 m"),
        (11_520, "3 h 12 m"),
        (10_800, "3 h"),
        (172_800, "2 d"),
        (-3, "0.0 s"),
        (None, "–"),
    ],
)
def test_ages(seconds: float | None, text: str) -> None:
    assert numbers.age(seconds) == text


def test_sizes_drop_needless_decimals_and_keep_thousands() -> None:
    assert numbers.shares(D("1840.000000")) == "1,840"
    assert numbers.shares(D("12.50")) == "12.5"
    assert numbers.micro(12_500_000) == Decimal("12.5")
    assert numbers.big_money(D("1420000")) == "$1.42 m"
