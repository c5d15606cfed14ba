"""The whole-fill loop: a queue worked out by hand, and the compiled loop against its own source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtests.domain.kernel import compiled, whole_fills
from strategies.library.touch_maker import touch_quotes

MS = 10**6
STEP, FEED, ORDER = 100 * MS, 5 * MS, 20 * MS
BUY, SELL = 1, 0
DEPTH, TRADE = 0, 1


def _run(loop: Any, rows: list[tuple[int, int, int, int, int]], numbers: list[list[float]]) -> Any:
    """Replay (ms, kind, side, tick, size) rows; return looks, best prices and the lanes."""
    times, kinds, sides, ticks, sizes = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    lanes = np.zeros((whole_fills.ROWS, len(numbers)), np.int64)
    whole_fills.lanes_clear(lanes)
    memory = np.tile(np.array([-1.0, 0.0]), (len(numbers), 1))
    clock, order_sizes = np.zeros(3, np.int64), np.full(len(numbers), 1_000, np.int64)
    loop(
        times * MS, kinds, sides, ticks, sizes, np.zeros(101, np.int64), np.zeros(101, np.int64), clock, lanes, memory,
        np.array(numbers), order_sizes, STEP, FEED, ORDER, np.zeros(2, np.int64), memory[0].copy(),
        np.array(numbers[0]),
    )  # fmt: skip
    return clock, lanes


def _numbers(half: float = 0.0, skew: float = 0.0, smoothing: float = 1.0) -> list[float]:
    return [half, skew, smoothing, 1_000.0, 5_000.0, 1.0, 1.0]


def test_an_order_fills_whole_once_a_trade_eats_more_than_its_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_fills, "quote", touch_quotes)
    book = [(0, DEPTH, BUY, 48, 700), (0, DEPTH, SELL, 52, 900)]
    # Our bid arrives at 120 ms behind 700. A sale of 700 only empties the queue; one of 1 more is ours, whole.
    trades = [(150, TRADE, SELL, 48, 700), (250, TRADE, SELL, 48, 1)]
    clock, lanes = _run(whole_fills.replay, [*book, trades[0], (900, DEPTH, BUY, 40, 5)], [_numbers()])
    assert lanes[whole_fills.POSITION, 0] == 0
    clock, lanes = _run(whole_fills.replay, [*book, *trades, (900, DEPTH, BUY, 40, 5)], [_numbers()])
    assert (lanes[whole_fills.POSITION, 0], lanes[whole_fills.CASH, 0]) == (1_000, -48_000)
    assert clock.tolist() == [8, 48, 52]


def test_the_compiled_loop_does_what_its_source_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(whole_fills, "quote", touch_quotes)
    monkeypatch.setattr(compiled, "_folder", [tmp_path])
    rng = np.random.default_rng(7)
    rows = [(0, DEPTH, BUY, 48, 5_000), (0, DEPTH, SELL, 52, 5_000)]
    for row in range(1_500):
        side = int(rng.integers(2))
        tick = 50 + int(rng.integers(1, 4)) * (-1 if side == BUY else 1)
        if rng.random() < 0.2:
            rows.append((row * 20, TRADE, 1 - side, tick, int(rng.integers(1, 3_000))))
        else:
            rows.append((row * 20, DEPTH, side, tick, int(rng.integers(1, 5_000))))
    sets = [_numbers(0.5, 0.5, 0.1), _numbers(1.0, 0.25, 0.02), _numbers()]
    clock, lanes = _run(compiled.compiled(whole_fills.replay, {"quote": touch_quotes}), rows, sets)
    plain_clock, plain_lanes = _run(whole_fills.replay, rows, sets)
    assert lanes[whole_fills.FILLS].min() > 5
    assert clock.tolist() == plain_clock.tolist()
    assert lanes.tolist() == plain_lanes.tolist()
    assert list(tmp_path.glob("*/*/*.nbc"))  # kept for the next process
