from decimal import Decimal

import pytest

from markets.domain import units


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("0.515", 515_000),
        ("1", 1_000_000),
        (".5", 500_000),
        ("0.0000010", 1),
        ("-2.5", -2_500_000),
        ("3149725.72", 3_149_725_720_000),
    ],
)
def test_plain_decimal_text_becomes_millionths(text: str, micro: int) -> None:
    assert units.micro_from_text(text, field="price") == micro


@pytest.mark.parametrize(
    "text", ["", "NaN", "Infinity", "1e3", "1_000", "+1", "0.0000001", "１", None, 0.5, "1" * 40, "--1", "."]
)
def test_anything_else_is_refused_by_name(text: object) -> None:
    with pytest.raises(units.AmountError, match="price"):
        units.micro_from_text(text, field="price")


def test_text_and_decimal_round_trip() -> None:
    for micro in (0, 1, 999_999, 1_000_000, 10**15 + 7, -1):
        assert units.micro_from_text(units.text_from_micro(micro), field="x") == micro
        assert units.micro_from_decimal(units.decimal_from_micro(micro)) == micro
    assert units.text_from_micro(520_000) == "0.52"
    with pytest.raises(units.AmountError):
        units.micro_from_decimal(Decimal("NaN"))


def test_a_buyer_is_rounded_up_and_a_seller_down() -> None:
    assert units.notional_up(333_333, 1_000_001) == 333_334
    assert units.notional_down(333_333, 1_000_001) == 333_333
