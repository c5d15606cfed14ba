"""The house's opinion is fair: no step of it can be expected to go up or down."""

from __future__ import annotations

import random
from statistics import fmean, stdev

import pytest

from polybot.sandbox.invention import invent
from polybot.sandbox.opinion import FURTHEST, Living

NOW = 1_760_000_000_000


def living(*, exclusive: bool, z: list[float]) -> Living:
    invention = invent(1, 0, 0, NOW)
    return Living(
        slot=0,
        generation=0,
        event=invention.event,
        markets=invention.markets,
        z=list(z),
        exclusive=exclusive,
        together=False,
        weight=1.0,
        fair_game=True,
        touched_ms=[float(NOW)] * len(z),
    )


@pytest.mark.parametrize("z", [-4.9, -2.0, -0.5, 0.0, 1.5, 4.9])
@pytest.mark.parametrize("how", ["news", "drift"])
def test_a_step_changes_nothing_on_average(z: float, how: str) -> None:
    rng = random.Random(f"{z}{how}")
    changes: list[float] = []
    for _ in range(4_000):
        event = living(exclusive=False, z=[z])
        before = event.fair(0)
        if how == "news":
            event.jump(0, rng)
        else:
            event.drift(0, NOW + 50_000, rng, seed=1)
        changes.append(event.fair(0) - before)
    assert stdev(changes) > 0
    assert abs(fmean(changes)) < 4 * stdev(changes) / len(changes) ** 0.5


def test_among_exclusive_outcomes_every_probability_is_fair_and_they_sum_to_one() -> None:
    rng = random.Random(5)
    shifts: list[list[float]] = []
    for _ in range(4_000):
        event = living(exclusive=True, z=[-9.2, -1.0, 0.2])
        before = [event.fair(i) for i in range(3)]
        event.jump(rng.randrange(3), rng)
        after = [event.fair(i) for i in range(3)]
        assert sum(after) == pytest.approx(1)
        shifts.append([b - a for a, b in zip(before, after, strict=True)])
    for column in zip(*shifts, strict=True):
        assert abs(fmean(column)) < 4 * stdev(column) / len(column) ** 0.5


def test_news_never_passes_the_furthest_opinion() -> None:
    event, rng = living(exclusive=False, z=[FURTHEST - 0.05]), random.Random(1)
    for _ in range(500):
        event.jump(0, rng)
        assert abs(event.z[0]) <= FURTHEST
