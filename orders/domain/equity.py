"""What an account is worth: cash plus its positions at the prices others would pay.

A position counts at the middle of a fresh book, at the bid where nobody asks, and at
cost where there is no fresh mark at all; those are counted, so that a page can say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from markets.domain.units import Usd, notional_down
from orders.domain.ledger import Position


class HasPrices(Protocol):
    """The part of `markets.domain.views.Mark` that valuation needs."""

    @property
    def bid(self) -> int | None: ...
    @property
    def mid(self) -> int | None: ...
    @property
    def fresh(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    positions_value: Usd
    cost: Usd
    unmarked: int

    @property
    def unrealized(self) -> Usd:
        return Usd(self.positions_value - self.cost)


def mark_price(mark: HasPrices | None) -> int | None:
    """Return the price a position is valued at, or None when no fresh mark says."""
    if mark is None or not mark.fresh:
        return None
    return mark.mid if mark.mid is not None else mark.bid


def position_value(position: Position, mark: HasPrices | None) -> Usd:
    price = mark_price(mark)
    return position.cost if price is None else notional_down(price, position.size)


def value_positions(positions: Iterable[Position], marks: Mapping[int, HasPrices]) -> Valuation:
    """Return value, cost and the number of positions that no fresh mark prices."""
    value = cost = unmarked = 0
    for position in positions:
        mark = marks.get(position.outcome_id)
        value += position_value(position, mark)
        cost += position.cost
        unmarked += mark_price(mark) is None
    return Valuation(positions_value=Usd(value), cost=Usd(cost), unmarked=unmarked)


def day_start(now: datetime) -> datetime:
    """Return the last midnight UTC: daily loss and daily profit count from there."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
