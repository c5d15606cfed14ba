"""The summary of a search: ranking, walk-forward by hand, and figures against luck that react to luck."""

from __future__ import annotations

import json
import random

import pytest

from backtests.domain.ratios import Undefined
from backtests.domain.search.judging import BINS
from backtests.domain.search.space import Space, grid, space_of
from backtests.domain.search.summary import Tried, ranked, summary_of
from strategies.library.market_making import MarketMakingParameters

SPACE = space_of(MarketMakingParameters, {"levels": ("1", "3", "1"), "size": ("10", "50", "10")})


def tried(number: int, bins: list[int], objective: float | None = None) -> Tried:
    return Tried(number=number, assignment=grid(SPACE)[number], objective=objective, bins=tuple(bins))


def noise(seed: int, *, edge: int = 0) -> list[Tried]:
    rng = random.Random(seed)
    out = []
    for number in range(SPACE.size):
        bins = [int(rng.gauss(edge if number == 7 else 0, 1_000_000)) for _ in range(BINS)]
        out.append(tried(number, bins, sum(bins) / 1e6))
    return out


def summarised(trials: list[Tried], *, folds: int = 0, holdout: Tried | None = None, space: Space = SPACE) -> dict:
    return summary_of(space, trials, objective="profit", folds=folds, holdout=holdout, failed=1)


def test_the_best_comes_first_and_what_has_no_value_last() -> None:
    order = ranked([tried(0, [1]), tried(1, [1], -2.0), tried(2, [1], 3.0), tried(3, [1], 3.0)])
    assert [trial.number for trial in order] == [2, 3, 1, 0]
    with pytest.raises(Undefined):
        summarised([])


def test_walk_forward_follows_what_was_best_before() -> None:
    early = tried(0, [10] * 24 + [-5] * 24, 1.0)
    late = tried(1, [1] * 24 + [20] * 24, 2.0)
    found = summarised([early, late], folds=2)["walk_forward"]
    # 48 bins, 70 % training: tests are bins 26..36 and 37..47, training begins at 0 and 11.
    assert [fold["test"] for fold in found["folds"]] == [[26, 37], [37, 48]]
    assert [fold["number"] for fold in found["folds"]] == [0, 1]
    assert [fold["profit"] for fold in found["folds"]] == [11 * -5, 11 * 20]
    assert found["profit"] == 11 * 15
    assert summarised([early, late], folds=400)["walk_forward"]["reason"]


def test_luck_is_told_from_skill() -> None:
    lucky, skilled = summarised(noise(3)), summarised(noise(3, edge=1_500_000))
    assert skilled["best"]["number"] == 7
    assert lucky["deflated_sharpe"]["value"] < 0.9 < skilled["deflated_sharpe"]["value"]
    assert skilled["overfitting"]["probability"] < 0.05 < lucky["overfitting"]["probability"]


def test_it_is_plain_json_and_says_what_is_undefined() -> None:
    flat = [tried(number, [0] * BINS, 0.0) for number in range(3)]
    found = summarised(flat, holdout=flat[0], folds=3)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["deflated_sharpe"]["value"] is None and found["deflated_sharpe"]["reason"]
    assert (found["tried"], found["failed"], found["points"]) == (3, 1, 15)
    assert found["holdout"]["number"] == 0
