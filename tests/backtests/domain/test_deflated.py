"""Probabilistic and deflated Sharpe ratios against their authors' numbers, CSCV against a plain count."""

from __future__ import annotations

import itertools
import math
import random
import statistics

import numpy as np
import pytest

from backtests.domain.deflated import (
    deflated_sharpe,
    expected_best,
    overfitting,
    probabilistic_sharpe,
)
from backtests.domain.ratios import Undefined

DAILY = 1 / math.sqrt(250)


def test_the_example_of_the_deflated_sharpe_ratio_paper() -> None:
    # Annual ratio 2.5 on 1,250 daily returns, skewness -3, kurtosis 10, 100 tries whose annual ratios vary by 1/2.
    assert expected_best(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
    found = deflated_sharpe(2.5 * DAILY, trials=100, variance=0.5 / 250, count=1_250, skewness=-3, kurtosis=10)
    assert found == pytest.approx(0.9004, abs=5e-5)
    # With 46 tries it would have passed at 95 %.
    assert deflated_sharpe(
        2.5 * DAILY, trials=46, variance=0.5 / 250, count=1_250, skewness=-3, kurtosis=10
    ) == pytest.approx(0.9505, abs=5e-5)


def test_without_a_benchmark_a_normal_ratio_is_a_z_test() -> None:
    # 0.1 a day over 101 days: z = 0.1 * 10 / sqrt(1 + 0.5 * 0.01) = 0.99750..., P = 0.84074
    z = 0.1 * math.sqrt(100) / math.sqrt(1 + 0.5 * 0.1**2)
    assert probabilistic_sharpe(0.1, benchmark=0, count=101) == pytest.approx(statistics.NormalDist().cdf(z))
    assert probabilistic_sharpe(0.1, benchmark=0.1, count=101) == pytest.approx(0.5)


def test_the_expected_best_is_what_a_simulation_finds() -> None:
    chance = np.random.default_rng(3)
    simulated = chance.normal(0, 2, (40_000, 20)).max(axis=1).mean()
    assert expected_best(20, 4.0) == pytest.approx(simulated, rel=0.02)
    assert expected_best(1, 4.0) == 0.0


@pytest.mark.parametrize(("trials", "variance"), [(0, 1.0), (5, -1.0)])
def test_nonsense_is_refused(trials: int, variance: float) -> None:
    with pytest.raises(Undefined):
        expected_best(trials, variance)
    with pytest.raises(Undefined):
        probabilistic_sharpe(0.1, benchmark=0, count=1)


def plain_pbo(columns: list[list[float]], blocks: int) -> float:
    """The share of halvings whose best in sample is in the lower half out of sample, one at a time."""
    size = len(columns[0]) // blocks
    parts = [[column[b * size : (b + 1) * size] for b in range(blocks)] for column in columns]

    def ratio(column: int, chosen: tuple[int, ...]) -> float:
        values = [v for b in chosen for v in parts[column][b]]
        return statistics.fmean(values) / statistics.pstdev(values)

    below = total = 0
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        rest = tuple(b for b in range(blocks) if b not in chosen)
        best = max(range(len(columns)), key=lambda c: ratio(c, chosen))
        scores = [ratio(c, rest) for c in range(len(columns))]
        place = sorted(scores).index(scores[best]) + 1
        below += place / (len(columns) + 1) <= 0.5
        total += 1
    return below / total


@pytest.mark.parametrize("seed", range(4))
def test_overfitting_equals_a_plain_count(seed: int) -> None:
    chance = random.Random(seed)
    columns = [[chance.gauss(0.001 * c, 0.02) for _ in range(61)] for c in range(5)]
    found = overfitting(list(zip(*columns, strict=True)), blocks=6)
    assert found.splits == 20
    assert found.probability == pytest.approx(plain_pbo([column[:60] for column in columns], 6))


def test_skill_is_not_overfitted_and_a_coin_is() -> None:
    chance = np.random.default_rng(1)
    skilled = chance.normal(0, 0.01, (400, 12))
    skilled[:, 7] += 0.01
    assert overfitting(skilled, blocks=8).probability == 0.0
    assert overfitting(chance.normal(0, 0.01, (400, 40)), blocks=8).probability > 0.2


def test_a_set_without_variance_is_never_the_best() -> None:
    chance = np.random.default_rng(2)
    table = chance.normal(0.02, 0.01, (80, 3))
    table[:, 1] = 0.5
    assert overfitting(table, blocks=4).slope is not None


@pytest.mark.parametrize(("rows", "columns", "blocks"), [(100, 1, 10), (100, 3, 7), (15, 3, 10)])
def test_too_little_to_halve_is_refused(rows: int, columns: int, blocks: int) -> None:
    with pytest.raises(Undefined):
        overfitting(np.ones((rows, columns)), blocks=blocks)
