"""Comparing what a venue sends with what it is declared to send."""

from __future__ import annotations

from decimal import Decimal

import pytest

from markets.domain.drift import MOST_DIFFERENCES, Difference, DriftKind, differences, shape

ROW = shape("id:text price:text|number note?:text live:flag")
TRADE = shape(
    "id:text maker_orders:list allowances?:object",
    inside={"maker_orders": shape("order_id:text side?:text"), "allowances": shape("", open=True)},
)


def found(observed: object) -> list[tuple[str, str]]:
    return [(d.kind.value, d.field) for d in differences(observed, ROW)]


@pytest.mark.parametrize(
    "observed",
    [
        {"id": "1", "price": "0.5", "live": True},
        {"id": "1", "price": 0.5, "live": False, "note": "x"},
        {"id": "1", "price": Decimal("0.5"), "live": False, "note": None},
    ],
)
def test_what_is_declared_is_no_difference(observed: object) -> None:
    assert found(observed) == []


def test_an_unknown_field_is_named() -> None:
    assert differences({"id": "1", "price": "0", "live": True, "colour": "red"}, ROW) == [
        Difference(kind=DriftKind.UNKNOWN_FIELD, field="colour", sample="text red")
    ]


def test_a_missing_field_is_named() -> None:
    assert found({"id": "1", "price": "0"}) == [("missing_field", "live")]


@pytest.mark.parametrize(
    ("name", "value"), [("id", 1), ("price", True), ("price", None), ("live", "true"), ("live", 1), ("note", 3)]
)
def test_a_field_of_another_type_is_named(name: str, value: object) -> None:
    observed = {"id": "1", "price": "0", "live": True} | {name: value}
    assert found(observed) == [("retyped_field", name)]


@pytest.mark.parametrize("observed", [None, [], "text", 3])
def test_something_that_is_no_object_is_retyped_as_a_whole(observed: object) -> None:
    assert found(observed) == [("retyped_field", "(whole)")]


def test_objects_inside_are_named_by_their_path() -> None:
    observed = {"id": "1", "maker_orders": [{"order_id": "a"}, {"order_id": 5, "more": 1}], "allowances": {"0xab": "1"}}
    assert [(d.kind.value, d.field) for d in differences(observed, TRADE)] == [
        ("retyped_field", "maker_orders[].order_id"),
        ("unknown_field", "maker_orders[].more"),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_secret", "abc"),
        ("passphrase", "p"),
        ("sessionToken", "t"),
        ("newKey", "k"),
        ("note2", "0123456789012345678901234567890123456789"),
        ("data", {"secret": "x"}),
        ("rows", ["secret"]),
    ],
)
def test_values_that_may_be_secret_are_not_kept(name: str, value: object) -> None:
    (difference,) = differences({"id": "1", "price": "0", "live": True, name: value}, ROW)
    assert difference.sample in ("text", "text of 40 characters", "object", "list")


def test_an_object_of_garbage_gives_a_bounded_answer() -> None:
    assert len(differences({f"x{i}": i for i in range(10_000)}, ROW)) == MOST_DIFFERENCES
