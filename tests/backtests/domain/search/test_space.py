"""What a search tries: exact values, whole grids, different draws, and clear refusals."""

from __future__ import annotations

import random

import pytest

from backtests.domain.search.space import MOST_TRIALS, SpaceError, draws, grid, space_default, space_of
from strategies.domain.parameters import parameters_load
from strategies.library.market_making import MarketMakingParameters as Schema

RANGES = {"half_spread": ("0.01", "0.03", "0.01"), "levels": ("1", "2", "1"), "fair_value": ("mid", "microprice")}


def test_values_are_the_texts_a_person_would_type() -> None:
    space = space_of(Schema, RANGES)
    assert [axis.values for axis in space.axes] == [("0.01", "0.02", "0.03"), ("1", "2"), ("mid", "microprice")]
    assert space.size == len(grid(space)) == len(set(grid(space))) == 12
    applied = space.applied({"size": "5", "exits": {"take_profit": "0.1"}}, ("0.02", "2", "mid"))
    assert applied == {
        "size": "5",
        "exits": {"take_profit": "0.1"},
        "half_spread": "0.02",
        "levels": "2",
        "fair_value": "mid",
    }
    assert all(parameters_load(Schema, space.applied({}, point)) for point in grid(space))


def test_nested_parameters_and_the_schemas_own_ranges() -> None:
    ranges = space_default(Schema, ["exits.take_profit", "size"])
    assert ranges == {"exits.take_profit": ("0.02", "0.1", "0.02"), "size": ("10", "50", "10")}
    space = space_of(Schema, ranges)
    assert space.applied({}, ("0.04", "20")) == {"exits": {"take_profit": "0.04"}, "size": "20"}
    assert space.named(("0.04", "20")) == {"exits.take_profit": "0.04", "size": "20"}


@pytest.mark.parametrize(
    ("ranges", "path", "words"),
    [
        ({"nothing": ("1", "2", "1")}, "nothing", "no such parameter"),
        ({"half_spread": ("0.01", "0.03", "0")}, "half_spread", "above zero"),
        ({"half_spread": ("0.03", "0.01", "0.01")}, "half_spread", "below low"),
        ({"half_spread": ("0.0001", "0.03", "0.01")}, "half_spread", "smallest allowed"),
        ({"half_spread": ("0.01", "0.9", "0.01")}, "half_spread", "largest allowed"),
        ({"half_spread": ("0.01", "0.02", "0.00001")}, "half_spread", "decimals"),
        ({"half_spread": ("0.01", "NaN", "0.01")}, "half_spread", "finite"),
        ({"half_spread": ("0.01", "x", "0.01")}, "half_spread", "numbers"),
        ({"half_spread": ("0.01",)}, "half_spread", "low, high and step"),
        ({"levels": ("1", "2", "0.5")}, "levels", "whole numbers"),
        ({"size": ("1", "100000", "0.01")}, "size", "larger step"),
        ({"fair_value": ("mid", "middle")}, "fair_value", "middle is no choice"),
        ({"fair_value": ()}, "fair_value", "at least one"),
        ({"stay_in_reward_band": ("yes",)}, "stay_in_reward_band", "neither true nor false"),
        ({"universe.markets": ("a",)}, "universe.markets", ""),
        ({}, "ranges", "at least one"),
    ],
)
def test_what_cannot_be_searched_is_named(ranges: dict[str, tuple[str, ...]], path: str, words: str) -> None:
    with pytest.raises(SpaceError) as caught:
        space_of(Schema, ranges)
    assert words in caught.value.errors[path]


def test_draws_are_different_repeatable_and_at_most_the_whole_space() -> None:
    space = space_of(Schema, RANGES | {"size": ("10", "100", "1")})
    first = draws(space, 50, rng=random.Random(7))
    assert len(set(first)) == 50
    assert first == draws(space, 50, rng=random.Random(7)) != draws(space, 50, rng=random.Random(8))
    assert set(first) <= set(grid(space))
    assert set(draws(space_of(Schema, RANGES), 100, rng=random.Random(1))) == set(grid(space_of(Schema, RANGES)))


def test_a_grid_that_is_too_large_is_refused_but_can_be_drawn_from() -> None:
    space = space_of(Schema, RANGES | {"size": ("10", "400", "1"), "maximum_inventory": ("50", "300", "1")})
    assert space.size > MOST_TRIALS
    with pytest.raises(SpaceError, match="points are more than"):
        grid(space)
    assert len(set(draws(space, 200, rng=random.Random(3)))) == 200
    with pytest.raises(SpaceError, match="between 1"):
        draws(space, 0, rng=random.Random(3))


def test_a_range_nobody_proposed_must_be_given() -> None:
    with pytest.raises(SpaceError) as caught:
        space_default(Schema, ["fair_value", "unknown"])
    assert set(caught.value.errors) == {"fair_value", "unknown"}
