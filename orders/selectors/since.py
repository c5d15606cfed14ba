"""What happened since a reader last looked: own fills by origin. Upper stages pull; nothing calls them.

Within one account fills get their ids under the account's lock, so a cursor per origin misses none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, Usd, micro_from_decimal
from orders.models import Fill

_WINDOW = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginFill:
    """One fill of an order that `origin_id` wanted. Millionths."""

    fill_id: int
    order_id: int
    origin_id: int
    outcome_id: int
    side: Side
    price: Price
    size: Shares
    fee: Usd
    at: datetime


def fills_mark() -> tuple[int, int]:
    """Return a mark that moves whenever a fill is added, also one that commits after a later id.

    The newest id alone would not do: two accounts fill at the same time and commit in any order.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(max(id), 0), count(*) FROM orders_fill"
            " WHERE id > (SELECT COALESCE(max(id), 0) - %s FROM orders_fill)",
            [_WINDOW],
        )
        newest, count = cursor.fetchone()
    return int(newest), int(count)


def origins_filled_since(fill_id: int, *, kind: str = "strategy") -> set[int]:
    """Return whose orders were filled after `fill_id`."""
    rows = Fill.objects.filter(pk__gt=fill_id, order__origin_kind=kind)
    return set(rows.values_list("order__origin_id", flat=True).distinct())


def fills_since(cursors: Iterable[tuple[int, int]], *, kind: str = "strategy") -> dict[int, list[OriginFill]]:
    """Return, for each (origin id, last fill id seen), the fills that came after, oldest first."""
    seen = dict(cursors)
    if not seen:
        return {}
    rows = (
        Fill.objects.filter(
            order__origin_kind=kind, order__origin_id__in=list(seen), pk__gt=min(seen.values()), voided=False
        )
        .order_by("pk")
        .values_list("pk", "order_id", "order__origin_id", "outcome_id", "side", "price", "size", "fee", "venue_at")
    )
    found: dict[int, list[OriginFill]] = {}
    for pk, order_id, origin_id, outcome_id, side, price, size, fee, at in rows:
        if pk <= seen[origin_id]:
            continue
        found.setdefault(origin_id, []).append(
            OriginFill(
                fill_id=pk,
                order_id=order_id,
                origin_id=origin_id,
                outcome_id=outcome_id,
                side=Side(side),
                price=Price(micro_from_decimal(price)),
                size=Shares(micro_from_decimal(size)),
                fee=Usd(micro_from_decimal(fee)),
                at=at,
            )
        )
    return found
