"""Catalogue sync: the venue's events, markets and outcomes into our tables, writing only what changed.

A fingerprint of each record decides: equal means no statement at all. Payouts are booked once, on
the strict evidence of the venue's parser, in one transaction with the journal row that says so, and
never changed afterwards. What the parser refused is stored as a VenueIssue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from markets.domain.instruments import MarketState, Venue
from markets.models import Market, Outcome, SyncRun, Watch
from markets.selectors.watch import BACKGROUND
from markets.services import catalogue_rows, drift, issues
from markets.services.locks import alone
from markets.services.watch import watch_prune, watch_set
from markets.venues.base import CataloguePage, CatalogueSource, EventRecord, ParseError, VenueError
from markets.venues.registry import CATALOGUES

RECENT = 100
RECHECKED = 300  # markets asked for by name in one run
WATCHED_MARKETS = 150  # the most traded ones, listened to for the overview
_RUNS_KEPT = timedelta(days=3)

Progress = Callable[["Counts"], None]


@dataclass(slots=True)
class Counts:
    """How far a sync is."""

    events: int = 0
    markets: int = 0
    written: int = 0
    refused: int = 0
    skipped: int = 0
    resolved: int = 0


def sync(
    venue: Venue,
    kind: str,
    *,
    progress: Progress | None = None,
    now: datetime | None = None,
    source: CatalogueSource | None = None,
) -> SyncRun | None:
    """Bring our tables up to the venue's catalogue; returns the run, or None when another sync is at it.

    `kind` "full" reads every open event; "incremental" what changed lately, what is traded and what
    has closed. A venue that does not answer ends the run with its error and a journal row; nothing
    read before that is lost.
    """
    now = now or timezone.now()
    with alone(f"sync:{venue}") as free:
        if not free:
            return None
        run = SyncRun.objects.create(venue=venue, kind=kind, started_at=now)
        counts = Counts()
        try:
            _read(source or CATALOGUES[venue](), kind, counts, progress=progress, now=now)
        except VenueError as error:
            run.error = str(error)[:400]
        finally:
            run.finished_at = timezone.now()
            run.events_seen, run.markets_seen = counts.events, counts.markets
            run.rows_written, run.refused = counts.written, counts.refused
            run.save()
        if run.error:
            _report_failure(run, now)
        else:
            _watch_most_traded(venue)
            watch_prune(now)
        SyncRun.objects.filter(started_at__lt=now - _RUNS_KEPT).delete()
        return run


def _read(source: CatalogueSource, kind: str, counts: Counts, *, progress: Progress | None, now: datetime) -> None:
    venue = source.venue
    seen: set[str] = set()
    pages = source.open_events() if kind == "full" else source.recent_events(limit=RECENT)
    for page in pages:
        _page_apply(venue, page, counts, seen, now)
        if progress:
            progress(counts)
    asked = _to_recheck(venue, kind, seen)
    if asked:
        for page in source.events_of_markets(asked):
            _page_apply(venue, page, counts, seen, now)
            if progress:
                progress(counts)
        if kind == "full":
            _pause_vanished(venue, asked - seen, now)


def _page_apply(venue: Venue, page: CataloguePage, counts: Counts, seen: set[str], now: datetime) -> None:
    refused = [*page.refused, *(error for event in page.events for error in event.refused)]
    issues.issues_record(venue, refused, now=now)
    events = _without_repeats(page.events)
    with transaction.atomic():
        result = catalogue_rows.events_write(venue, events, now=now)
        issues.issues_record(venue, result.refused, now=now)
        for market_id, question, payouts in result.resolved:
            event_record(
                "market.resolved",
                f"resolved: {question}"[:500],
                subject_kind="market",
                subject_id=str(market_id),
                subject_label=question[:240],
                payload={"payouts": payouts},
                now=now,
            )
        for market_id, question, before, after in result.ticks:
            event_record(
                "market.tick_changed",
                f"tick of {question} went from {before} to {after}"[:500],
                subject_kind="market",
                subject_id=str(market_id),
                subject_label=question[:240],
                payload={"before": before, "after": after},
                now=now,
            )
    drift.drifted_note(venue, page.drifted, now=now)
    drift.facts_note(venue, result.facts, source="gamma.market", now=now)
    counts.events += len(events)
    counts.markets += sum(len(event.markets) for event in events)
    counts.written += result.written
    counts.refused += len(refused) + len(result.refused)
    counts.skipped += sum(len(event.skipped) for event in events)
    counts.resolved += len(result.resolved)
    seen.update(market.condition_id for event in events for market in event.markets)


def _without_repeats(events: Iterable[EventRecord]) -> list[EventRecord]:
    return list({event.venue_id: event for event in events}.values())


def _to_recheck(venue: Venue, kind: str, seen: set[str]) -> set[str]:
    """Return markets to ask for by name: closed and not final, traded by somebody, or missing from a full list."""
    rows = Market.objects.filter(venue=venue).exclude(condition_id__in=seen)
    asked = list(
        rows.filter(state=MarketState.CLOSED).order_by("synced_at").values_list("condition_id", flat=True)[:RECHECKED]
    )
    traded = Watch.objects.exclude(reason=BACKGROUND).values("outcome__market_id")
    unsettled = rows.exclude(state=MarketState.RESOLVED)
    asked += unsettled.filter(pk__in=traded).values_list("condition_id", flat=True)[:RECHECKED]
    if kind == "full":
        asked += unsettled.order_by("synced_at").values_list("condition_id", flat=True)[:RECHECKED]
    return set(asked)


def _pause_vanished(venue: Venue, missing: set[str], now: datetime) -> None:
    """Stop trading markets that the venue lists nowhere any more, and say so; what became of them is not guessed."""
    rows = Market.objects.filter(venue=venue, condition_id__in=missing, state=MarketState.OPEN)
    gone = list(rows.values_list("condition_id", flat=True))
    if gone:
        rows.update(state=MarketState.PAUSED, fingerprint="", synced_at=now)
        issues.issues_record(
            venue,
            [ParseError("conditionId", "is listed nowhere any more", sample=c, source="gamma.market") for c in gone],
            now=now,
        )


def _watch_most_traded(venue: Venue) -> None:
    markets = Market.objects.filter(venue=venue, state=MarketState.OPEN, blocked_reason="")
    ids = list(markets.order_by("-volume_24h", "pk").values_list("pk", flat=True)[:WATCHED_MARKETS])
    watch_set(BACKGROUND, Outcome.objects.filter(market_id__in=ids).values_list("pk", flat=True))


def _report_failure(run: SyncRun, now: datetime) -> None:
    """Journal the first failure of a row of failures."""
    before = SyncRun.objects.filter(venue=run.venue, pk__lt=run.pk).order_by("-pk").first()
    if before is not None and before.error:
        return
    with transaction.atomic():
        event_record(
            "sync.failed",
            f"the catalogue of {run.venue} could not be read: {run.error}"[:500],
            severity=Severity.WARNING,
            subject_kind="venue",
            subject_id=run.venue,
            payload={"kind": run.kind, "error": run.error},
            now=now,
        )
