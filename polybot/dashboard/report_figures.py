"""A report's figures with their names, units and tones: one list for the page, the bands and the comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from polybot.dashboard import numbers

_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure in words. `reason` says why there is none; `how` how it is made."""

    key: str
    label: str
    text: str
    unit: str = ""
    tone: str = ""
    reason: str = ""
    how: str = ""

    @classmethod
    def of(cls, figures: Mapping[str, Any], key: str) -> Figure:
        label, write, how = _SPECS[key]
        value = figures.get(key)
        if value is None:
            reason = figures.get("reasons", {}).get(key, "unknown")
            return cls(key=key, label=label, text=numbers.NONE, tone="dim", reason=reason, how=how)
        text, unit, tone = write(value)
        return cls(key=key, label=label, text=text, unit=unit, tone=tone, how=how)


Written = tuple[str, str, str]  # text, unit, tone


def _signed_money(value: Any) -> Written:
    amount = Decimal(str(value))
    return numbers.signed(amount, unit="$"), "", numbers.tone(amount)


def _money(value: Any) -> Written:
    return numbers.money(Decimal(str(value))), "", ""


def _big(value: Any) -> Written:
    return numbers.big_money(Decimal(str(value))), "", ""


def _signed_share(value: Any) -> Written:
    percent = Decimal(str(value)) * 100
    if abs(percent) >= 100_000:
        return numbers.signed(percent, places=0), "%", numbers.tone(percent)
    return numbers.signed(percent), "%", numbers.tone(percent)


def _share(value: Any) -> Written:
    return f"{value * 100:,.1f}", "%", ""


def _fine_share(value: Any) -> Written:
    return f"{value * 100:,.2f}", "%", ""


def _ratio(value: Any) -> Written:
    return numbers.signed(Decimal(str(value))).removeprefix("+"), "", ""


def _times(value: Any) -> Written:
    return f"{value:,.2f}", "×", ""


def _count(value: Any) -> Written:
    return f"{value:,}", "", ""


def _duration(value: Any) -> Written:
    if value >= 10 * _DAY_S:
        return f"{value / _DAY_S:,.0f}", "d", ""
    if value >= 2 * _DAY_S:
        return f"{value / _DAY_S:.1f}", "d", ""
    return numbers.age(value), "", ""


def _yes(value: Any) -> Written:
    return "yes" if value else "no", "", ""


_SPECS: dict[str, tuple[str, Callable[[Any], Written], str]] = {
    "profit": ("Net profit", _signed_money, "cash and what is held at its last bid, less the capital"),
    "total_return": ("Return", _signed_share, "net profit of the capital"),
    "annual_return": ("Return a year", _signed_share, "the return compounded to 365 days"),
    "sharpe": ("Sharpe", _ratio, "mean daily return / its standard deviation × √365"),
    "sortino": ("Sortino", _ratio, "mean daily return / root mean square of losing days × √365"),
    "calmar": ("Calmar", _ratio, "return a year / worst drawdown"),
    "max_drawdown": ("Drawdown", _fine_share, "deepest fall from a peak of equity"),
    "max_drawdown_amount": ("Drawdown", _money, "deepest fall from a peak of equity"),
    "drawdown_s": ("Its length", _duration, "from the peak until it was reached again, or to the end"),
    "recovered": ("Recovered", _yes, "whether the peak before the deepest fall was reached again"),
    "longest_drawdown_s": ("Longest below a peak", _duration, ""),
    "days": ("Days", _count, "UTC days with data"),
    "closed": ("Closed positions", _count, "from the first share until none is held, by sale or settlement"),
    "win_rate": ("Win rate", _share, "closed positions with a positive net profit"),
    "profit_factor": ("Profit factor", _ratio, "gains / losses of closed positions"),
    "expectancy": ("Expectancy", _signed_money, "mean net profit of a closed position"),
    "best": ("Best position", _signed_money, ""),
    "worst": ("Worst position", _signed_money, ""),
    "holding_median_s": ("Median hold", _duration, "of closed positions"),
    "holding_mean_s": ("A share was held", _duration, "mean over all shares bought"),
    "exposure_mean": ("Invested, mean", _share, "cost of what was held, of the capital, over time"),
    "exposure_max": ("Invested, most", _share, "of the capital"),
    "invested": ("Time invested", _share, "share of the time with anything held"),
    "turnover": ("Turnover", _big, "dollars traded"),
    "turnover_ratio": ("Turnover of capital", _times, "dollars traded / capital"),
    "fees": ("Fees", _money, ""),
    "rebates": ("Rebates, est.", _money, ""),
    "fills": ("Fills", _count, ""),
    "taker_fills": ("As taker", _count, "fills"),
    "inferred_fills": ("By inferred trades", _count, "fills"),
    "orders": ("Orders", _count, "placed"),
    "fill_ratio": ("Filled", _share, "shares filled of shares ordered"),
    "orders_filled": ("Orders with a fill", _share, ""),
}
_FIRST = (
    "profit", "total_return", "sharpe", "sortino", "calmar", "max_drawdown", "profit_factor", "win_rate",
    "holding_median_s", "turnover",
)  # fmt: skip
COMPARED = tuple(key for key in _SPECS if key not in ("recovered", "max_drawdown_amount"))


def figures_first(figures: Mapping[str, Any]) -> list[Figure]:
    """Return the ten figures of the report's first row."""
    return [Figure.of(figures, key) for key in _FIRST]


def figures_all(figures: Mapping[str, Any]) -> list[Figure]:
    """Return every other figure."""
    return [Figure.of(figures, key) for key in _SPECS if key not in _FIRST]
