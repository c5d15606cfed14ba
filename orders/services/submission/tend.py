"""The trader's round every two seconds: what waits in the rows of live accounts is taken up, whoever left it there.

Unsent orders, orders nobody knows about, wanted cancels, and resting orders whose market left them behind.
Every step may run any number of times, in several processes at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import F, Q

from markets.domain.instruments import MarketState
from orders.domain import submission
from orders.domain.lifecycle import RESTING, Environment, OrderState
from orders.models import Order, OrderSubmission
from orders.services import keyholder
from orders.services.faults import faultpoint
from orders.services.states import order_lock
from orders.services.submission import senders
from orders.services.submission.cancels import cancels_due
from orders.services.submission.claim import UNSENT
from orders.services.submission.stages import Clock
from orders.services.submission.unknown import account_resolve, accounts_due
from orders.services.submission_rows import milliseconds, submission_of, submission_store

log = logging.getLogger(__name__)

UNSENT_AFTER_S = 3  # the process that approved it had its chance
BEFORE_CLOSE = timedelta(seconds=60)
_one_round = threading.Lock()


@dataclass(slots=True)
class Tended:
    submitted: int = 0
    unknown: int = 0  # leases that ended
    resolved: int = 0  # orders read at the venue
    cancels: int = 0
    failed: int = 0  # accounts for which something raised


def tend(now: datetime, clock: Clock) -> Tended:
    """Do one round. Without keys in this process nothing but ended leases is looked at."""
    result = Tended(unknown=sum(lease_expire(order_id, now) for order_id in leases_over(now)))
    if not keyholder.can_sign() or not _one_round.acquire(blocking=False):
        return result
    try:
        for account_id, ids in _unsent(now).items():
            result.submitted += _safely(result, account_id, partial(_send, account_id, ids, clock))
        for account_id in accounts_due(now):
            result.resolved += _safely(result, account_id, partial(_resolve, account_id, now, clock))
        for account_id, ids in cancels_due(now).items():
            result.cancels += _safely(result, account_id, partial(_cancel, account_id, ids, clock))
    finally:
        _one_round.release()
    return result


def lease_expire(order_id: int, now: datetime) -> bool:
    """Call a live order UNKNOWN whose sender went silent. It keeps its reservation; nobody sends it from here."""
    with transaction.atomic():
        order = order_lock(order_id)
        row = OrderSubmission.objects.filter(pk=order_id).first()
        if row is None:
            return False
        before = submission_of(order, row)
        after = submission.after_lease(before, now_ms=milliseconds(now))
        if after is None:
            return False
        submission_store(order, row, before, after, now=now, reason="no answer within the lease", actor="sweep")
        faultpoint("lease.expired")
    return True


def leases_over(now: datetime) -> list[int]:
    rows = Order.objects.filter(state=OrderState.SENDING, lease_until__lte=now)
    live = rows.exclude(account__environment=Environment.PAPER)
    return list(live.order_by("pk").values_list("pk", flat=True)[:500])


def left_behind(now: datetime) -> list[tuple[int, str]]:
    """Return resting live orders whose market changed under them, with the reason to take them off.

    A new tick (V15): their price may be off the grid, and their size at the next price is another wish.
    A market that closed, or is about to (V16): whoever trades last knows more.
    """
    resting = Order.objects.filter(state__in=RESTING, cancel_requested_at=None, submission__isnull=False)
    resting = resting.exclude(account__environment=Environment.PAPER)
    ticks = resting.exclude(submission__tick=F("market__tick"))
    over = resting.filter(
        Q(market__state__in=(MarketState.CLOSED, MarketState.RESOLVED)) | Q(market__closes_at__lte=now + BEFORE_CLOSE)
    )
    found = {pk: "the market's tick changed" for pk in ticks.values_list("pk", flat=True)}
    found |= {pk: "the market closes" for pk in over.values_list("pk", flat=True)}
    return sorted(found.items())


def _unsent(now: datetime) -> dict[int, list[int]]:
    rows = Order.objects.filter(state__in=UNSENT).exclude(account__environment=Environment.PAPER)
    rows = rows.exclude(account__connection="away")
    fresh = Q(created_at__gt=now - timedelta(seconds=UNSENT_AFTER_S))
    waiting = Q(submission__not_before_ms__gt=milliseconds(now))
    found: dict[int, list[int]] = {}
    for pk, account_id in rows.exclude(fresh | waiting).order_by("pk").values_list("pk", "account_id")[:500]:
        found.setdefault(account_id, []).append(pk)
    return found


def _send(account_id: int, order_ids: list[int], clock: Clock) -> int:
    return len(senders.orders_send(account_id, order_ids, clock))


def _resolve(account_id: int, now: datetime, clock: Clock) -> int:
    done = account_resolve(account_id, now)
    senders.claimed_send(account_id, done.claimed, clock)
    if done.cancels:
        senders.cancels_send(account_id, done.cancels, clock, reason="its outcome is unknown and it is not wanted")
    return done.read


def _cancel(account_id: int, order_ids: list[int], clock: Clock) -> int:
    senders.cancels_send(account_id, order_ids, clock)
    return len(order_ids)


def _safely(result: Tended, account_id: int, step: Callable[[], int]) -> int:
    """Run one account's step; its trouble is its own."""
    try:
        return step()
    except keyholder.NotInThisProcess:
        return 0
    except keyholder.KeyRefused as error:
        log.warning("an account cannot be tended", extra={"account": account_id, "problem": str(error)[:200]})
    except Exception:  # the edge: one account must not stop the others
        log.exception("tending an account failed", extra={"account": account_id})
    result.failed += 1
    return 0
