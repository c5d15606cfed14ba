"""How often something happened lately."""

from __future__ import annotations

from datetime import datetime

from alerts.models import AuditEvent


def event_count(kind: str, *, since: datetime, account_id: int | None = None, not_saying: str = "") -> int:
    """Return how many events of `kind` there were; `not_saying` leaves out those whose message holds these words."""
    rows = AuditEvent.objects.filter(kind=kind, at__gte=since)
    if not_saying:
        rows = rows.exclude(message__icontains=not_saying)
    return (rows if account_id is None else rows.filter(account_id=account_id)).count()
