"""Journal rows of the feed: stale, recovered, down. Written by its storage thread, each in a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from alerts.domain.events import Severity
from alerts.services.journal import event_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A journal row to be written."""

    kind: str
    message: str
    severity: Severity = Severity.INFO
    subject_kind: str = "feed"
    subject_id: str = ""
    subject_label: str = ""
    payload: dict[str, Any] = field(default_factory=dict)


@transaction.atomic
def notices_record(notices: Sequence[Notice]) -> None:
    """Append the notices to the journal, in order."""
    for notice in notices:
        event_record(
            notice.kind,
            notice.message[:500],
            severity=notice.severity,
            subject_kind=notice.subject_kind,
            subject_id=notice.subject_id,
            subject_label=notice.subject_label[:240],
            actor="feed",
            payload=notice.payload,
        )
