"""What the desk's pages read of the journal, alert rules and deliveries.

An event that belongs to an account is shown to those who may see the account; one that belongs
to none (feed, sync, processes) to everybody who is signed in; sign-ins to staff only.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Max, Q, QuerySet

from alerts.domain.events import Severity
from alerts.models import AlertChannel, AlertRule, AuditEvent, AuditStream, Delivery

AUTH_STREAM = "auth"


def event_rows(
    *,
    account_ids: Iterable[int] | None,
    kind: str = "",
    severity: str = "",
    text: str = "",
    stream: str = "",
    subject: tuple[str, str] | None = None,
) -> QuerySet[AuditEvent]:
    """Return journal rows, newest first. `account_ids` None: the reader may see everything (staff)."""
    rows = AuditEvent.objects.all()
    if account_ids is not None:
        rows = rows.filter(Q(account_id__isnull=True) | Q(account_id__in=list(account_ids)))
        rows = rows.exclude(stream=AUTH_STREAM)
    if kind:
        rows = rows.filter(Q(kind=kind) | Q(kind__startswith=f"{kind}."))
    if severity:
        rows = rows.filter(severity=severity)
    if stream:
        rows = rows.filter(stream=stream)
    if subject is not None:
        rows = rows.filter(subject_kind=subject[0], subject_id=subject[1])
    if text:
        rows = rows.filter(Q(message__icontains=text) | Q(subject_label__icontains=text) | Q(actor__icontains=text))
    return rows.order_by("-id")


def event_get(event_id: int) -> AuditEvent | None:
    return AuditEvent.objects.filter(pk=event_id).first()


def kinds() -> list[str]:
    """Return the first words of the kinds seen so far: order, strategy, risk …"""
    seen = AuditEvent.objects.order_by().values_list("kind", flat=True).distinct()
    return sorted({kind.partition(".")[0] for kind in seen})


def error_hours(
    *, account_ids: Iterable[int] | None, now: datetime, hours: int = 12
) -> tuple[list[int], AuditEvent | None]:
    """Return warnings and worse per hour, oldest first, and the newest of them."""
    rows = event_rows(account_ids=account_ids).filter(severity__in=[Severity.WARNING, Severity.CRITICAL])
    counts = [0] * hours
    for at in rows.values_list("at", flat=True)[:1000]:
        index = int((now - at).total_seconds() // 3600)
        if 0 <= index < hours:
            counts[hours - 1 - index] += 1
    return counts, rows.first()


def latest_event_id() -> int:
    """Return the id of the newest event: the version of everything the journal describes."""
    return AuditEvent.objects.aggregate(last=Max("id"))["last"] or 0


def kinds_between(after: int, upto: int, *, limit: int = 2000) -> list[tuple[str, int | None]]:
    """Return (kind, account) of the events after one id up to another, each pair once."""
    rows = AuditEvent.objects.filter(id__gt=after, id__lte=upto).order_by("id")
    return list(dict.fromkeys(rows.values_list("kind", "account_id")[:limit]))


def stream_rows() -> list[AuditStream]:
    return list(AuditStream.objects.order_by("name"))


def rule_rows() -> QuerySet[AlertRule]:
    return AlertRule.objects.prefetch_related("channels").order_by("-enabled", "name")


def channel_rows() -> list[AlertChannel]:
    return list(AlertChannel.objects.annotate(sent=Count("delivery", filter=Q(delivery__state="sent"))).order_by("id"))


def delivery_rows(*, account_ids: Iterable[int] | None, state: str = "") -> QuerySet[Delivery]:
    rows = Delivery.objects.select_related("event", "channel", "rule")
    if account_ids is not None:
        rows = rows.filter(Q(event__account_id__isnull=True) | Q(event__account_id__in=list(account_ids)))
        rows = rows.exclude(event__stream=AUTH_STREAM)
    if state:
        rows = rows.filter(state=state)
    return rows.order_by("-id")
