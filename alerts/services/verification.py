"""The verifier: reads every stream from its first row and finds any change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import OuterRef, Subquery

from alerts.domain import chain
from alerts.domain.events import Severity
from alerts.models import AuditEvent, AuditStream, OutboxCursor
from alerts.services.jobs import slot_claim
from alerts.services.journal import event_record_alone

VERIFIER = "verifier"
PART_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """What the verifier found in one stream. `problem` is empty for an intact chain."""

    stream: str
    rows: int
    head_seq: int
    head_hash: str
    problem: str = ""

    @property
    def intact(self) -> bool:
        return not self.problem


@transaction.atomic
def audit_verify(*, anchors: Mapping[str, tuple[int, str]] | None = None) -> list[StreamReport]:
    """Recompute every hash of every stream, and compare with heads noted earlier (`anchors`: stream -> seq, hash).

    Without anchors an attacker who owns the database can cut the tail of a stream together
    with its head row and leave a valid, shorter chain; a head kept elsewhere shows it.
    """
    # Heads first: rows appended meanwhile lie behind them and are checked next time.
    heads = {head.name: head for head in AuditStream.objects.order_by("name")}
    known = set(heads) | set(AuditEvent.objects.values_list("stream", flat=True).distinct()) | set(anchors or {})
    return [_stream_verify(name, heads.get(name), (anchors or {}).get(name)) for name in sorted(known)]


@transaction.atomic
def audit_verify_part(*, rows: int = PART_ROWS) -> list[StreamReport]:
    """Check the next `rows` rows of each stream after where the last call stopped; return those that were changed.

    Called by the clock, it goes round: after a stream's head it starts again at its first row,
    so every row is looked at again and again at a bounded cost.
    """
    changed = []
    for head in AuditStream.objects.order_by("name"):
        cursor, _ = OutboxCursor.objects.get_or_create(name=VERIFIER, stream=head.name)
        last = AuditEvent.objects.filter(stream=head.name, seq=cursor.seq).values_list("hash", flat=True).first()
        upto = min(head.head_seq, cursor.seq + rows)
        broken = chain.first_break(
            _links(head.name, after=cursor.seq, up_to=upto), after_seq=cursor.seq, after_hash=last or chain.GENESIS
        )
        at_head = upto == head.head_seq
        problem = broken.problem if broken else _head_problem(head.name, head) if at_head else ""
        OutboxCursor.objects.filter(pk=cursor.pk).update(seq=0 if at_head or problem else upto)
        if problem:
            changed.append(
                StreamReport(
                    stream=head.name, rows=upto, head_seq=head.head_seq, head_hash=head.head_hash, problem=problem
                )
            )
    return changed


def audit_watch(*, now: datetime) -> list[StreamReport]:
    """Check the next part of the journal and report what was changed, at most once a day and stream."""
    changed = audit_verify_part()
    for report in changed:
        if slot_claim(f"audit-changed:{report.stream}", period_s=86_400, now=now):
            event_record_alone(
                "audit.changed",
                f"the journal was changed after it was written: {report.stream}, {report.problem}",
                severity=Severity.CRITICAL,
                subject_kind="stream",
                subject_id=report.stream,
                payload={"problem": report.problem, "head_seq": report.head_seq},
                now=now,
            )
    return changed


def _stream_verify(name: str, head: AuditStream | None, anchor: tuple[int, str] | None) -> StreamReport:
    head_seq, head_hash = (head.head_seq, head.head_hash) if head else (0, chain.GENESIS)
    rows = AuditEvent.objects.filter(stream=name).count()
    problem = ""
    broken = chain.first_break(_links(name, up_to=head_seq))
    if broken:
        problem = broken.problem
    elif head is None:
        problem = f"the head of the stream is missing, {rows} rows stand without it"
    else:
        problem = _head_problem(name, head)
        if not problem and anchor is not None:
            problem = _anchor_problem(name, anchor)
    return StreamReport(stream=name, rows=rows, head_seq=head_seq, head_hash=head_hash, problem=problem)


def _head_problem(name: str, head: AuditStream) -> str:
    """Return what is wrong with the end of a stream, or nothing."""
    last = AuditEvent.objects.filter(stream=name, seq=head.head_seq).values_list("hash", flat=True).first()
    if (last or chain.GENESIS) != head.head_hash or (head.head_seq and last is None):
        return f"row {head.head_seq}, the head, is missing or is not the one that was written"
    if _rows_behind_head(name):
        return f"rows were inserted behind the head, row {head.head_seq}"
    return ""


def _rows_behind_head(name: str) -> bool:
    """Whether rows lie behind the head. One statement, so that an append meanwhile is seen whole or not at all."""
    head = AuditStream.objects.filter(name=OuterRef("stream")).values("head_seq")
    return AuditEvent.objects.filter(stream=name, seq__gt=Subquery(head)).exists()


def _anchor_problem(name: str, anchor: tuple[int, str]) -> str:
    seq, expected = anchor
    if seq == 0:
        return ""
    found = AuditEvent.objects.filter(stream=name, seq=seq).values_list("hash", flat=True).first()
    if found == expected:
        return ""
    return f"row {seq} is not the one noted earlier" if found else f"row {seq}, noted earlier, is gone"


def _links(name: str, *, after: int = 0, up_to: int) -> Iterator[chain.Link]:
    rows = AuditEvent.objects.filter(stream=name, seq__gt=after, seq__lte=up_to).order_by("seq")
    for event in rows.iterator(chunk_size=2_000):
        yield chain.Link(
            seq=event.seq, previous_hash=event.previous_hash, hash=event.hash, content=event.hashed_content()
        )
