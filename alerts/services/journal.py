"""The audit journal: the one way to write down what happened.

A row is written inside the transaction of the change it describes, so that both
exist or neither does. The same rows are the alert outbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from alerts.domain import chain
from alerts.domain.events import Severity
from alerts.models import AuditEvent, AuditStream


class NotInTransactionError(RuntimeError):
    """An event was recorded outside the transaction of its change."""


def event_record(
    kind: str,
    message: str,
    *,
    severity: Severity = Severity.INFO,
    stream: str = "desk",
    account_id: int | None = None,
    subject_kind: str = "",
    subject_id: str | int = "",
    subject_label: str = "",
    actor: str = "",
    payload: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> int:
    """Append one event to `stream` and return its id. Three queries.

    The stream's head row stays locked until the caller commits: call this last in a
    transaction, and for one stream per transaction (or streams in alphabetical order).
    """
    if not connection.in_atomic_block:
        raise NotInTransactionError(
            f"record {kind!r} inside transaction.atomic(), together with the change it describes"
        )
    event = AuditEvent(
        stream=chain.clean_text(stream, limit=80),
        at=now or timezone.now(),
        kind=chain.clean_text(kind, limit=80),
        severity=Severity(severity).value,
        account_id=account_id,
        subject_kind=chain.clean_text(subject_kind, limit=40),
        subject_id=chain.clean_text(subject_id, limit=80),
        subject_label=chain.clean_text(subject_label, limit=240),
        actor=chain.clean_text(actor, limit=120),
        message=chain.clean_text(message, limit=500),
        payload=chain.clean_json(dict(payload or {})),
    )
    seq, previous = _head_lock(event.stream)
    event.seq = seq + 1
    event.previous_hash = previous
    event.hash = chain.chained_hash(previous, event.seq, event.hashed_content())
    event.save(force_insert=True)
    AuditStream.objects.filter(name=event.stream).update(head_seq=event.seq, head_hash=event.hash)
    return event.pk


def _head_lock(stream: str) -> tuple[int, str]:
    """Lock the stream's head row and return (seq, hash); the first event of a stream creates the row."""
    head = AuditStream.objects.select_for_update().filter(name=stream)
    row = head.values_list("head_seq", "head_hash").first()
    if row is None:
        AuditStream.objects.bulk_create([AuditStream(name=stream)], ignore_conflicts=True)
        row = head.values_list("head_seq", "head_hash").get()
    return row


@transaction.atomic
def event_record_alone(kind: str, message: str, **fields: Any) -> int:
    """Append an event that describes no row of ours (a process started, a feed went stale)."""
    return event_record(kind, message, **fields)
