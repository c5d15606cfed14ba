"""The mutator changes exactly one place, and only places that decide something."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType

from tests.mutation import swap as loaded
from tests.mutation.mutate import mutated, places, sample
from tests.mutation.swap import changed_function, swap
from tests.mutation.targets import TARGETS

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


KEPT = """
LIMIT = 3

class Purse:
    @property
    def rich(self) -> bool:
        return self.coins > LIMIT
"""


def test_a_lie_inside_a_function_is_told_to_those_who_already_hold_it() -> None:
    module = sys.modules["purse_of_a_test"] = ModuleType("purse_of_a_test")
    try:
        exec(compile(KEPT, "purse", "exec"), module.__dict__)
        purse = module.Purse()
        purse.coins = 3
        (number,) = [each.number for each in places("m", KEPT) if each.what == "Gt to GtE"]
        changed = changed_function(KEPT, number)
        assert changed is not None and changed[0] == "Purse.rich"
        assert not purse.rich
        assert swap("purse_of_a_test", *changed)
        assert purse.rich
    finally:
        del sys.modules["purse_of_a_test"]


def test_a_constant_of_a_module_cannot_be_changed_in_place() -> None:
    (number,) = [each.number for each in places("m", KEPT) if each.what == "3 to 4"]
    assert changed_function(KEPT, number) is None
    assert not swap("purse_of_a_test", "Purse.rich", loaded.swap.__code__)


def test_every_target_and_every_test_of_one_is_there() -> None:
    project = Path(__file__).resolve().parents[2]
    for module, tests in TARGETS.items():
        assert (project / Path(*module.split(".")).with_suffix(".py")).is_file(), module
        assert [test for test in tests if not (project / test.partition("::")[0]).exists()] == []
