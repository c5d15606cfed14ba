"""Positions with their marks: what is held, what it is worth, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from markets.domain.views import Mark
from orders.domain.equity import mark_price
from polybot.dashboard.numbers import micro
from polybot.dashboard.places import Place, place_of

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One position. `mark` is None without a fresh price; `value` is then the cost, and the page says so."""

    outcome_id: int
    market: Any
    place: Place
    outcome: str
    size: Decimal
    confirmed: Decimal
    reserved: Decimal
    average: Decimal | None
    cost: Decimal
    mark: Decimal | None
    last: Decimal | None
    marked_at: datetime | None
    is_fresh: bool
    value: Decimal
    profit: Decimal
    realized: Decimal
    fees: Decimal
    tick: Decimal


def holdings_of(rows: Iterable[Any], marks: Mapping[int, Mark]) -> list[Holding]:
    return [_holding(row, marks.get(row.outcome_id)) for row in rows]


def _holding(row: Any, mark: Mark | None) -> Holding:
    price = micro(mark_price(mark))
    value = row.cost if price is None else (price * row.size).quantize(Decimal("0.000001"))
    market = row.outcome.market
    last = None
    if mark is not None:
        last = micro(mark.mid if mark.mid is not None else mark.last)
    return Holding(
        outcome_id=row.outcome_id,
        market=market,
        place=place_of(market, row.outcome),
        outcome=row.outcome.label,
        size=row.size,
        confirmed=row.confirmed_size,
        reserved=row.reserved_size,
        average=row.cost / row.size if row.size else None,
        cost=row.cost,
        mark=price,
        last=last,
        marked_at=datetime.fromtimestamp(mark.at_ms / 1000, tz=UTC) if mark and mark.at_ms else None,
        is_fresh=price is not None,
        value=value,
        profit=value - row.cost,
        realized=row.realized,
        fees=row.fees,
        tick=market.tick,
    )


def total(holdings: Iterable[Holding], name: str) -> Decimal:
    return sum((getattr(holding, name) for holding in holdings), _ZERO)
