"""Stored candles and trades, for charts, lists and rings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import QuerySet

from markets.domain.rings import MINUTES
from markets.domain.units import micro_from_decimal
from markets.domain.views import Sample
from markets.models import Candle, TradePrint, VenueIssue


def candle_list(
    outcome_id: int, *, period_s: int = 60, since: datetime | None = None, until: datetime | None = None
) -> QuerySet[Candle]:
    """Return candles oldest first. Minutes without an update, and gaps, have none."""
    rows = Candle.objects.filter(outcome_id=outcome_id, period_s=period_s)
    if since:
        rows = rows.filter(opens_at__gte=since)
    if until:
        rows = rows.filter(opens_at__lt=until)
    return rows.order_by("opens_at")


def trade_list(outcome_ids: Iterable[int], *, since: datetime | None = None) -> QuerySet[TradePrint]:
    """Return public trades newest first."""
    rows = TradePrint.objects.filter(outcome_id__in=list(outcome_ids))
    if since:
        rows = rows.filter(at__gte=since)
    return rows.order_by("-at", "-pk")


def minute_samples(outcome_id: int, *, now: datetime) -> list[Sample]:
    """Return the last day's candles as ring samples: what a minute ring would hold had Redis kept it."""
    since = now - timedelta(minutes=MINUTES.count)
    rows = candle_list(outcome_id, since=since).values_list("opens_at", "close", "volume")
    return [
        Sample(
            at_ms=int(at.timestamp() * 1000),
            mid=micro_from_decimal(close),
            microprice=micro_from_decimal(close),
            traded=micro_from_decimal(volume),
        )
        for at, close, volume in rows
    ]


def issue_list() -> QuerySet[VenueIssue]:
    """Return what venues sent that is not understood, latest first."""
    return VenueIssue.objects.filter(acknowledged_at__isnull=True).order_by("-last_at")
