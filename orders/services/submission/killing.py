"""The kill switch at the venues: everything is taken off, again and again, until nothing is there and nothing can come.

A kill does not wait for second copies or budgets of ours: cancel-all names no order and costs one request.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction

from markets.venues.base import VenueError
from orders.domain.lifecycle import OPEN, Environment, OrderState
from orders.models import Account, Order
from orders.services import keyholder
from orders.services.faults import faultpoint
from orders.services.states import orders_lock
from orders.services.submission.cancels import confirmed
from orders.services.submission_rows import milliseconds, submissions_of

log = logging.getLogger(__name__)

WITHIN_S = 15
_MAY_ARRIVE = (OrderState.SENDING, OrderState.UNKNOWN, OrderState.QUARANTINED)


def connected_accounts() -> list[int]:
    """Return the accounts that may have orders at a venue: connected ones, and those that ever sent one."""
    rows = Account.objects.exclude(environment=Environment.PAPER).order_by("pk")
    ever = set(Order.objects.filter(submission__isnull=False).values_list("account_id", flat=True).distinct())
    return [pk for pk, connection in rows.values_list("pk", "connection") if connection == "ready" or pk in ever]


def unresolved_count() -> int:
    """Return how many live orders may still arrive at a venue."""
    rows = Order.objects.filter(state__in=_MAY_ARRIVE)
    return rows.exclude(account__environment=Environment.PAPER).count()


def account_clear(account_id: int, now: datetime) -> bool | None:
    """Cancel everything of the account at its venue; return whether a read after it saw nothing open.

    None: it cannot be known, because this process has no key or the venue does not answer.
    """
    try:
        gateway = keyholder.gateway(account_id)
    except (keyholder.NotInThisProcess, keyholder.KeyRefused) as error:
        log.warning("an account cannot be cleared", extra={"account": account_id, "problem": str(error)[:200]})
        return None
    try:
        answer = gateway.cancel_everything(deadline_ms=milliseconds(now + timedelta(seconds=WITHIN_S)))
        faultpoint("kill.cancelled")
        _confirm(account_id, answer.canceled, now=now)
        open_orders = gateway.open_orders()
    except VenueError as error:
        log.warning("open orders cannot be read", extra={"account": account_id, "problem": str(error)[:200]})
        return None
    faultpoint("kill.read")
    return not open_orders


@transaction.atomic
def _confirm(account_id: int, canceled: Collection[str], *, now: datetime) -> None:
    """Note on our orders that the venue took them off; their ends wait for what they matched."""
    ids = list(Order.objects.filter(account_id=account_id, venue_order_id__in=canceled).values_list("pk", flat=True))
    rows = submissions_of(ids)
    for order in orders_lock(account_id, ids):
        if OrderState(order.state) in OPEN and order.pk in rows:
            confirmed(order, rows[order.pk], now=now)
