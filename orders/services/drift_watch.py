"""What the trading side hears of a venue goes to the drift sentinel: order answers, rows read, user events.

Called outside locks and transactions, and only after what was heard is booked: a venue that changed must cost
entries, never the money's records.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone

from markets.domain.answers import OrderAnswer
from markets.domain.drift import Difference, DriftKind
from markets.services import drift
from markets.venues.trading import Look

log = logging.getLogger(__name__)

ANSWER = "rest.order_answer"
_KINDS = {"-": DriftKind.MISSING_FIELD, "~": DriftKind.RETYPED_FIELD}


def looker(venue: str) -> Look:
    """Return what a gateway shows all that it reads. A row as declared costs one pass over its keys."""

    def look(source: str, row: object) -> None:
        drift.drift_check(venue, source, row, now=timezone.now())

    return look


def answers_look(venue: str, answers: Iterable[OrderAnswer], *, now: datetime) -> int:
    """Note what answers to orders had too much, too little or of another type; return how many fields."""
    found = [name for answer in answers for name in answer.drift]
    try:
        for name in found:
            kind = _KINDS.get(name[:1], DriftKind.UNKNOWN_FIELD)
            field = name if kind is DriftKind.UNKNOWN_FIELD else name[1:]
            drift.difference_note(venue, ANSWER, Difference(kind=kind, field=field), now=now)
    except Exception:  # the edge: the answers are stored already, and what they ask for must still be done
        log.exception("drift in an order's answer was not noted", extra={"venue": venue, "fields": found[:20]})
    return len(found)


def events_look(venue: str, rows: Iterable[tuple[str, object]], *, now: datetime) -> int:
    """Compare events of a user stream, as (source, object), with what is declared; return how many differ."""
    return sum(bool(drift.drift_check(venue, source, row, now=now)) for source, row in rows)
