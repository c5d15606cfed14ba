"""The kill switch at the venues: everything is taken off, again and again, until nothing is there and nothing can come.

A kill does not wait for second copies or budgets of ours: cancel-all names no order and costs one request.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from markets.venues.base import VenueError
from orders.domain.lifecycle import Environment, OrderState
from orders.models import Account, Order
from orders.services import keyholder
from orders.services.faults import faultpoint
from orders.services.submission_rows import milliseconds

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
        gateway.cancel_everything(deadline_ms=milliseconds(now + timedelta(seconds=WITHIN_S)))
        faultpoint("kill.cancelled")
        open_orders = gateway.open_orders()
    except VenueError as error:
        log.warning("open orders cannot be read", extra={"account": account_id, "problem": str(error)[:200]})
        return None
    faultpoint("kill.read")
    return not open_orders
