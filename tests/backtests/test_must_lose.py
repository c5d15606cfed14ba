"""A few fair markets through the whole path: recorded, imported, replayed, and nothing is given away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.backtests.must_lose import Outcome, fair


def test_who_knows_nothing_wins_nothing(backtest_folder: Path, settings: Any) -> None:
    outcomes = fair(backtest_folder, markets=16, seed=3)
    assert [outcome.strategy for outcome in outcomes] == ["random_entry", "longshots"]
    assert len(outcomes[0].profits) >= 8 and outcomes[0].mean_fee > 0
    for outcome in outcomes:
        assert outcome.loses, outcome.words()


def test_a_replay_that_gives_something_away_would_be_noticed() -> None:
    rng = np.random.default_rng(1)
    honest = Outcome(strategy="x", markets=200, profits=tuple(rng.normal(-0.5, 3, 200)), fees=(0.5,) * 200)
    generous = Outcome(strategy="x", markets=200, profits=tuple(rng.normal(0.8, 3, 200)), fees=(0.5,) * 200)
    assert honest.loses and not generous.loses
    assert honest.interval[0] < np.mean(honest.profits) < honest.interval[1]
