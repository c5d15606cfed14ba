"""Whether the venue's dead-man switch of an account is being kept, as far as anybody asked for it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from orders.models import HeartbeatState

FRESH_S = 8  # the venue cancels everything about 10 s after the last accepted heartbeat


def heartbeat_ok(account_id: int, now: datetime | None = None) -> bool:
    """Whether new orders may go: no heartbeat is wanted, or the last one was accepted a moment ago."""
    row = HeartbeatState.objects.filter(pk=account_id).first()
    if row is None or not row.wanted:
        return True
    oldest = (now or timezone.now()) - timedelta(seconds=FRESH_S)
    return row.last_ok_at is not None and row.last_ok_at >= oldest


def heartbeat_get(account_id: int) -> HeartbeatState | None:
    return HeartbeatState.objects.filter(pk=account_id).first()
