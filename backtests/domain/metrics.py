"""The figures of a finished backtest. Formulas and sources: `ratios`, `curves`, `rounds`, `pnl_split`.

Dollars, prices and sizes are millionths and exact; shares of one, ratios and durations are floats. A figure that has
no value is None, and `reasons` says why: one day of data has no Sharpe ratio, and that is not a Sharpe ratio of 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from backtests.domain.curves import DAY_NS, Curve, Drawdown, curve_of, days_of, drawdown_of, mean_over_time
from backtests.domain.pnl_split import balance_check, net_profit, worth
from backtests.domain.ratios import (
    Undefined,
    annualised,
    calmar,
    expectancy,
    profit_factor,
    sharpe,
    sortino,
    win_rate,
)
from backtests.domain.result import BacktestResult
from backtests.domain.rounds import moves_of, rounds_of, share_seconds

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """One backtest in numbers. Amounts: millionths of a dollar. Times: seconds."""

    profit: int  # net: after fees, with rebates, what is held at its last bid
    total_return: float
    annual_return: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float | None  # share of the peak
    max_drawdown_amount: int
    drawdown_s: float | None  # from the peak to its recovery, or to the end
    recovered: bool | None
    longest_drawdown_s: float
    days: int  # with data
    days_missing: int
    span_s: float  # from the first to the last moment, days without data left out
    closed: int  # positions, from flat to flat
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    best: int | None
    worst: int | None
    holding_median_s: float | None  # of closed positions
    holding_mean_s: float | None  # of one share, whether or not its position was closed
    exposure_mean: float  # cost of what was held, as a share of the capital, over time
    exposure_max: float
    invested: float  # share of the time with anything held
    turnover: int  # dollars traded
    turnover_ratio: float  # of the capital
    fees: int
    rebates: int
    fills: int
    taker_fills: int
    inferred_fills: int
    orders: int
    fill_ratio: float | None  # shares filled of shares ordered
    orders_filled: float | None  # share of orders with any fill
    reasons: Mapping[str, str] = field(default_factory=dict)  # figure: why it is None


def metrics_of(result: BacktestResult) -> Metrics:
    """Return the figures of `result`. Raises UnbalancedResult when its cash is not explained by what happened."""
    balance_check(result)
    curve, profit = curve_of(result), net_profit(result)
    days, fall = days_of(curve), drawdown_of(curve)
    moves = moves_of(result)
    rounds = rounds_of(moves)
    nets = rounds["net"]
    reasons: dict[str, str] = {}

    def known(name: str, figure: Callable[[], T]) -> T | None:
        try:
            return figure()
        except Undefined as missing:
            reasons[name] = str(missing)
            return None

    span_ns = max(0, int(curve.at_ns[-1] - curve.at_ns[0]) - days.missing * DAY_NS)
    total = profit / result.capital
    yearly = known("annual_return", lambda: annualised(total, span_ns / DAY_NS))
    if fall is None:
        reasons |= dict.fromkeys(("max_drawdown", "drawdown_s", "recovered"), "equity never fell below its peak")
    if not len(nets):
        reasons |= dict.fromkeys(("best", "worst", "holding_median_s"), "no position was closed")
    held, bought = share_seconds(moves, end_ns=int(curve.at_ns[-1]))
    if not bought:
        reasons["holding_mean_s"] = "nothing was bought"
    fills, orders = result.fills, result.orders
    traded = int(worth(fills["price"], fills["size"]).sum())
    ordered = int(orders["size"].sum())
    if not ordered:
        reasons |= dict.fromkeys(("fill_ratio", "orders_filled"), "no order was placed")
    return Metrics(
        profit=profit,
        total_return=total,
        annual_return=yearly,
        sharpe=known("sharpe", lambda: sharpe(days.returns)),
        sortino=known("sortino", lambda: sortino(days.returns)),
        calmar=known("calmar", lambda: calmar(yearly, fall.share if fall else 0.0)),
        **_drawdown(fall),
        days=len(days.day),
        days_missing=days.missing,
        span_s=span_ns / 1e9,
        closed=len(nets),
        win_rate=known("win_rate", lambda: win_rate(nets)),
        profit_factor=known("profit_factor", lambda: profit_factor(nets)),
        expectancy=known("expectancy", lambda: expectancy(nets)),
        best=int(nets.max()) if len(nets) else None,
        worst=int(nets.min()) if len(nets) else None,
        holding_median_s=_median((rounds["closed_ns"] - rounds["opened_ns"]) / 1e9),
        holding_mean_s=held / bought if bought else None,
        **_exposure(curve, result.capital),
        turnover=traded,
        turnover_ratio=traded / result.capital,
        fees=result.fees,
        rebates=result.rebates,
        fills=len(fills),
        taker_fills=int(fills["taker"].sum()),
        inferred_fills=int(fills["inferred"].sum()),
        orders=len(orders),
        fill_ratio=int(orders["filled"].sum()) / ordered if ordered else None,
        orders_filled=float((orders["filled"] > 0).mean()) if ordered else None,
        reasons=reasons,
    )


def _drawdown(fall: Drawdown | None) -> dict[str, Any]:
    return {
        "max_drawdown": fall.share if fall else None,
        "max_drawdown_amount": fall.amount if fall else 0,
        "drawdown_s": fall.length_ns / 1e9 if fall else None,
        "recovered": fall.recovered_ns is not None if fall else None,
        "longest_drawdown_s": fall.longest_ns / 1e9 if fall else 0.0,
    }


def _exposure(curve: Curve, capital: int) -> dict[str, Any]:
    return {
        "exposure_mean": mean_over_time(curve.at_ns, curve.exposure) / capital,
        "exposure_max": int(curve.exposure.max()) / capital,
        "invested": mean_over_time(curve.at_ns, (curve.exposure > 0).astype(np.int64)),
    }


def _median(values: npt.NDArray[Any]) -> float | None:
    return float(np.median(values)) if len(values) else None
