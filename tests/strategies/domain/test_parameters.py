"""One schema makes form, API schema, sweep ranges and diff; bad input is refused field by field."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.parameters import (
    Kind,
    ParameterError,
    difference,
    fields,
    flatten,
    json_schema,
    parameters_dump,
    parameters_load,
    sweep_values,
    unflatten,
)
from strategies.library.market_making import MarketMakingParameters
from strategies.library.registry import STRATEGIES

SPECS = {spec.path: spec for spec in fields(MarketMakingParameters)}


@pytest.mark.parametrize(
    ("raw", "field", "words"),
    [
        ({"half_spread": "NaN"}, "half_spread", "finite number"),
        ({"half_spread": "Infinity"}, "half_spread", "finite number"),
        ({"half_spread": "1e400"}, "half_spread", "less than or equal to 0.2"),
        ({"half_spread": True}, "half_spread", "a number is needed"),
        ({"half_spread": "0.0001"}, "half_spread", "greater than or equal"),
        ({"half_spread": "0.01234567"}, "half_spread", "decimal places"),
        ({"half_spread": None}, "half_spread", "Decimal"),
        ({"half_spread": [1]}, "half_spread", "Decimal"),
        ({"levels": 6}, "levels", "less than or equal to 5"),
        ({"levels": 1.5}, "levels", "integer"),
        ({"levels": False}, "levels", "a number is needed"),
        ({"fair_value": "last"}, "fair_value", "'mid' or 'microprice'"),
        ({"halfspread": "0.01"}, "halfspread", "there is no such parameter"),
        ({"universe": {"maximum": 0}}, "universe.maximum", "greater than or equal to 1"),
        ({"universe": {"tags": 5}}, "universe.tags", "tuple"),
        ({"universe": {"tags": ["x" * 241]}}, "universe.tags.0", "240 characters"),
        ({"universe": "all"}, "universe", "dictionary"),
    ],
)
def test_a_bad_value_is_refused_with_its_field(raw: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parameters_load(MarketMakingParameters, raw)
    assert list(caught.value.errors) == [field]
    assert words in caught.value.errors[field]


def test_every_bad_field_is_named_at_once() -> None:
    with pytest.raises(ParameterError) as caught:
        parameters_load(MarketMakingParameters, {"levels": 9, "size": "0", "universe": {"maximum": "many"}})
    assert set(caught.value.errors) == {"levels", "size", "universe.maximum"}


def test_something_else_than_an_object_is_refused() -> None:
    with pytest.raises(ParameterError, match="an object with named fields"):
        parameters_load(MarketMakingParameters, [1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_defaults_are_valid_and_survive_storing(name: str) -> None:
    schema = STRATEGIES[name].params
    stored = json.loads(json.dumps(parameters_dump(parameters_load(schema, {}))))
    assert parameters_dump(parameters_load(schema, stored)) == stored


def test_decimals_are_stored_as_plain_texts() -> None:
    stored = parameters_dump(parameters_load(MarketMakingParameters, {"size": "1E+2", "half_spread": "0.0100"}))
    assert (stored["size"], stored["half_spread"]) == ("100", "0.01")


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_parameter_has_title_help_and_bounds(name: str) -> None:
    for spec in fields(STRATEGIES[name].params):
        assert spec.title and spec.help, spec.path
        if spec.kind in (Kind.DECIMAL, Kind.INTEGER):
            assert spec.minimum is not None and spec.maximum is not None and spec.unit, spec.path


def test_a_field_describes_its_input() -> None:
    spec = SPECS["half_spread"]
    assert (spec.kind, spec.unit, spec.minimum, spec.maximum, spec.step) == (
        Kind.DECIMAL, "usd/share", Decimal("0.001"), Decimal("0.2"), "0.0001",
    )  # fmt: skip
    assert (SPECS["fair_value"].kind, SPECS["fair_value"].choices[0]) == (
        Kind.CHOICE, ("mid", "middle of the best prices"),
    )  # fmt: skip
    assert (SPECS["universe.tags"].kind, SPECS["universe.tags"].group) == (Kind.WORDS, "Universe")


def test_a_sweep_tries_its_range_inclusively() -> None:
    assert sweep_values(SPECS["half_spread"]) == tuple(Decimal(n) / 1000 for n in (5, 10, 15, 20, 25, 30))
    assert sweep_values(SPECS["maximum_book_age_s"]) == ()


def test_forms_send_words_as_texts() -> None:
    loaded = parameters_load(MarketMakingParameters, {"universe": {"tags": "sports, crypto\npolitics,,"}})
    assert loaded.universe.tags == ("sports", "crypto", "politics")  # type: ignore[attr-defined]


def test_the_json_schema_says_bounds_units_and_decimal_texts() -> None:
    found = json_schema(MarketMakingParameters)
    half = found["properties"]["half_spread"]
    assert (half["type"], half["format"], half["minimum"], half["maximum"]) == (
        ["string", "number"],
        "decimal",
        0.001,
        0.2,
    )
    assert (half["unit"], half["default"]) == ("usd/share", "0.01")
    assert found["additionalProperties"] is False
    json.dumps(found)


def test_a_difference_names_what_changed_in_words() -> None:
    before = parameters_dump(parameters_load(MarketMakingParameters, {}))
    changed = {"half_spread": "0.02", "stay_in_reward_band": True, "universe": {"tags": ["sports"]}}
    after = parameters_dump(parameters_load(MarketMakingParameters, changed))
    found = difference(MarketMakingParameters, before, after)
    assert [(d.path, d.before, d.after) for d in found] == [
        ("universe.tags", "none", "sports"),
        ("half_spread", "0.01", "0.02"),
        ("stay_in_reward_band", "no", "yes"),
    ]
    assert difference(MarketMakingParameters, after, after) == ()


def test_dotted_paths_become_groups_and_back() -> None:
    nested = {"size": "5", "universe": {"maximum": 3, "tags": ["a"]}}
    assert flatten(nested) == {"size": "5", "universe.maximum": 3, "universe.tags": ["a"]}
    assert unflatten(flatten(nested)) == nested
