"""The verifier: reads every stream from its first row and finds any change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import OuterRef, Subquery

from alerts.domain import chain
from alerts.models import AuditEvent, AuditStream


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
        last = AuditEvent.objects.filter(stream=name, seq=head_seq).values_list("hash", flat=True).first()
        if (last or chain.GENESIS) != head_hash or (head_seq and last is None):
            problem = f"row {head_seq}, the head, is missing or is not the one that was written"
        elif _rows_behind_head(name):
            problem = f"rows were inserted behind the head, row {head_seq}"
        elif anchor is not None:
            problem = _anchor_problem(name, anchor)
    return StreamReport(stream=name, rows=rows, head_seq=head_seq, head_hash=head_hash, problem=problem)


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


def _links(name: str, *, up_to: int) -> Iterator[chain.Link]:
    for event in AuditEvent.objects.filter(stream=name, seq__lte=up_to).order_by("seq").iterator(chunk_size=2_000):
        yield chain.Link(
            seq=event.seq, previous_hash=event.previous_hash, hash=event.hash, content=event.hashed_content()
        )
