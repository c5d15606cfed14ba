"""The one door through which an order changes its state.

Every step is checked against `lifecycle.TRANSITIONS`, done by a conditional update, gives
back what an ended order no longer needs, and writes its event in the same transaction.
Locks are taken in one order everywhere: kill switch, account, order, position, journal.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F

from alerts.domain.events import Severity
from alerts.selectors.statements import Select
from alerts.services.journal import event_record
from alerts.services.statements import rows_update
from orders.domain.lifecycle import LATE_FILL, TERMINAL, VOID, OrderState, check_transition
from orders.models import Account, Order, Position
from orders.services.accounts import account_lock
from orders.services.plan_states import plan_wake

_LOCKED = Select(Order, "WHERE account_id = %s AND id = ANY(%s) ORDER BY id FOR NO KEY UPDATE")

_KIND = {
    OrderState.DENIED: "order.refused",
    OrderState.RESERVED: "order.approved",
    OrderState.SIGNED: "order.signed",
    OrderState.ABANDONED: "order.abandoned",
    OrderState.SENDING: "order.submitted",
    OrderState.LIVE: "order.live",
    OrderState.MATCHED: "order.matched",
    OrderState.DELAYED: "order.delayed",
    OrderState.REJECTED: "order.rejected",
    OrderState.UNKNOWN: "order.unknown",
    OrderState.FILLED: "order.filled",
    OrderState.CANCELED: "order.canceled",
    OrderState.EXPIRED: "order.expired",
    OrderState.QUARANTINED: "order.quarantined",
}
_SEVERITY = {
    OrderState.REJECTED: Severity.WARNING,
    OrderState.UNKNOWN: Severity.WARNING,
    OrderState.QUARANTINED: Severity.CRITICAL,
}


class StateConflict(RuntimeError):
    """The order changed under us although it was locked: nothing was written."""


def order_lock(order_id: int) -> Order:
    """Return the order, locked after its account; `order.account` is the locked account."""
    account_id = Order.objects.values_list("account_id", flat=True).get(pk=order_id)
    account = account_lock(account_id)
    (order,) = _LOCKED.rows(account_id, [order_id])
    order.account = account
    return order


def orders_lock(account_id: int, order_ids: Iterable[int]) -> list[Order]:
    """Return the account's orders among `order_ids`, locked after it and in the order of their ids."""
    account = account_lock(account_id)
    orders = _LOCKED.rows(account_id, list(order_ids))
    for order in orders:
        order.account = account
    return orders


def order_advance(
    order: Order,
    to: OrderState,
    *,
    now: datetime,
    reason: str = "",
    actor: str = "",
    journal: bool = True,
    kind: str = "",
    word: str = "",
    severity: Severity | None = None,
    payload: dict[str, Any] | None = None,
    **fields: Any,
) -> None:
    """Move a locked order to `to`, storing `fields` with it. Raises TransitionError for a step not in the table.

    `journal=False` is for the caller whose own event says the same (a fill that completes an order).
    `kind`, `word` and `severity` replace those of the state in the event.
    """
    before = OrderState(order.state)
    if (before, to) not in LATE_FILL | VOID:
        check_transition(before, to)
    changes: dict[str, Any] = {"state": to, **fields}
    if reason:
        changes["state_reason"] = reason[:300]
    if to in TERMINAL:
        changes |= {"ended_at": now, "lease_until": None}
        changes["reserved"] = reservation_release(order, keep=Decimal(0))
    if not _changed(order.pk, before, changes):
        raise StateConflict(f"order {order.pk} is no longer {before}")
    for name, value in changes.items():
        setattr(order, name, value)
    if to in TERMINAL:
        plan_wake(order.plan_id, now)
    if journal:
        order_event(
            order,
            kind or _KIND[to],
            _sentence(order, word or _WORD[to], reason),
            severity=severity or _SEVERITY.get(to, Severity.INFO),
            actor=actor,
            now=now,
            payload={"before": before.value, "after": to.value, "reason": reason} | (payload or {}),
        )


def _changed(order_id: int, before: OrderState, changes: dict[str, Any]) -> bool:
    """Make the conditional step; return whether the order was still `before`."""
    if any(hasattr(value, "resolve_expression") for value in changes.values()):
        return bool(Order.objects.filter(pk=order_id, state=before).update(**changes))
    return bool(rows_update(Order, changes, pk=order_id, state=before))


def reservation_release(order: Order, *, keep: Decimal) -> Decimal:
    """Give back all of the order's reservation but `keep`; return what stays reserved.

    The caller stores the returned value in `order.reserved` in the same transaction.
    """
    freed = order.reserved - keep
    if freed <= 0:
        return order.reserved
    if order.side == "buy":
        Account.objects.filter(pk=order.account_id).update(reserved_cash=F("reserved_cash") - freed)
    else:
        Position.objects.filter(account_id=order.account_id, outcome_id=order.outcome_id).update(
            reserved_size=F("reserved_size") - freed
        )
    return keep


def order_event(
    order: Order,
    kind: str,
    message: str,
    *,
    now: datetime,
    severity: Severity = Severity.INFO,
    actor: str = "",
    payload: dict[str, Any] | None = None,
) -> int:
    """Write one event about `order` to its account's stream."""
    return event_record(
        kind,
        message,
        severity=severity,
        stream=f"account:{order.account_id}",
        account_id=order.account_id,
        subject_kind="order",
        subject_id=str(order.pk),
        subject_label=order_label(order),
        actor=actor,
        payload={
            "order_id": order.pk,
            "client_key": str(order.client_key),
            "market_id": order.market_id,
            "outcome_id": order.outcome_id,
            "environment": order.account.environment,
            "side": order.side,
            "price": plain(order.price),
            "size": plain(order.size),
            "filled": plain(order.filled_size),
            "origin_kind": order.origin_kind,
            "origin_id": order.origin_id,
            "origin": order.origin_label,
        }
        | (payload or {}),
        now=now,
    )


def order_label(order: Order) -> str:
    return f"{order.side} {plain(order.size)} at {plain(order.price)}"


def plain(value: Decimal) -> str:
    """Return a Decimal without trailing zeros and without an exponent."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _sentence(order: Order, word: str, reason: str) -> str:
    text = f"order {order.pk} ({order_label(order)}) {word}"
    return f"{text}: {reason}" if reason else text


_WORD = {
    OrderState.DENIED: "was refused",
    OrderState.RESERVED: "was approved",
    OrderState.SIGNED: "was signed",
    OrderState.ABANDONED: "was dropped before it was sent",
    OrderState.SENDING: "was submitted",
    OrderState.LIVE: "rests at the venue",
    OrderState.MATCHED: "was matched",
    OrderState.DELAYED: "is held by the venue",
    OrderState.REJECTED: "was rejected by the venue",
    OrderState.UNKNOWN: "has an unknown outcome and keeps its reservation",
    OrderState.FILLED: "is filled",
    OrderState.CANCELED: "was cancelled",
    OrderState.EXPIRED: "expired",
    OrderState.QUARANTINED: "is quarantined: a person must decide",
}
