"""The mutator changes exactly one place, and only places that decide something."""

from __future__ import annotations

import ast

from tests.mutation.mutate import mutated, places, sample

SOURCE = '''
"""A docstring with 1 number."""
LIMIT: int = 3

def cost(price: int, size: int = 2) -> int:
    """Never changed."""
    if price < LIMIT and size:
        raise ValueError(f"{price} is below {LIMIT}")
    return max(price * size, 0)
'''


def test_every_mutant_differs_from_the_source_and_from_the_others() -> None:
    found = places("m", SOURCE)
    bodies = [ast.unparse(mutated(SOURCE, each.number)) for each in found]
    assert len(set(bodies)) == len(bodies) == len(found)
    assert ast.unparse(ast.parse(SOURCE)) not in bodies
    assert all("Never changed." in body and "1 number" in body for body in bodies)


def test_operators_constants_conditions_results_and_refusals_are_places() -> None:
    assert {each.what for each in places("m", SOURCE)} == {
        "3 to 4", "Lt to LtE", "And to Or", "raise dropped", "condition negated", "Mult to FloorDiv", "0 to 1",
        "max to min", "result to None",
    }  # fmt: skip


def test_a_mutant_is_made_again_by_its_number() -> None:
    (swap,) = [each for each in places("m", SOURCE) if each.what == "Lt to LtE"]
    assert "price <= LIMIT" in ast.unparse(mutated(SOURCE, swap.number))
    assert swap.line == 7


def test_a_sample_is_spread_over_all_places_and_repeats_itself() -> None:
    found = places("m", SOURCE)
    some = list(sample(found, 4, seed=5))
    assert some == list(sample(found, 4, seed=5))
    assert len(set(some)) == 4
