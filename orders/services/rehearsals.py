"""Rows of kill rehearsals. What a rehearsal does is in `risk.services.rehearsal`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from orders.domain.lifecycle import OPEN, RESTING, Environment
from orders.models import Account, KillRehearsal, Order
from orders.services import keyholder
from orders.services.account_events import account_event

Rehearsal = KillRehearsal  # for stages above, which import no tables of ours
GIVEN_UP_AFTER = timedelta(minutes=5)


@transaction.atomic
def rehearsal_open(account_id: int, *, by: str, now: datetime | None = None) -> KillRehearsal:
    """Return the account's rehearsal that is to run; one that is under way is returned. Live ones are dry."""
    now = now or timezone.now()
    running = KillRehearsal.objects.filter(account_id=account_id, finished_at=None)
    running.filter(started_at__lt=now - GIVEN_UP_AFTER).update(finished_at=now, passed=False)
    found = running.filter(finished_at=None).first()
    if found is not None:
        return found
    environment = Account.objects.values_list("environment", flat=True).get(pk=account_id)
    return KillRehearsal.objects.create(
        account_id=account_id, dry_run=environment == Environment.LIVE, by=by[:120], started_at=now
    )


def rehearsal_get(rehearsal_id: int) -> KillRehearsal:
    return KillRehearsal.objects.get(pk=rehearsal_id)


@transaction.atomic
def rehearsal_finish(rehearsal_id: int, *, now: datetime, **fields: Any) -> KillRehearsal:
    """Store what a rehearsal measured and write it into the journal."""
    row = KillRehearsal.objects.select_for_update().get(pk=rehearsal_id)
    for name, value in fields.items():
        setattr(row, name, value)
    row.finished_at = now
    row.save()
    account_event(
        row.account,
        "risk.rehearsed",
        f"kill rehearsal by {row.by}: {'passed' if row.passed else 'FAILED'}; {row.open_before} open orders before, "
        f"{row.open_after} after, {row.sent_after} sent after the stop",
        severity=Severity.INFO if row.passed else Severity.CRITICAL,
        by=row.by,
        payload={"rehearsal": row.pk, "passed": row.passed, "dry_run": row.dry_run, "steps": row.steps},
        now=now,
    )
    return row


def open_count(account_id: int) -> int:
    return Order.objects.filter(account_id=account_id, state__in=OPEN).count()


def under_way_count(account_id: int) -> int:
    """Return how many orders may still reach the venue or are perhaps there: what rests there, the venue lists."""
    return Order.objects.filter(account_id=account_id, state__in=OPEN - RESTING).count()


def open_at_venue(account_id: int) -> int | None:
    """Return how many of our orders the venue itself lists as open; None for paper, whose venue is the desk.

    Raises NotInThisProcess or KeyRefused where there are no credentials, VenueError when it cannot be read.
    """
    if Account.objects.values_list("environment", flat=True).get(pk=account_id) == Environment.PAPER:
        return None
    listed = [order.order_id.lower() for order in keyholder.gateway(account_id).open_orders()]
    return Order.objects.filter(account_id=account_id, venue_order_id__in=listed).count()


def needs_keys(account_id: int) -> bool:
    """Whether only the trader can rehearse this account: its venue is asked, and this process has no keys."""
    environment = Account.objects.values_list("environment", flat=True).get(pk=account_id)
    return environment == Environment.SANDBOX and not keyholder.can_sign()


def sent_since(account_id: int, moment: datetime) -> int:
    """Return how many orders left after `moment`: after a stop it must be none."""
    return Order.objects.filter(account_id=account_id, sent_at__gt=moment).count()
