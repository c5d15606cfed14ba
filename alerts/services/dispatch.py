"""Sending what is due: at least once, with growing pauses, every attempt on file.

A delivery is claimed by moving its due time (a lease) in one committed step, sent outside
any transaction, and then marked. A sender that dies in between is followed by another one
after the lease: a message may come twice, never not at all.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from alerts.domain.chain import clean_text
from alerts.domain.events import Severity
from alerts.domain.routing import backoff_s
from alerts.models import AuditEvent, Delivery
from alerts.transports.base import Message, TransportRefused, TransportRetry
from alerts.transports.registry import TRANSPORTS

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 10  # the last pause is ten minutes: about 50 minutes of trying in all
BUDGET_S = 15.0  # a task must end well before its hard limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one round came to."""

    sent: int = 0
    again: int = 0  # failed, and will be tried again
    failed: int = 0


def deliveries_send(*, now: datetime, limit: int = 50, budget_s: float = BUDGET_S) -> Sent:
    """Send up to `limit` due deliveries, oldest first; stop early when the time is used up."""
    started = time.monotonic()
    counts = dict.fromkeys(Delivery.State, 0)
    for _ in range(limit):
        if time.monotonic() - started > budget_s:
            break
        delivery = delivery_claim(now=now)
        if delivery is None:
            break
        counts[delivery_send(delivery, now=now)] += 1
    return Sent(
        sent=counts[Delivery.State.SENT], again=counts[Delivery.State.PENDING], failed=counts[Delivery.State.FAILED]
    )


@transaction.atomic
def delivery_claim(*, now: datetime) -> Delivery | None:
    """Take one due delivery for a minute. Another sender at the same moment takes another one."""
    due = Delivery.objects.filter(state=Delivery.State.PENDING, due_at__lte=now, channel__enabled=True)
    row = due.select_for_update(skip_locked=True, of=("self",)).order_by("due_at", "id").first()
    if row is None:
        return None
    Delivery.objects.filter(pk=row.pk).update(due_at=now + LEASE, attempts=F("attempts") + 1)
    return Delivery.objects.select_related("event", "channel", "rule").get(pk=row.pk)


def delivery_send(delivery: Delivery, *, now: datetime) -> Delivery.State:
    """Send one claimed delivery and store what came of it; return its new state."""
    if is_cleared(delivery):
        return _ended(delivery, Delivery.State.SUPPRESSED, "over before it was due")
    transport = TRANSPORTS.get(delivery.channel.transport)
    try:
        if transport is None:
            raise TransportRefused(f"there is no transport {delivery.channel.transport!r}: change the channel")
        transport.send(message_of(delivery), delivery.channel.target)
    except TransportRetry as error:
        return _again(delivery, str(error), after_s=error.after_s, now=now)
    except TransportRefused as error:
        return _ended(delivery, Delivery.State.FAILED, str(error))
    except Exception as error:  # one broken transport must not hold up the others
        log.exception("alert transport failed", extra={"delivery": delivery.pk})
        return _again(delivery, f"{type(error).__name__} in the transport", after_s=None, now=now)
    return _ended(delivery, Delivery.State.SENT, "")


def is_cleared(delivery: Delivery) -> bool:
    """Whether what the rule waited for has ended by itself: the clearing event came later, on the same subject."""
    rule, event = delivery.rule, delivery.event
    if rule is None or not rule.cleared_by:
        return False
    return AuditEvent.objects.filter(
        kind=rule.cleared_by,
        subject_kind=event.subject_kind,
        subject_id=event.subject_id,
        account_id=event.account_id,
        pk__gt=event.pk,
    ).exists()


def message_of(delivery: Delivery) -> Message:
    event = delivery.event
    return Message(
        delivery_id=delivery.pk,
        event_id=event.pk,
        kind=event.kind,
        severity=Severity(delivery.severity),
        text=event.message,
        subject_label=event.subject_label,
        at=event.at,
        account_id=event.account_id,
    )


def _ended(delivery: Delivery, state: Delivery.State, error: str) -> Delivery.State:
    sent_at = timezone.now() if state == Delivery.State.SENT else None
    Delivery.objects.filter(pk=delivery.pk).update(
        state=state, sent_at=sent_at, last_error=clean_text(error, limit=300)
    )
    if state == Delivery.State.FAILED:
        log.error("alert not delivered", extra={"delivery": delivery.pk, "problem": error[:200]})
    return state


def _again(delivery: Delivery, error: str, *, after_s: float | None, now: datetime) -> Delivery.State:
    if delivery.attempts >= MAX_ATTEMPTS:
        return _ended(delivery, Delivery.State.FAILED, f"given up after {delivery.attempts} attempts: {error}")
    wait = timedelta(seconds=backoff_s(delivery.attempts) if after_s is None else after_s)
    Delivery.objects.filter(pk=delivery.pk).update(due_at=now + wait, last_error=clean_text(error, limit=300))
    return Delivery.State.PENDING
