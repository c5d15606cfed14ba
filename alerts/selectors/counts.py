"""How often something happened lately."""

from __future__ import annotations

from datetime import datetime

from alerts.models import AuditEvent


def event_count(kind: str, *, since: datetime, account_id: int | None = None) -> int:
    rows = AuditEvent.objects.filter(kind=kind, at__gte=since)
    return (rows if account_id is None else rows.filter(account_id=account_id)).count()
