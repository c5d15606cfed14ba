"""The orders of one run of one strategy with their fills, oldest first, as values in millionths."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from markets.domain.units import micro_from_decimal
from orders.models import Account, Fill, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """`fills` are (price, size, fee, role); voided ones are left out."""

    order_id: int
    key: str
    outcome_id: int
    side: str
    price: int
    size: int
    state: str
    created_at: datetime
    fills: tuple[tuple[int, int, int, str], ...]


def run_orders(run_id: int, *, most: int = 2_000) -> list[RunOrder]:
    """Return the first `most` orders of a strategy's run."""
    rows = list(Order.objects.filter(origin_kind="strategy", origin_run_id=run_id).order_by("id")[:most])
    fills: dict[int, list[tuple[int, int, int, str]]] = {}
    for fill in Fill.objects.filter(order_id__in=[row.pk for row in rows]).exclude(voided=True).order_by("id"):
        legs = (micro_from_decimal(fill.price), micro_from_decimal(fill.size), micro_from_decimal(fill.fee), fill.role)
        fills.setdefault(fill.order_id, []).append(legs)
    return [
        RunOrder(
            order_id=row.pk,
            key=str(row.client_key),
            outcome_id=row.outcome_id,
            side=row.side,
            price=micro_from_decimal(row.price),
            size=micro_from_decimal(row.size),
            state=row.state,
            created_at=row.created_at,
            fills=tuple(fills.get(row.pk, ())),
        )
        for row in rows
    ]


def cash_before_trading(account_id: int, at: datetime) -> int | None:
    """Return what the account opened with, in millionths; None when it had traded before `at`."""
    account = Account.objects.get(pk=account_id)
    if Fill.objects.filter(order__account_id=account_id, recorded_at__lt=at).exists():
        return None
    return micro_from_decimal(account.opening_cash)
