"""Sending orders and asking for their end. What the venue answers arrives as evidence, never as a return value.

Submitting is one committed step to SENDING with a lease; after the lease anybody may call the
order UNKNOWN, nobody may send it again. Paper orders are picked up in SENDING by the fills process.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from markets.domain.instruments import Side
from orders.domain.lifecycle import OPEN, Environment, OrderState, TradingState
from orders.models import Order
from orders.services.kill import killed_for_share
from orders.services.plan_states import plans_stop
from orders.services.states import order_advance, order_event, order_label, order_lock

log = logging.getLogger(__name__)

LEASE_S = 20
READ_ONLY_MODES = frozenset({"monitor", "scrape", "backtest"})  # nothing is sent in these
_UNSENT = frozenset({OrderState.RESERVED, OrderState.SIGNED})


def order_submit(order_id: int, now: datetime) -> bool:
    """Send the order if it still may be sent; return whether it left. Safe to call any number of times.

    Reads the kill switch first and holds it, then the account, then the order. An order
    that may not leave any more is ABANDONED with the reason and gives its money back.
    """
    with transaction.atomic():
        killed = killed_for_share()
        order = order_lock(order_id)
        if order.state not in _UNSENT:
            return False
        if reason := _obstacle(order, killed=killed, now=now):
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


def _obstacle(order: Order, *, killed: bool, now: datetime) -> str:
    """Return why the order may not leave now, or nothing."""
    account = order.account
    age_s = (now - order.created_at).total_seconds()
    obstacles = (
        (killed, "the kill switch is set"),
        (
            settings.POLYBOT_MODE in READ_ONLY_MODES,
            f"the desk runs in {settings.POLYBOT_MODE} mode, which sends nothing",
        ),
        (
            account.environment != Environment.PAPER,
            f"this version sends paper orders only, the account is {account.environment}",
        ),
        (account.trading_state == TradingState.HALTED, f"the account is halted: {account.trading_state_reason}"),
        (
            account.trading_state == TradingState.REDUCE_ONLY and order.side == Side.BUY,
            f"the account may only reduce: {account.trading_state_reason}",
        ),
        (order.cancel_requested_at is not None, f"cancelled before it was sent: {order.cancel_reason}"),
        (age_s > order.max_age_s, f"{age_s:.0f} s old, and it may be sent within {order.max_age_s} s"),
    )
    return next((reason for stands, reason in obstacles if stands), "")


@transaction.atomic
def order_cancel_request(order_id: int, reason: str, by: str, now: datetime) -> bool:
    """Ask for the order's end; return whether anything changed. A cancel is a request: fills may still come (V8)."""
    order = order_lock(order_id)
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
    if not Order.objects.filter(pk=order_id, cancel_requested_at=None, state=state).update(
        cancel_requested_at=now, cancel_reason=reason[:120]
    ):
        return False
    order.cancel_requested_at, order.cancel_reason = now, reason[:120]
    order_event(
        order,
        "order.cancel_requested",
        f"order {order_id} ({order_label(order)}): cancel requested: {reason}",
        actor=by,
        now=now,
        payload={"reason": reason},
    )
    return True


def cancel_all(account_id: int, reason: str, by: str, now: datetime) -> int:
    """Ask for the end of every open order of the account; return how many were asked now.

    One transaction per order: a thousand orders hold nobody up, and a failure stops none of the others.
    Plans end first, so that none places its next order behind the cancels.
    """
    plans_stop(account_id, reason, by, now)
    ids = (
        Order.objects.filter(account_id=account_id, state__in=OPEN, cancel_requested_at=None)
        .order_by("id")
        .values_list("pk", flat=True)
    )
    return sum(order_cancel_request(order_id, reason, by, now) for order_id in list(ids))


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
    rows = Order.objects.filter(
        account_id=account_id,
        origin_kind=origin_kind,
        origin_id=origin_id,
        state__in=OPEN,
        cancel_requested_at=None,
    )
    if quotes_only:
        rows = rows.filter(level__gte=0)
    ids = list(rows.order_by("id").values_list("pk", flat=True))
    return sum(order_cancel_request(order_id, reason, by, now) for order_id in ids)


def cancel_market(account_id: int, market_id: int, reason: str, by: str, now: datetime) -> int:
    """Like `cancel_all`, for the orders and plans in one market."""
    plans_stop(account_id, reason, by, now, market_id=market_id)
    rows = Order.objects.filter(account_id=account_id, market_id=market_id, state__in=OPEN, cancel_requested_at=None)
    ids = list(rows.order_by("id").values_list("pk", flat=True))
    return sum(order_cancel_request(order_id, reason, by, now) for order_id in ids)
