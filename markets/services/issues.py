"""What a venue sent that we do not understand: one row per kind of thing, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from markets.domain.instruments import Venue
from markets.models import VenueIssue
from markets.venues.base import ParseError

MOST_ROWS = 2_000  # a venue that sends garbage must not fill the disk with descriptions of it


def issues_record(venue: Venue, errors: Iterable[ParseError], *, now: datetime) -> int:
    """Add `errors` to the table; returns how many distinct ones there were. New kinds are journalled."""
    counts: Counter[tuple[str, str, str]] = Counter()
    samples: dict[tuple[str, str, str], str] = {}
    for error in errors:
        key = (error.source[:60] or "unknown", error.field[:120], error.problem[:400].replace("\x00", "?"))
        counts[key] += 1
        samples.setdefault(key, error.sample.replace("\x00", "?")[:2_000])
    if counts and VenueIssue.objects.filter(venue=venue).count() >= MOST_ROWS:
        return len(counts)
    new = 0
    with connection.cursor() as cursor:
        for (source, field, problem), count in counts.most_common(100):
            cursor.execute(
                f"INSERT INTO {VenueIssue._meta.db_table}"  # noqa: S608 - our own table's name
                " (venue, source, field, problem, sample, first_at, last_at, count)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (venue, source, field, problem) DO UPDATE"
                f" SET count = {VenueIssue._meta.db_table}.count + EXCLUDED.count, last_at = EXCLUDED.last_at"
                " RETURNING (xmax = 0)",
                [venue, source, field, problem, samples[source, field, problem], now, now, count],
            )
            new += bool(cursor.fetchone()[0])
    if new:
        _report(venue, new, counts, now)
    return len(counts)


def _report(venue: Venue, new: int, counts: Counter[tuple[str, str, str]], now: datetime) -> None:
    (source, field, problem), _ = counts.most_common(1)[0]
    with transaction.atomic():
        event_record(
            "venue.issue",
            f"{new} new kinds of data from {venue} are not understood, such as {source} {field}: {problem}",
            severity=Severity.WARNING,
            subject_kind="venue",
            subject_id=str(venue),
            payload={"source": source, "field": field, "problem": problem, "new": new},
            now=now,
        )
