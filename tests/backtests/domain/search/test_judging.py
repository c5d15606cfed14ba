"""Profit by parts of the time sums to the whole; objectives rank, and say when they have no value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.domain.ratios import Undefined
from backtests.domain.result import EQUITY, FILL, ORDER, SETTLEMENT, BacktestResult, Funnel
from backtests.domain.search.heatmap import heat_maps
from backtests.domain.search.judging import bins_of, judged
from backtests.domain.search.space import space_of
from strategies.library.market_making import MarketMakingParameters


def result(points: list[tuple[int, int]], *, capital: int = 1_000) -> BacktestResult:
    """Return a result whose equity is `points` of (time, value)."""
    equity = np.zeros(len(points), EQUITY)
    for row, (at, value) in zip(equity, points, strict=True):
        row["at_ns"], row["cash"] = at, value
    nothing: dict[str, Any] = {"orders": ORDER, "fills": FILL, "settlements": SETTLEMENT}
    return BacktestResult(
        markets=(),
        fidelity=(),
        capital=capital,
        start_ns=0,
        end_ns=points[-1][0] if points else 0,
        equity=equity,
        holdings=(),
        cash=points[-1][1] if points else capital,
        fees=0,
        rebates=0,
        funnel=Funnel(),
        events=0,
        **{name: np.zeros(0, dtype) for name, dtype in nothing.items()},
    )


def test_bins_hold_the_change_of_their_part() -> None:
    curve = [(10, 1_005), (24, 1_001), (25, 1_011), (60, 1_000), (99, 990)]
    assert bins_of(result(curve), start_ns=0, end_ns=100, count=4) == (1, 10, -11, -10)
    assert bins_of(result([(5, 1_100)]), start_ns=0, end_ns=100, count=4) == (100, 0, 0, 0)
    assert bins_of(result([]), start_ns=0, end_ns=100, count=2) == (0, 0)
    with pytest.raises(ValueError, match="empty"):
        bins_of(result([]), start_ns=5, end_ns=5)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(-(10**12), 10**12)), max_size=30), st.integers(1, 50))
def test_bins_sum_to_the_whole_profit(points: list[tuple[int, int]], count: int) -> None:
    points.sort(key=lambda point: point[0])
    made = result(points)
    bins = bins_of(made, start_ns=0, end_ns=150, count=count)
    assert len(bins) == count
    assert sum(bins) == (points[-1][1] if points else made.capital) - made.capital


def test_objectives() -> None:
    bins = (3_000_000, -1_000_000, 2_000_000)
    assert judged("profit", bins) == 4.0
    assert judged("profit_to_drawdown", bins) == 4.0
    assert judged("steadiness", bins) == pytest.approx((4 / 3) / 2.0816659994661 * 3**0.5)
    for objective, flat in (("steadiness", (5, 5, 5)), ("profit_to_drawdown", (1, 0, 2))):
        with pytest.raises(Undefined):
            judged(objective, flat)
    with pytest.raises(KeyError):
        judged("luck", bins)


def test_heat_maps_show_pairs_of_what_was_varied() -> None:
    space = space_of(
        MarketMakingParameters,
        {"half_spread": ("0.01", "0.02", "0.01"), "levels": ("1", "3", "1"), "size": ("10", "10", "1")},
    )
    found = [
        (("0.01", "1", "10"), 2.0),
        (("0.01", "1", "10"), 4.0),
        (("0.01", "1", "10"), 9.0),
        (("0.02", "3", "10"), -1.0),
    ]
    (only,) = heat_maps(space, found)
    assert (only.rows.path, only.columns.path) == ("half_spread", "levels")
    assert {at: (cell.best, cell.middle, cell.trials) for at, cell in only.cells.items()} == {
        (0, 0): (9.0, 4.0, 3),
        (1, 2): (-1.0, -1.0, 1),
    }
