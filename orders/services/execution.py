"""Sending orders and asking for their end. What the venue answers arrives as evidence, never as a return value.

Paper: submitting is one committed step to SENDING with a lease; the fills process picks the order up there.
Sandbox and live: `orders.services.submission` signs, claims and sends, in the trader alone; elsewhere the
row waits for it. After the lease anybody may call the order UNKNOWN, nobody may send it again from SENDING.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet

from alerts.selectors.statements import rows_read
from orders.domain.lifecycle import OPEN, Environment, OrderState
from orders.models import Order
from orders.services.kill import killed_for_share
from orders.services.plan_states import plans_stop
from orders.services.states import order_advance, order_event, order_label, order_lock
from orders.services.submission import senders
from orders.services.submission.obstacles import READ_ONLY_MODES, standing
from orders.services.submission.stages import Clock, running_clock

log = logging.getLogger(__name__)

LEASE_S = 20
_WHERE_TO = """
SELECT o.id, o.account_id, a.environment FROM orders_order AS o JOIN orders_account AS a ON a.id = o.account_id
WHERE o.id = ANY(%s) ORDER BY o.id
"""
_UNSENT = frozenset({OrderState.RESERVED, OrderState.SIGNED})


def order_submit(order_id: int, now: datetime, *, clock: Clock | None = None) -> bool:
    """Send the order if it still may be sent; return whether it left. Safe to call any number of times.

    Reads the kill switch first and holds it, then the account, then the order. An order
    that may not leave any more is ABANDONED with the reason and gives its money back.
    """
    return orders_submit([order_id], now, clock=clock) == 1


def orders_submit(order_ids: Sequence[int], now: datetime, *, clock: Clock | None = None) -> int:
    """Send orders that were decided together; return how many left or were taken over by a sender."""
    paper: list[int] = []
    live: dict[int, list[int]] = {}
    for pk, account_id, environment in rows_read(_WHERE_TO, list(order_ids)):
        if environment == Environment.PAPER:
            paper.append(pk)
        else:
            live.setdefault(account_id, []).append(pk)
    clock = clock or running_clock(now)
    left = sum(_paper_submit(order_id, now) for order_id in paper)
    return left + sum(len(senders.orders_send(account_id, ids, clock)) for account_id, ids in live.items())


def _paper_submit(order_id: int, now: datetime) -> bool:
    with transaction.atomic():
        killed = killed_for_share()
        order = order_lock(order_id)
        if order.state not in _UNSENT:
            return False
        if reason := standing(order, killed=killed, now=now):
            order_advance(order, OrderState.ABANDONED, now=now, reason=reason)
            return False
        order_advance(
            order,
            OrderState.SENDING,
            now=now,
            sent_at=now,
            lease_until=now + timedelta(seconds=LEASE_S),
            attempts=F("attempts") + 1,
        )
    log.info("order submitted", extra={"order": order_id, "account": order.account_id})
    return True


def order_cancel_request(order_id: int, reason: str, by: str, now: datetime) -> bool:
    """Ask for the order's end; return whether anything changed. A cancel is a request: fills may still come (V8).

    After the commit the trader sends it; the request stands on the row, so no message has to arrive.
    """
    with transaction.atomic():
        order = order_lock(order_id)
        if not _cancel_note(order, reason, by, now):
            return False
        if order.account.environment != Environment.PAPER and order.state not in _UNSENT:
            account_id = order.account_id
            transaction.on_commit(lambda: _cancels_send(account_id, [order_id], now))
    return True


def _cancel_note(order: Order, reason: str, by: str, now: datetime) -> bool:
    state = OrderState(order.state)
    if state not in OPEN or order.cancel_requested_at is not None:
        return False
    if state in _UNSENT or state is OrderState.NEW:
        order_advance(
            order,
            OrderState.ABANDONED if state in _UNSENT else OrderState.DENIED,
            now=now,
            reason=reason,
            actor=by,
            cancel_requested_at=now,
            cancel_reason=reason[:120],
        )
        return True
    if not Order.objects.filter(pk=order.pk, cancel_requested_at=None, state=state).update(
        cancel_requested_at=now, cancel_reason=reason[:120]
    ):
        return False
    order.cancel_requested_at, order.cancel_reason = now, reason[:120]
    order_event(
        order,
        "order.cancel_requested",
        f"order {order.pk} ({order_label(order)}): cancel requested: {reason}",
        actor=by,
        now=now,
        payload={"reason": reason},
    )
    return True


def _cancels_send(account_id: int, order_ids: Sequence[int], now: datetime) -> None:
    """Hand wanted cancels to the senders. Whatever goes wrong here, the sweep sends them."""
    try:
        senders.cancels_send(account_id, order_ids, running_clock(now))
    except Exception:
        log.exception("cancels left to the sweep", extra={"account": account_id, "orders": len(order_ids)})


def cancel_all(account_id: int, reason: str, by: str, now: datetime) -> int:
    """Ask for the end of every open order of the account; return how many were asked now.

    One transaction per order: a thousand orders hold nobody up, and a failure stops none of the others.
    Plans end first, so that none places its next order behind the cancels.
    """
    plans_stop(account_id, reason, by, now)
    return _cancel_many(Order.objects.filter(account_id=account_id), reason, by, now)


def cancel_market(account_id: int, market_id: int, reason: str, by: str, now: datetime) -> int:
    """Like `cancel_all`, for the orders and plans in one market."""
    plans_stop(account_id, reason, by, now, market_id=market_id)
    return _cancel_many(Order.objects.filter(account_id=account_id, market_id=market_id), reason, by, now)


def cancel_origin(
    account_id: int,
    *,
    origin_kind: str,
    origin_id: int,
    reason: str,
    by: str,
    now: datetime,
    quotes_only: bool = False,
) -> int:
    """Like `cancel_all`, for the orders of one origin; `quotes_only` leaves one-shot orders alone."""
    if not quotes_only:
        plans_stop(account_id, reason, by, now, origin=(origin_kind, origin_id))
    rows = Order.objects.filter(account_id=account_id, origin_kind=origin_kind, origin_id=origin_id)
    return _cancel_many(rows.filter(level__gte=0) if quotes_only else rows, reason, by, now)


def _cancel_many(rows: QuerySet[Order], reason: str, by: str, now: datetime) -> int:
    """Ask for the end of all open ones of `rows`; those of one live account leave in one request."""
    open_rows = rows.filter(state__in=OPEN, cancel_requested_at=None).order_by("pk")
    asked = 0
    sent: dict[int, list[int]] = {}
    for order_id in list(open_rows.values_list("pk", flat=True)):
        with transaction.atomic():
            order = order_lock(order_id)
            if not _cancel_note(order, reason, by, now):
                continue
        asked += 1
        if order.account.environment != Environment.PAPER and order.state not in _UNSENT | {OrderState.ABANDONED}:
            sent.setdefault(order.account_id, []).append(order_id)
    for account_id, ids in sent.items():
        transaction.on_commit(lambda account_id=account_id, ids=ids: _cancels_send(account_id, ids, now))
    return asked


__all__ = [
    "LEASE_S",
    "READ_ONLY_MODES",
    "cancel_all",
    "cancel_market",
    "cancel_origin",
    "order_cancel_request",
    "order_submit",
    "orders_submit",
]
