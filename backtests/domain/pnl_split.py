"""Where the profit came from: pieces in millionths that add up to it exactly.

A fill is compared with the middle m of the book at that moment, s = +1 for a purchase and -1 for a sale:

- spread: what makers' fills got better than the middle, Σ s (m - price) size;
- slippage: the same sum of takers' fills, usually a loss: the price of crossing the spread and of walking the book;
- move: what the middle did while shares were held, up to the middle before the settlement or the mark at the end;
- settlement: payout against that last middle;
- fees paid, and rebates received.

Each piece is rounded once, and the next one starts from the rounded number, so nothing is left over. (It is the split
of implementation shortfall into spread, impact and drift: A. F. Perold, The Implementation Shortfall, 1988.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backtests.domain.mids import UNKNOWN
from backtests.domain.result import BacktestResult, Holding
from markets.domain.tape import BID
from markets.domain.units import ONE

Ints = npt.NDArray[np.int64]


class UnbalancedResult(ValueError):
    """A result whose cash is not explained by its fills, settlements and rebates. Nothing is reported of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Pieces of a profit in millionths of a dollar; costs are negative."""

    spread: int = 0
    slippage: int = 0
    move: int = 0
    settlement: int = 0
    fees: int = 0
    rebates: int = 0

    @property
    def total(self) -> int:
        return self.spread + self.slippage + self.move + self.settlement + self.fees + self.rebates


def worth(price: Any, size: Any) -> Any:
    """Return price times size in millionths, rounded down; in two halves, so that 64 bits are always enough."""
    return price * (size // ONE) + price * (size % ONE) // ONE


def holding_worth(holding: Holding) -> int:
    """Return what is still held at its last bid; at cost where none is known."""
    return holding.cost if holding.mark is None else int(worth(holding.mark, holding.size))


def net_profit(result: BacktestResult) -> int:
    """Return cash plus what is held, less the capital."""
    return result.cash + sum(map(holding_worth, result.holdings)) - result.capital


def balance_check(result: BacktestResult) -> None:
    """Raise UnbalancedResult when cash is not capital + fills + settlements + rebates."""
    explained = result.capital + int(result.fills["cash"].sum()) + int(result.settlements["cash"].sum())
    left = result.cash - explained - result.rebates
    if left:
        raise UnbalancedResult(f"cash differs by {left} millionths from what fills, settlements and rebates changed")
    if (fees := int(result.fills["fee"].sum())) != result.fees:
        raise UnbalancedResult(f"fills paid {fees} millionths of fees, the result says {result.fees}")


def splits_of(result: BacktestResult, before_end: Mapping[tuple[int, int], int]) -> tuple[Split, ...]:
    """Return one split per market, without rebates, which belong to no market.

    `before_end` holds the last middle before the settlement by (market, outcome); where it is missing, the middle at
    the last fill counts, or that fill's price. Raises UnbalancedResult.
    """
    balance_check(result)
    fills = result.fills
    count = len(result.markets)
    sign = np.where(fills["side"] == BID, 1, -1)
    traded = np.abs(fills["cash"] + fills["fee"])  # dollars that changed hands
    at_middle = np.where(fills["mid"] == UNKNOWN, traded, worth(fills["mid"], fills["size"]))
    edge = sign * (at_middle - traded)
    taker = fills["taker"] == 1
    spread, slippage = _by(fills, edge * ~taker, count), _by(fills, edge * taker, count)
    fees = _by(fills, -fills["fee"], count)
    move = _by(fills, -sign * at_middle, count)
    settled = np.zeros(count, np.int64)
    last = _last_middles(fills)
    for row in result.settlements:
        market, key = int(row["market"]), (int(row["market"]), int(row["outcome"]))
        middle = before_end.get(key, last.get(key, UNKNOWN))
        reference = int(row["cash"]) if middle == UNKNOWN else int(worth(middle, int(row["size"])))
        move[market] += reference
        settled[market] += int(row["cash"]) - reference
    for holding in result.holdings:
        move[holding.market] += holding_worth(holding)
    return tuple(
        Split(
            spread=int(spread[i]), slippage=int(slippage[i]), move=int(move[i]), settlement=int(settled[i]),
            fees=int(fees[i]),
        )
        for i in range(count)
    )  # fmt: skip


def whole(result: BacktestResult, parts: tuple[Split, ...]) -> Split:
    """Return the split of the whole result. Raises UnbalancedResult unless it is the net profit to the millionth."""
    names = ("spread", "slippage", "move", "settlement", "fees")
    split = Split(rebates=result.rebates, **{name: sum(getattr(part, name) for part in parts) for name in names})
    if split.total != net_profit(result):
        raise UnbalancedResult(f"pieces add up to {split.total} millionths, the profit is {net_profit(result)}")
    return split


def _by(fills: npt.NDArray[Any], values: Ints, count: int) -> Ints:
    sums = np.zeros(count, np.int64)
    np.add.at(sums, fills["market"], values)
    return sums


def _last_middles(fills: npt.NDArray[Any]) -> dict[tuple[int, int], int]:
    """Return the middle at the last fill of each outcome, its price where the middle was unknown."""
    middle = np.where(fills["mid"] == UNKNOWN, fills["price"], fills["mid"])
    return dict(
        zip(zip(fills["market"].tolist(), fills["outcome"].tolist(), strict=True), middle.tolist(), strict=True)
    )
