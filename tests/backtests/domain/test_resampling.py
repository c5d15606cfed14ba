"""Closed positions drawn again: the same seed gives the same draws, and known cases known answers."""

from __future__ import annotations

import numpy as np
import pytest

from backtests.domain import resampling
from backtests.domain.resampling import resampled


def test_equal_positions_leave_no_luck() -> None:
    found = resampled(np.full(10, 3, np.int64), seed=1)
    assert found is not None
    assert found.profit == (30, 30, 30) and found.drawdown == (0, 0, 0) and found.losing == 0.0


def test_only_losses_fall_from_the_start() -> None:
    found = resampled(np.full(4, -5, np.int64), seed=1)
    assert found is not None
    assert found.drawdown == (20, 20, 20) and found.losing == 1.0


def test_quantiles_are_those_of_the_binomial() -> None:
    # 100 positions of +1 or -1 with equal chances: the sum has a standard deviation of 10, 5 % lie below about -16.
    found = resampled(np.array([1, -1] * 50, np.int64), seed=7, draws=1_000)
    assert found is not None
    assert found.profit[0] == pytest.approx(-16, abs=3)
    assert found.profit[1] == pytest.approx(0, abs=2)
    assert found.profit[2] == pytest.approx(16, abs=3)
    assert found.losing == pytest.approx(0.46, abs=0.06)


def test_the_seed_decides_and_the_block_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = np.random.default_rng(0).integers(-100, 120, 500)
    one, other = resampled(nets, seed=5), resampled(nets, seed=6)
    assert one is not None and other is not None
    assert one.profit == resampled(nets, seed=5).profit  # type: ignore[union-attr]
    assert one.profits.tolist() != other.profits.tolist()
    monkeypatch.setattr(resampling, "_BLOCK", 700)
    assert resampled(nets, seed=5).profits.tolist() == one.profits.tolist()  # type: ignore[union-attr]


def test_fewer_than_two_positions_say_nothing() -> None:
    assert resampled(np.array([5], np.int64), seed=1) is None
    assert resampled(np.zeros(0, np.int64), seed=1) is None


def test_very_many_positions_are_drawn_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "_WORK", 10_000)
    found = resampled(np.arange(100, dtype=np.int64), seed=1)
    assert found is not None and found.draws == 200
