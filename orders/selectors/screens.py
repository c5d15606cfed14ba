"""What the desk's pages read of accounts, orders, fills and positions: querysets and plain values.

Amounts are Decimals as the database keeps them. Nothing here sums over two accounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from orders.domain.lifecycle import OPEN, OrderState
from orders.models import (
    Discrepancy,
    Fill,
    KillSwitch,
    LedgerEntry,
    Order,
    PaperOrder,
    PnlSnapshot,
    Position,
    ReconcileRun,
)

OPEN_STATES = tuple(sorted(OPEN))
CHART_POINTS = 300
_ZERO = Decimal(0)

# What a filter chip on the orders page means.
ORDER_FILTERS: dict[str, tuple[str, ...]] = {
    "open": tuple(s for s in OPEN_STATES if s not in (OrderState.UNKNOWN, OrderState.QUARANTINED)),
    "filled": (OrderState.FILLED,),
    "canceled": (OrderState.CANCELED, OrderState.EXPIRED, OrderState.ABANDONED),
    "refused": (OrderState.REJECTED, OrderState.DENIED),
    "unknown": (OrderState.UNKNOWN, OrderState.QUARANTINED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    killed: bool
    reason: str
    by: str
    at: datetime | None
    empty_reads: int


def kill_switch() -> Switch:
    row = KillSwitch.objects.filter(pk=1).first()
    if row is None:
        return Switch(killed=True, reason="the switch is missing: run migrate", by="", at=None, empty_reads=0)
    return Switch(killed=row.killed, reason=row.reason, by=row.by, at=row.at, empty_reads=row.empty_reads)


def open_order_totals(account_id: int) -> tuple[int, Decimal]:
    """Return how many of the account's orders may still trade, and the dollars of what is left of them."""
    worth = Sum((F("size") - F("filled_size")) * F("price"))
    found = Order.objects.filter(account_id=account_id, state__in=OPEN_STATES).aggregate(
        count=Count("id"), worth=Coalesce(worth, _ZERO)
    )
    return found["count"], found["worth"]


def open_order_count() -> int:
    """Return how many orders of any account may still trade: the kill switch stops them all."""
    return Order.objects.filter(state__in=OPEN_STATES).count()


def order_rows(
    account_id: int,
    *,
    states: Sequence[str] = (),
    text: str = "",
    since: datetime | None = None,
    origin: tuple[str, int] | None = None,
    market_id: int | None = None,
    outcome_ids: Iterable[int] | None = None,
) -> QuerySet[Order]:
    """Return an account's orders with market and outcome names and the fees paid so far, newest first."""
    rows = Order.objects.filter(account_id=account_id).select_related("market", "outcome", "market__event")
    if states:
        rows = rows.filter(state__in=states)
    if text:
        rows = rows.filter(
            Q(market__question__icontains=text) | Q(origin_label__icontains=text) | Q(outcome__label__icontains=text)
        )
    if since is not None:
        rows = rows.filter(Q(created_at__gte=since) | Q(state__in=OPEN_STATES))
    if origin is not None:
        rows = rows.filter(origin_kind=origin[0], origin_id=origin[1])
    if market_id is not None:
        rows = rows.filter(market_id=market_id)
    if outcome_ids is not None:
        rows = rows.filter(outcome_id__in=list(outcome_ids))
    fees = Coalesce(Sum("fills__fee", filter=Q(fills__voided=False)), _ZERO)
    return rows.annotate(fee_paid=fees).order_by("-id")


def order_counts(account_id: int, *, since: datetime | None = None) -> dict[str, int]:
    """Return how many orders each filter of the orders page would show."""
    rows = Order.objects.filter(account_id=account_id)
    if since is not None:
        rows = rows.filter(Q(created_at__gte=since) | Q(state__in=OPEN_STATES))
    by_state = dict(rows.values_list("state").annotate(n=Count("id")))
    return {name: sum(by_state.get(state, 0) for state in states) for name, states in ORDER_FILTERS.items()}


