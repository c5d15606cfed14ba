"""The figures of small backtests, worked out by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from backtests.domain.metrics import metrics_of
from backtests.domain.pnl_split import UnbalancedResult
from backtests.domain.result import EQUITY, ORDER, BacktestResult, Holding, OrderEnd
from markets.domain.tape import BID
from markets.domain.units import ONE
from tests.backtests.reports import CAPITAL, DAY_NS, START, fill_row, result_make

DAY_S = 86_400


def days_make(*values: int) -> BacktestResult:
    """Equity in dollars at the end of successive days, in cash, explained by one winning or losing round."""
    points = [((i + 1) * DAY_S - 60, value * ONE) for i, value in enumerate(values)]
    change = values[-1] * ONE - CAPITAL
    bought, sold = 100 * ONE, 100 * ONE + change
    fills = [fill_row(10, price=50, size=200), fill_row(20, buy=False, price=50, size=200)]
    rows = result_make(fills).fills
    rows["cash"] = (-bought, sold)
    return result_make([tuple(row) for row in rows.tolist()], equity=points)


def test_returns_and_ratios_over_four_days() -> None:
    # 1000 -> 1010 -> 1000 -> 1020 -> 1015
    result = days_make(1_010, 1_000, 1_020, 1_015)
    figures = metrics_of(result)
    returns = [10 / 1000, -10 / 1010, 20 / 1000, -5 / 1020]
    mean = sum(returns) / 4
    spread = math.sqrt(sum((r - mean) ** 2 for r in returns) / 3)
    down = math.sqrt(sum(min(r, 0) ** 2 for r in returns) / 4)
    assert figures.profit == 15 * ONE
    assert figures.total_return == pytest.approx(0.015)
    assert figures.sharpe == pytest.approx(mean / spread * math.sqrt(365))
    assert figures.sortino == pytest.approx(mean / down * math.sqrt(365))
    assert figures.max_drawdown == pytest.approx(10 / 1010)
    assert figures.max_drawdown_amount == 10 * ONE
    assert figures.drawdown_s == 2 * DAY_S  # the peak of day one is passed at the end of day three
    assert figures.recovered is True
    elapsed = 4 - 60 / DAY_S
    yearly = 1.015 ** (365 / elapsed) - 1
    assert figures.annual_return == pytest.approx(yearly)
    assert figures.calmar == pytest.approx(yearly / (10 / 1010))
    assert figures.days == 4


def test_a_drawdown_that_never_recovers_lasts_until_the_end() -> None:
    figures = metrics_of(days_make(1_100, 990, 1_050))
    assert figures.max_drawdown == pytest.approx(0.1)
    assert figures.recovered is False
    assert figures.drawdown_s == 2 * DAY_S


def test_one_day_has_no_ratio_and_says_why() -> None:
    figures = metrics_of(days_make(1_010))
    assert figures.sharpe is None and figures.reasons["sharpe"] == "less than two days of data"
    assert figures.annual_return is None and figures.calmar is None and figures.sortino is None
    assert figures.max_drawdown is None and figures.reasons["max_drawdown"] == "equity never fell below its peak"


def test_equal_days_have_no_variance() -> None:
    figures = metrics_of(days_make(1_000, 1_000, 1_000))
    assert figures.sharpe is None and figures.reasons["sharpe"].startswith("no variance")
    assert figures.sortino is None and figures.reasons["sortino"] == "no losing day"


def test_nothing_traded_leaves_every_trade_figure_unknown() -> None:
    figures = metrics_of(result_make(equity=[(60, CAPITAL)]))
    assert figures.profit == 0
    for name in ("win_rate", "profit_factor", "expectancy", "best", "holding_median_s", "holding_mean_s", "fill_ratio"):
        assert getattr(figures, name) is None
        assert figures.reasons[name]


def test_no_point_at_all() -> None:
    figures = metrics_of(result_make())
    assert figures.days == 0 and figures.sharpe is None and figures.exposure_mean == 0.0


def test_days_without_data_are_left_out_and_counted() -> None:
    result = result_make(equity=[(60, CAPITAL), (5 * DAY_S, CAPITAL + ONE), (6 * DAY_S + 60, CAPITAL)])
    figures = metrics_of(result)
    assert (figures.days, figures.days_missing) == (3, 4)
    assert figures.span_s == 2 * DAY_S + 60


def test_a_point_at_midnight_ends_its_day_and_makes_no_other() -> None:
    # A day from its first to its last nanosecond, with points at both ends; then two days later a day that begins so.
    result = result_make(equity=[(0, CAPITAL), (600, CAPITAL + ONE), (DAY_S, CAPITAL + 3 * ONE)])
    figures = metrics_of(result)
    assert (figures.days, figures.days_missing) == (1, 0)
    result = result_make(equity=[(0, CAPITAL), (DAY_S, CAPITAL + ONE), (3 * DAY_S, CAPITAL), (3 * DAY_S + 60, CAPITAL)])
    figures = metrics_of(result)
    assert (figures.days, figures.days_missing) == (2, 2)


def test_closed_positions_by_hand() -> None:
    fills = [
        # Yes of market 0: 10 at 40 and 10 at 50 ¢, sold at 60 ¢ with 0.10 $ fee: -4 - 5 + 12 - 0.1 = +2.9
        fill_row(0, price=40, size=10),
        fill_row(60, price=50, size=10),
        fill_row(120, buy=False, price=60, size=20, fee=100_000, taker=True),
        # Yes again: 10 at 60, sold at 55: -0.5
        fill_row(200, price=60, size=10),
        fill_row(260, buy=False, price=55, size=10, inferred=True),
        # No of market 1: 10 at 30 ¢ settled at 1 $: +7
        fill_row(300, price=30, size=10, market=1, outcome=1),
        # No of market 0: bought and kept
        fill_row(400, price=20, size=5, outcome=1),
    ]
    settled = [(START + 900 * 10**9, 1, 1, 10 * ONE, ONE, 10 * ONE, 7 * ONE)]
    held = Holding(market=0, outcome=1, size=5 * ONE, cost=ONE, realized=0, fees=0, mark=220_000)
    result = result_make(fills, settlements=settled, holdings=(held,), markets=2, equity=[(1_000, CAPITAL + 95 * ONE // 10)])  # fmt: skip  # noqa: E501
    figures = metrics_of(result)
    assert figures.closed == 3
    assert figures.win_rate == pytest.approx(2 / 3)
    assert figures.profit_factor == pytest.approx((2.9 + 7) / 0.5)
    assert figures.expectancy == pytest.approx((2_900_000 - 500_000 + 7_000_000) / 3)
    assert (figures.best, figures.worst) == (7 * ONE, -500_000)
    assert figures.holding_median_s == 120  # of 120, 60 and 600 seconds
    # share-seconds: 10*60 + 20*60 + 10*60 + 10*600 + 5*600 = 11,400 over 45 bought
    assert figures.holding_mean_s == pytest.approx(11_400 / 45)
    assert figures.turnover == 4 * ONE + 5 * ONE + 12 * ONE + 6 * ONE + 5_500_000 + 3 * ONE + ONE
    # 2.9 - 0.5 + 7 and the open one from 1 $ to 1.10 $
    assert figures.profit == 9_500_000
    assert (figures.fees, figures.fills, figures.taker_fills, figures.inferred_fills) == (100_000, 7, 1, 1)


def test_exposure_is_weighted_by_time() -> None:
    points = np.zeros(3, EQUITY)
    points["at_ns"] = START + np.array([25, 75, 100]) * DAY_NS // 100
    points["cash"] = CAPITAL
    points["exposure"] = (400 * ONE, 0, 0)
    result = dataclasses.replace(result_make(), equity=points)
    figures = metrics_of(result)
    assert figures.exposure_mean == pytest.approx(0.4 * 0.5)  # 40 % of the capital for half of the time
    assert figures.invested == pytest.approx(0.5)
    assert figures.exposure_max == pytest.approx(0.4)


def test_the_fill_ratio_counts_shares_and_orders() -> None:
    orders = np.zeros(4, ORDER)
    orders["size"], orders["filled"] = 10 * ONE, (10 * ONE, 5 * ONE, 0, 0)
    orders["side"], orders["state"] = BID, OrderEnd.CANCELED
    figures = metrics_of(result_make(orders=orders))
    assert figures.fill_ratio == pytest.approx(15 / 40)
    assert figures.orders_filled == pytest.approx(0.5)


def test_cash_that_nothing_explains_is_refused() -> None:
    result = result_make([fill_row(0, price=40, size=10)])
    with pytest.raises(UnbalancedResult, match="differs by 1 millionths"):
        metrics_of(dataclasses.replace(result, cash=result.cash + 1))
    with pytest.raises(UnbalancedResult, match="fees"):
        metrics_of(dataclasses.replace(result, fees=5))
