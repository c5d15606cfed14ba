"""The kill switch at the venues: everything is taken off, again and again, until nothing is there and nothing can come.

A kill does not wait for second copies or budgets of ours: cancel-all names no order and costs one request.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from markets.venues.base import VenueError
from orders.domain.lifecycle import OPEN, Environment, OrderState
from orders.models import Account, Order
from orders.services import keyholder
from orders.services.faults import faultpoint
from orders.services.states import orders_lock
from orders.services.submission.cancels import confirmed
from orders.services.submission.stages import running_clock
from orders.services.submission_rows import milliseconds, submissions_of

log = logging.getLogger(__name__)

WITHIN_S = 15
CLEAR_WITHIN = timedelta(seconds=20)  # of one round; whoever is not reached by then comes first in the next
AWAY = "away"  # its wallet belongs to another exchange: nothing here can be asked about it
_MAY_ARRIVE = (OrderState.SENDING, OrderState.UNKNOWN, OrderState.QUARANTINED)


def connected_accounts() -> list[int]:
    """Return the accounts that may have orders at this venue: connected ones, and those that ever sent one."""
    rows = Account.objects.exclude(environment=Environment.PAPER).exclude(connection=AWAY).order_by("pk")
    ever = set(Order.objects.filter(submission__isnull=False).values_list("account_id", flat=True).distinct())
    return [pk for pk, connection in rows.values_list("pk", "connection") if connection == "ready" or pk in ever]


def unresolved_count() -> int:
    """Return how many live orders may still arrive at this venue."""
    rows = Order.objects.filter(state__in=_MAY_ARRIVE).exclude(account__environment=Environment.PAPER)
    return rows.exclude(account__connection=AWAY).count()


class _Round:
    begins_with = 0  # an account id


def accounts_clear(accounts: Sequence[int], now: datetime) -> bool:
    """Clear one account after the other; return whether reads after it saw nothing open anywhere.

    A venue that hangs may take half a minute an account. It must not keep the others waiting for ever, nor their
    cancels from leaving: each has its own time from the moment it is begun.
    """
    clock = running_clock(now)
    first = next((place for place, pk in enumerate(accounts) if pk >= _Round.begins_with), 0)
    empty = True
    for account_id in (*accounts[first:], *accounts[:first]):
        at = clock()
        if at - now > CLEAR_WITHIN:
            _Round.begins_with = account_id
            return False
        empty = bool(account_clear(account_id, at)) and empty
    return empty


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