def open_orders(account_id: int, *, outcome_ids: Iterable[int] | None = None) -> list[Order]:
    return list(order_rows(account_id, states=OPEN_STATES, outcome_ids=outcome_ids))


def queues(orders: Iterable[Order]) -> dict[int, Decimal]:
    """Return the shares estimated to trade before each resting paper order, by order id."""
    by_venue = {order.venue_order_id: order.pk for order in orders if order.venue_order_id}
    rows = PaperOrder.objects.filter(venue_order_id__in=by_venue, state=PaperOrder.State.LIVE)
    return {by_venue[venue_id]: ahead for venue_id, ahead in rows.values_list("venue_order_id", "queue_ahead")}


def fill_rows(
    account_id: int, *, outcome_ids: Iterable[int] | None = None, since: datetime | None = None
) -> QuerySet[Fill]:
    rows = Fill.objects.filter(account_id=account_id, voided=False).select_related(
        "order", "outcome", "outcome__market"
    )
    if outcome_ids is not None:
        rows = rows.filter(outcome_id__in=list(outcome_ids))
    if since is not None:
        rows = rows.filter(venue_at__gte=since)
    return rows.order_by("-id")


def fill_counts(account_id: int, *, since: datetime, origin: tuple[str, int] | None = None) -> tuple[int, int]:
    """Return (orders with at least one fill, orders filled in part only) among those created since then."""
    rows = Order.objects.filter(account_id=account_id, created_at__gte=since, filled_size__gt=0)
    if origin is not None:
        rows = rows.filter(origin_kind=origin[0], origin_id=origin[1])
    return rows.count(), rows.exclude(state=OrderState.FILLED).count()


def order_count(account_id: int, *, since: datetime, origin: tuple[str, int] | None = None) -> int:
    rows = Order.objects.filter(account_id=account_id, created_at__gte=since)
    if origin is not None:
        rows = rows.filter(origin_kind=origin[0], origin_id=origin[1])
    return rows.count()


def ledger_sums(account_id: int) -> dict[str, Decimal]:
    """Return each asset's sum over all books; every one is zero in a ledger that balances."""
    rows = LedgerEntry.objects.filter(account_id=account_id).values_list("asset").annotate(total=Sum("amount"))
    return {asset: total for asset, total in rows if total}


def position_rows(account_id: int, *, outcome_ids: Iterable[int] | None = None) -> QuerySet[Position]:
    rows = Position.objects.filter(account_id=account_id, size__gt=0)
    if outcome_ids is not None:
        rows = rows.filter(outcome_id__in=list(outcome_ids))
    return rows.select_related("outcome", "outcome__market", "outcome__market__event").order_by("id")


def closed_position_rows(account_id: int) -> QuerySet[Position]:
    """Return outcomes once held and no longer, with what they brought."""
    rows = Position.objects.filter(account_id=account_id, size=0).exclude(realized=0, fees=0)
    return rows.select_related("outcome", "outcome__market", "outcome__market__event").order_by("-updated_at")


def equity_series(account_id: int, *, since: datetime | None) -> list[tuple[datetime, Decimal]]:
    """Return equity over time, thinned to about CHART_POINTS, oldest first; the last point always stays."""
    rows = PnlSnapshot.objects.filter(account_id=account_id)
    if since is not None:
        rows = rows.filter(at__gte=since)
    points = list(rows.order_by("at").values_list("at", "equity"))
    step = max(1, len(points) // CHART_POINTS)
    return points[:-1:step] + points[-1:]


def reconcile_runs(account_id: int, *, limit: int = 20) -> list[ReconcileRun]:
    rows = ReconcileRun.objects.filter(account_id=account_id).annotate(differences=Count("discrepancies"))
    return list(rows.order_by("-id")[:limit])


def discrepancies(account_id: int, *, limit: int = 50) -> list[Discrepancy]:
    rows = Discrepancy.objects.filter(run__account_id=account_id).select_related("run")
    return list(rows.order_by("-id")[:limit])
