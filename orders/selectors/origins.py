"""What one origin (a strategy) traded, outcome by outcome, from its own fills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import F, Q, Sum

from alerts.selectors.statements import rows_read
from markets.domain.units import micro_from_decimal
from orders.models import Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginTrades:
    """Sums over one origin's fills of one outcome, in millionths; `day_…` only those since a moment."""

    outcome_id: int
    bought: int
    bought_cost: int
    sold: int
    sold_proceeds: int
    fees: int
    day_bought: int
    day_bought_cost: int
    day_sold: int
    day_sold_proceeds: int
    day_fees: int
    payout: int | None


_ANY = """
SELECT 1 FROM orders_fill AS f JOIN orders_order AS o ON o.id = f.order_id
WHERE f.account_id = %s AND NOT f.voided
  AND (o.origin_kind, o.origin_id) IN (SELECT * FROM unnest(%s::text[], %s::bigint[])) LIMIT 1
"""


def origin_trades(
    account_id: int, origins: Iterable[tuple[str, int]], *, since: datetime
) -> dict[tuple[str, int], list[OriginTrades]]:
    """Return, for each origin, its sums per outcome. Voided fills are left out."""
    wanted = list(origins)
    if not wanted:
        return {}
    kinds, ids = [kind for kind, _ in wanted], [origin_id for _, origin_id in wanted]
    if not rows_read(_ANY, account_id, kinds, ids):
        return {origin: [] for origin in wanted}
    which = Q()
    for kind, origin_id in wanted:
        which |= Q(order__origin_kind=kind, order__origin_id=origin_id)
    buy, sell, day = Q(side="buy"), Q(side="sell"), Q(venue_at__gte=since)
    notional = F("price") * F("size")
    sums_by_outcome = (
        Fill.objects.filter(which, account_id=account_id, voided=False)
        .values("order__origin_kind", "order__origin_id", "outcome_id", "outcome__payout")
        .annotate(
            bought=Sum("size", filter=buy),
            bought_cost=Sum(notional, filter=buy),
            sold=Sum("size", filter=sell),
            sold_proceeds=Sum(notional, filter=sell),
            fees=Sum("fee"),
            day_bought=Sum("size", filter=buy & day),
            day_bought_cost=Sum(notional, filter=buy & day),
            day_sold=Sum("size", filter=sell & day),
            day_sold_proceeds=Sum(notional, filter=sell & day),
            day_fees=Sum("fee", filter=day),
        )
    )
    found: dict[tuple[str, int], list[OriginTrades]] = {origin: [] for origin in wanted}
    for row in sums_by_outcome:
        payout = row.pop("outcome__payout")
        origin = (row.pop("order__origin_kind"), row.pop("order__origin_id"))
        outcome_id = row.pop("outcome_id")
        sums = {name: _micro(value) for name, value in row.items()}
        found[origin].append(
            OriginTrades(outcome_id=outcome_id, payout=None if payout is None else micro_from_decimal(payout), **sums)
        )
    return found


def _micro(value: Decimal | None) -> int:
    # A price times a size may have digits below one millionth; a sum for a budget is rounded.
    return 0 if value is None else int((value * 1_000_000).to_integral_value())
