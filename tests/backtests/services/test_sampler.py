"""TPE through optuna: repeatable, never the same point twice, and better than chance on a plain hill."""

from __future__ import annotations

from statistics import fmean

from backtests.domain.search.space import Assignment, Space, space_of
from backtests.services.sampler import tpe_next
from strategies.library.market_making import MarketMakingParameters

SPACE = space_of(MarketMakingParameters, {"half_spread": ("0.001", "0.05", "0.001"), "size": ("10", "200", "10")})
SMALL = space_of(MarketMakingParameters, {"levels": ("1", "2", "1"), "fair_value": ("mid", "microprice")})


def hill(assignment: Assignment) -> float:
    spread, size = (float(value) for value in assignment)
    return -(((spread - 0.02) / 0.05) ** 2) - ((size - 120) / 200) ** 2


def climb(space: Space, count: int, seed: int) -> list[tuple[Assignment, float | None]]:
    tried: list[tuple[Assignment, float | None]] = []
    for _ in range(count):
        point = tpe_next(space, tried, seed=seed)
        assert point is not None
        tried.append((point, hill(point)))
    return tried


def test_the_same_trials_give_the_same_next_point_and_no_point_comes_twice() -> None:
    first = climb(SPACE, 30, seed=5)
    assert first == climb(SPACE, 30, seed=5) != climb(SPACE, 30, seed=6)
    assert len({point for point, _ in first}) == 30


def test_it_looks_where_it_is_high() -> None:
    values = [value for _, value in climb(SPACE, 40, seed=2) if value is not None]
    assert fmean(values[-15:]) > fmean(values[:10])


def test_a_space_is_exhausted_and_failures_are_told() -> None:
    tried: list[tuple[Assignment, float | None]] = []
    while (point := tpe_next(SMALL, tried, seed=1)) is not None:
        tried.append((point, None))
    assert len({point for point, _ in tried}) == len(tried) == SMALL.size == 4
