"""A backtest's profit by market, tag, category, hour of day, day and month. Amounts are millionths, times UTC.

Markets, and months, days and hours, add up to the whole; tags overlap, because a market has several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from backtests.domain.curves import DAY_NS, Curve, Days, below_peak
from backtests.domain.pnl_split import Split, worth
from backtests.domain.result import BacktestResult

_HOUR_NS = 3_600 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One market, tag, category or hour. `split` is all zero for hours, where only the profit is known."""

    name: str
    profit: int
    fills: int
    traded: int  # dollars
    fees: int
    split: Split = field(default_factory=Split)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One month. `drawdown` is the deepest share below a peak of the whole run so far."""

    name: str  # 2025-06
    days: int
    profit: int
    share: float  # of the equity it began with
    fills: int
    fees: int
    drawdown: float


def by_market(result: BacktestResult, splits: Sequence[Split]) -> tuple[Part, ...]:
    """Return one part per market, named by its position; rebates belong to none of them."""
    fills = result.fills
    count = len(result.markets)
    number = np.bincount(fills["market"], minlength=count)
    traded = np.zeros(count, np.int64)
    np.add.at(traded, fills["market"], worth(fills["price"], fills["size"]))
    return tuple(
        Part(
            name=str(i), profit=splits[i].total, fills=int(number[i]), traded=int(traded[i]), fees=-splits[i].fees,
            split=splits[i],
        )
        for i in range(count)
    )  # fmt: skip


def by_label(result: BacktestResult, parts: Sequence[Part], labels: Callable[[int], Sequence[str]]) -> tuple[Part, ...]:
    """Return the sums of markets per label, by profit. `labels` gives those of a market's position."""
    groups: dict[str, list[Part]] = {}
    for i, part in enumerate(parts):
        for label in labels(i):
            groups.setdefault(label, []).append(part)
    summed = (_sum(label, group) for label, group in groups.items())
    return tuple(sorted(summed, key=lambda part: (-part.profit, part.name)))


def _sum(name: str, parts: Sequence[Part]) -> Part:
    names = ("spread", "slippage", "move", "settlement", "fees")
    return Part(
        name=name,
        profit=sum(part.profit for part in parts),
        fills=sum(part.fills for part in parts),
        traded=sum(part.traded for part in parts),
        fees=sum(part.fees for part in parts),
        split=Split(**{key: sum(getattr(part.split, key) for part in parts) for key in names}),
    )


def by_hour(result: BacktestResult, curve: Curve) -> tuple[Part, ...]:
    """Return 24 parts: what equity changed in each hour of the day, at the point where the change shows."""
    hour = curve.at_ns[1:] % DAY_NS // _HOUR_NS
    profit = np.zeros(24, np.int64)
    np.add.at(profit, hour, np.diff(curve.value))
    fills = result.fills
    filled = fills["at_ns"] % DAY_NS // _HOUR_NS
    number = np.bincount(filled, minlength=24)
    traded, fees = np.zeros(24, np.int64), np.zeros(24, np.int64)
    np.add.at(traded, filled, worth(fills["price"], fills["size"]))
    np.add.at(fees, filled, fills["fee"])
    return tuple(
        Part(name=f"{h:02d}", profit=int(profit[h]), fills=int(number[h]), traded=int(traded[h]), fees=int(fees[h]))
        for h in range(24)
    )


def by_month(result: BacktestResult, curve: Curve, days: Days) -> tuple[Period, ...]:
    """Return the months with data, oldest first."""
    months = [day_name(int(day))[:7] for day in days.day]
    fall = below_peak(curve)
    # A fill at the midnight that ends the data belongs to the last day, as the equity after it does.
    filled = np.minimum(result.fills["at_ns"] // DAY_NS, days.day[-1] if len(days.day) else 0)
    found = []
    for name in dict.fromkeys(months):
        rows = [i for i, month in enumerate(months) if month == name]
        first, last = int(days.day[rows[0]]), int(days.day[rows[-1]])
        points = (curve.at_ns >= first * DAY_NS) & (curve.at_ns < (last + 1) * DAY_NS)
        ours = (filled >= first) & (filled <= last)
        profit = int(days.profit[rows].sum())
        began = int(days.value[rows[0]]) - int(days.profit[rows[0]])
        found.append(
            Period(
                name=name, days=len(rows), profit=profit, share=profit / began if began > 0 else -1.0,
                fills=int(ours.sum()), fees=int(result.fills["fee"][ours].sum()),
                drawdown=float(fall[points].max(initial=0.0)),
            )
        )  # fmt: skip
    return tuple(found)


def day_name(day: int) -> str:
    """Return a day counted from 1970 as 2025-06-25."""
    return datetime.fromtimestamp(day * 86_400, tz=UTC).strftime("%Y-%m-%d")
