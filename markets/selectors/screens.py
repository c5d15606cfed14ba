"""What the desk's pages read of markets: rows, quotes, books, price history, sync runs, issues.

Prices of books and quotes are integer millionths as the tickstore keeps them; rows keep Decimals.
Without Redis the quotes are empty and the pages say so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from markets.domain.events import TradePrint
from markets.domain.views import BookView, Mark
from markets.models import Candle, Event, Market, Outcome, SyncRun, VenueIssue, Watch
from markets.selectors.catalogue import market_rows
from markets.tickstore import TickstoreUnavailable, get_tickstore

log = logging.getLogger(__name__)
CHART_POINTS = 360


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePoint:
    """Mid price in dollars as a float, for pictures only; `traded` in shares."""

    at: datetime
    price: float
    traded: float


def marks(outcome_ids: Iterable[int]) -> dict[int, Mark]:
    try:
        return get_tickstore().marks_get(set(outcome_ids))
    except TickstoreUnavailable as error:
        log.warning("no quotes", extra={"problem": str(error)[:200]})
        return {}


def books(outcome_ids: Iterable[int]) -> dict[int, BookView]:
    try:
        return get_tickstore().books_get(set(outcome_ids))
    except TickstoreUnavailable as error:
        log.warning("no books", extra={"problem": str(error)[:200]})
        return {}


def tape(outcome_id: int, *, count: int = 20) -> tuple[TradePrint, ...]:
    """Return recent public trades, newest first."""
    try:
        return get_tickstore().trades_get(outcome_id, count)
    except TickstoreUnavailable:
        return ()


def feed_status() -> dict[str, Any]:
    try:
        return get_tickstore().feed_status_get()
    except TickstoreUnavailable:
        return {}


def sparks(outcome_ids: Iterable[int], *, points: int = 24) -> dict[int, list[float]]:
    """Return the mids of the last hours per outcome, thinned for sparklines."""
    try:
        rings = get_tickstore().samples_get_many(set(outcome_ids), period_s=60, count=240)
    except TickstoreUnavailable:
        return {}
    out = {}
    for outcome_id, samples in rings.items():
        mids = [sample.mid / 1e6 for sample in samples if sample.mid]
        out[outcome_id] = mids[:: max(1, len(mids) // points)]
    return out


def price_series(outcome_id: int, *, since: datetime, now: datetime) -> list[PricePoint]:
    """Return mids since then, oldest first: one-second samples for a short span, minute candles otherwise."""
    span = now - since
    if span <= timedelta(minutes=15):
        points = _samples(outcome_id, period_s=1, count=int(span.total_seconds()))
    else:
        points = _candles(outcome_id, since=since)
        if span <= timedelta(hours=24):
            # The newest minutes are in the ring before they are candles.
            last = points[-1].at if points else since
            recent = _samples(outcome_id, period_s=60, count=int(span.total_seconds() // 60))
            points += [point for point in recent if point.at > last]
        if not points:
            points = _samples(outcome_id, period_s=1, count=900)
    step = max(1, len(points) // CHART_POINTS)
    return points[:-1:step] + points[-1:]


def _samples(outcome_id: int, *, period_s: int, count: int) -> list[PricePoint]:
    try:
        samples = get_tickstore().samples_get(outcome_id, period_s=period_s, count=max(1, count))
    except TickstoreUnavailable:
        return []
    return [
        PricePoint(
            at=datetime.fromtimestamp(sample.at_ms / 1000, tz=UTC), price=sample.mid / 1e6, traded=sample.traded / 1e6
        )
        for sample in samples
        if sample.mid
    ]


def _candles(outcome_id: int, *, since: datetime) -> list[PricePoint]:
    rows = Candle.objects.filter(outcome_id=outcome_id, opens_at__gte=since).order_by("opens_at", "period_s")
    points: dict[datetime, PricePoint] = {}
    for opens_at, close, volume in rows.values_list("opens_at", "close", "volume"):
        points.setdefault(opens_at, PricePoint(at=opens_at, price=float(close), traded=float(volume)))
    return list(points.values())


def market_get(market_id: int) -> Market | None:
    return market_rows(pk=market_id).first()


def group_of(market: Market) -> list[Market]:
    """Return the markets of the same event, most traded first; one entry when it stands alone."""
    return list(market_rows(event_id=market.event_id).order_by("-volume_24h", "pk"))


def market_counts(rows: QuerySet[Market]) -> dict[str, int]:
    """Return how many of `rows` there are per state."""
    return dict(rows.order_by().values_list("state").annotate(n=Count("id")))


def categories() -> list[tuple[str, int]]:
    return list(Market.objects.order_by().values_list("category").annotate(n=Count("id")).order_by("-n", "category"))


def labels(outcome_ids: Iterable[int]) -> dict[int, Outcome]:
    """Return outcomes with market and event, for naming things in lists."""
    rows = Outcome.objects.filter(pk__in=set(outcome_ids)).select_related("market", "market__event")
    return {row.pk: row for row in rows}


def markets_by_id(market_ids: Iterable[int]) -> dict[int, Market]:
    return {row.pk: row for row in Market.objects.filter(pk__in=set(market_ids)).select_related("event")}


def event_titles(event_ids: Iterable[int]) -> dict[int, tuple[str, int | None]]:
    """Return each event's title and its most traded market, for a link."""
    titles = dict(Event.objects.filter(pk__in=list(event_ids)).values_list("pk", "title"))
    rows = Market.objects.filter(event_id__in=titles).order_by("event_id", "-volume_24h", "pk")
    first = dict(rows.distinct("event_id").values_list("event_id", "pk"))
    return {event_id: (title, first.get(event_id)) for event_id, title in titles.items()}


def last_sync_at() -> datetime | None:
    """Return when the catalogue was last confirmed without an error."""
    done = SyncRun.objects.filter(finished_at__isnull=False, error="")
    return done.aggregate(at=Max("finished_at"))["at"]


def sync_rows() -> QuerySet[SyncRun]:
    return SyncRun.objects.order_by("-id")


def issue_rows() -> QuerySet[VenueIssue]:
    return VenueIssue.objects.order_by("acknowledged_at", "-last_at")


def catalogue_totals() -> dict[str, int]:
    return {
        "events": Event.objects.count(),
        "markets": Market.objects.count(),
        "open": Market.objects.filter(state="open").count(),
        "outcomes": Outcome.objects.count(),
    }


def watch_totals(now: datetime) -> list[tuple[str, int]]:
    """Return how many outcomes each kind of reason watches now."""
    rows = Watch.objects.filter(Q(until__isnull=True) | Q(until__gt=now)).values_list("reason", flat=True)
    totals: dict[str, int] = {}
    for reason in rows:
        kind = reason.partition(":")[0]
        totals[kind] = totals.get(kind, 0) + 1
    return sorted(totals.items(), key=lambda item: -item[1])


def is_watched(outcome_id: int, now: datetime) -> bool:
    live = Watch.objects.filter(Q(until__isnull=True) | Q(until__gt=now), outcome_id=outcome_id)
    return live.exists()
