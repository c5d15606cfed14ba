"""The curves of a report as plain lists, few enough points for a page: equity, prices, bands, distributions.

Times are whole seconds after the report's start, dollars and cents are floats rounded for a picture: pictures carry no
money, the tables beside them do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from backtests.domain.curves import Curve, Days, below_peak, curve_of
from backtests.domain.decimation import decimated
from backtests.domain.mids import UNKNOWN
from backtests.domain.pnl_split import worth
from backtests.domain.recorded import Key, Recorded
from backtests.domain.resampling import Resampled
from backtests.domain.result import BacktestResult, OrderEnd
from markets.domain.tape import BID

EQUITY_POINTS = 500
BAND_POINTS = 200
ALLOCATION_POINTS = 200
PRICE_POINTS = 240
PRICE_MARKS = 120  # fills and orders drawn per outcome
PICTURES = 6  # outcomes whose price is drawn: those that were traded most
DAYS = 400
BINS = 24


def equity_series(curve: Curve) -> dict[str, Any]:
    """Return time, equity in dollars and drawdown in percent; ends, peaks, troughs and the deepest point are kept."""
    fall = below_peak(curve)
    rows = decimated(curve.value, limit=EQUITY_POINTS, keep=(int(np.argmax(fall)),))
    return {
        "t": _seconds(curve.at_ns[rows], int(curve.at_ns[0])),
        "equity": _rounded(curve.value[rows] / 1e6, 2),
        "drawdown": _rounded(-100 * fall[rows], 3),
        "of": len(curve.value),
    }


def allocation_series(curve: Curve) -> dict[str, Any]:
    """Return the cost of what was held as a percentage of equity."""
    share = np.zeros(len(curve.value))
    np.divide(100.0 * curve.exposure, curve.value, out=share, where=curve.value > 0)
    rows = decimated(share, limit=ALLOCATION_POINTS)
    return {"t": _seconds(curve.at_ns[rows], int(curve.at_ns[0])), "invested": _rounded(share[rows], 2)}


def band_series(bands: Mapping[str, BacktestResult], start_ns: int) -> dict[str, dict[str, Any]]:
    found = {}
    for name, result in bands.items():
        curve = curve_of(result)
        rows = decimated(curve.value, limit=BAND_POINTS)
        found[name] = {"t": _seconds(curve.at_ns[rows], start_ns), "equity": _rounded(curve.value[rows] / 1e6, 2)}
    return found


def price_series(result: BacktestResult, recorded: Recorded, start_ns: int) -> list[dict[str, Any]]:
    """Return middle, position, fills and unfilled orders of the outcomes with the largest turnover."""
    return [_price(result, recorded, key, start_ns) for key in _most_traded(result)[:PICTURES]]


def _most_traded(result: BacktestResult) -> list[Key]:
    fills = result.fills
    code = fills["market"].astype(np.int64) * 256 + fills["outcome"]
    keys, back = np.unique(code, return_inverse=True)
    dollars = np.zeros(len(keys))
    np.add.at(dollars, back, worth(fills["price"], fills["size"]) / 1e6)
    return [divmod(int(keys[i]), 256) for i in np.argsort(-dollars, kind="stable")]


def _price(result: BacktestResult, recorded: Recorded, key: Key, start_ns: int) -> dict[str, Any]:
    fills = result.fills[(result.fills["market"] == key[0]) & (result.fills["outcome"] == key[1])]
    orders = result.orders[(result.orders["market"] == key[0]) & (result.orders["outcome"] == key[1])]
    orders = orders[(orders["filled"] == 0) & (orders["arrived_ns"] > 0) & (orders["state"] != OrderEnd.REJECTED)]
    ended = np.where(orders["ended_ns"] > 0, orders["ended_ns"], result.end_ns)
    shown, ours = _spread_out(len(fills)), _spread_out(len(orders))
    drawn = fills[shown]
    picture: dict[str, Any] = {
        "market": key[0],
        "outcome": key[1],
        "fills": {
            "t": _seconds(drawn["at_ns"], start_ns),
            "price": _rounded(drawn["price"] / 1e4, 2),
            "size": _rounded(drawn["size"] / 1e6, 2),
            "bought": (drawn["side"] == BID).astype(int).tolist(),
            "of": len(fills),
        },
        "orders": {
            "from": _seconds(orders["arrived_ns"][ours], start_ns),
            "to": _seconds(ended[ours], start_ns),
            "price": _rounded(orders["price"][ours] / 1e4, 2),
            "bid": (orders["side"][ours] == BID).astype(int).tolist(),
            "of": len(orders),
        },
    }
    grid = recorded.grids.get(key)
    if grid is not None:
        # Unknown stretches must stay visible as gaps: the last known value stands in while extremes are looked for.
        known = np.where(grid.mid == UNKNOWN, np.nan, grid.mid / 1e4)
        filled = np.nan_to_num(known, nan=float(np.nanmean(known)) if not np.isnan(known).all() else 0.0)
        edges = np.flatnonzero(np.diff(np.isnan(known)))
        rows = decimated(filled, limit=PRICE_POINTS, keep=tuple(int(e) for e in edges[:40]))
        picture |= {
            "t": _seconds(grid.at_ns[rows], start_ns),
            "mid": [None if np.isnan(v) else round(float(v), 2) for v in known[rows]],
            "held": _rounded(grid.held[rows] / 1e6, 2),
        }
    return picture


def _spread_out(count: int) -> npt.NDArray[np.int64]:
    """Return at most PRICE_MARKS row numbers, evenly spaced, both ends included."""
    return np.unique(np.linspace(0, count - 1, min(count, PRICE_MARKS)).round().astype(np.int64))


def daily_series(days: Days) -> dict[str, Any]:
    """Return the newest days: number since 1970, profit in dollars, return in percent."""
    return {
        "day": days.day[-DAYS:].tolist(),
        "profit": _rounded(days.profit[-DAYS:] / 1e6, 2),
        "returns": _rounded(100 * days.returns[-DAYS:], 4),
        "of": len(days.day),
    }


def histogram(values: npt.NDArray[Any], *, places: int) -> dict[str, Any] | None:
    """Return counts over equal stretches between the lowest and the highest value; None for fewer than two values."""
    if len(values) < 2:
        return None
    counts, edges = np.histogram(values, bins=min(BINS, max(4, int(np.sqrt(len(values))))))
    return {"counts": counts.tolist(), "edges": _rounded(edges, places), "of": len(values)}


def luck_series(luck: Resampled | None) -> dict[str, Any] | None:
    return None if luck is None else histogram(luck.profits / 1e6, places=2)


def _seconds(at_ns: npt.NDArray[Any], start_ns: int) -> list[int]:
    whole: list[int] = ((at_ns - start_ns) // 10**9).tolist()
    return whole


def _rounded(values: npt.NDArray[Any], places: int) -> list[float]:
    floats: list[float] = np.round(values.astype(np.float64), places).tolist()
    return floats
