"""A strategy's form comes from its schema, and what it posts is what the schema gets."""

from __future__ import annotations

import pytest

from polybot.dashboard.parameters import PREFIX, inputs_of, parameters_from
from strategies.domain.parameters import Kind, parameters_dump, parameters_load
from strategies.library import registry

CLASSES = [name for name, _ in registry.strategy_choices()]


@pytest.mark.parametrize("name", CLASSES)
def test_posting_the_form_as_it_stands_changes_nothing(name: str) -> None:
    """What every input shows, sent back, is the same parameters: nothing is lost between schema and form."""
    params = registry.strategy_get(name).params
    stored = parameters_dump(parameters_load(params, {}))
    posted = {}
    for _, inputs in inputs_of(params, stored):
        for item in inputs:
            if item.spec.kind is Kind.BOOLEAN:
                posted |= {item.name: "on"} if item.is_checked else {}
            else:
                posted[item.name] = item.value
    assert parameters_dump(parameters_load(params, parameters_from(posted, params))) == stored


@pytest.mark.parametrize("name", CLASSES)
def test_every_input_has_words_and_what_has_both_bounds_shows_where_it_stands(name: str) -> None:
    params = registry.strategy_get(name).params
    for _, inputs in inputs_of(params, parameters_dump(parameters_load(params, {}))):
        for item in inputs:
            assert item.spec.title and item.spec.help, item.name
            numeric = item.spec.kind in (Kind.DECIMAL, Kind.INTEGER)
            if numeric and item.spec.minimum is not None and item.spec.maximum is not None:
                assert item.picture, item.name


def test_what_was_typed_stays_beside_its_error() -> None:
    params = registry.strategy_get("market_making").params
    groups = inputs_of(
        params, {}, typed={PREFIX + "size": "lots"}, errors={"size": "should be a number"}, changed={"size": 3}
    )
    item = next(i for _, inputs in groups for i in inputs if i.spec.path == "size")
    assert (item.value, item.error, item.changed_in, item.picture) == ("lots", "should be a number", 3, "")


def test_the_strategys_own_group_comes_first() -> None:
    params = registry.strategy_get("market_making").params
    assert next(group for group, _ in inputs_of(params, {})) == "Strategy"
