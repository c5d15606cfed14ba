"""The audit journal: the one way to write down what happened.

A row is written inside the transaction of the change it describes, so that both
exist or neither does. The same rows are the alert outbox.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from alerts.domain import chain
from alerts.domain.events import Severity
from alerts.models import AuditEvent, AuditStream
from alerts.selectors.statements import Select
from alerts.services.statements import rows_insert, rows_update

_HEAD = Select(AuditStream, "WHERE name = %s FOR UPDATE")
_waiting: ContextVar[list[AuditEvent] | None] = ContextVar("events that wait for the end of their block", default=None)


class NotInTransactionError(RuntimeError):
    """An event was recorded outside the transaction of its change."""


def transaction_needed(what: str = "a change and its event") -> None:
    """Raise NotInTransactionError outside of `transaction.atomic`."""
    if not connection.in_atomic_block:
        raise NotInTransactionError(
            f"record {what!r} inside transaction.atomic(), together with the change it describes"
        )


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
    Inside `events_together` it is written at the end of the block, and 0 is returned.
    """
    transaction_needed(kind)
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
    if (waiting := _waiting.get()) is not None:
        waiting.append(event)
        return 0
    _append([event])
    return event.pk


@contextmanager
def events_together() -> Iterator[None]:
    """Write all events of the block at its end, with three queries for each stream instead of for each event.

    The block must lie inside the transaction of what it describes; one that raises writes none of them.
    """
    if not connection.in_atomic_block:
        raise NotInTransactionError("write events together inside the transaction.atomic() of what they describe")
    if _waiting.get() is not None:
        yield  # a block around this one writes them
        return
    waiting: list[AuditEvent] = []
    token = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(token)
    streams: dict[str, list[AuditEvent]] = {}
    for event in waiting:
        streams.setdefault(event.stream, []).append(event)
    for stream in sorted(streams):
        _append(streams[stream])


def _append(events: list[AuditEvent]) -> None:
    """Chain the events of one stream behind its head, which stays locked."""
    stream = events[0].stream
    seq, previous = _head_lock(stream)
    for event in events:
        seq += 1
        event.seq, event.previous_hash = seq, previous
        event.hash = previous = chain.chained_hash(previous, seq, event.hashed_content())
    rows_insert(events)
    rows_update(AuditStream, {"head_seq": seq, "head_hash": previous}, name=stream)


def _head_lock(stream: str) -> tuple[int, str]:
    """Lock the stream's head row and return (seq, hash); the first event of a stream creates the row."""
    row = _HEAD.first(stream)
    if row is None:
        AuditStream.objects.bulk_create([AuditStream(name=stream)], ignore_conflicts=True)
        (row,) = _HEAD.rows(stream)
    return row.head_seq, row.head_hash


@transaction.atomic
def event_record_alone(kind: str, message: str, **fields: Any) -> int:
    """Append an event that describes no row of ours (a process started, a feed went stale)."""
    return event_record(kind, message, **fields)
