"""What the feed should listen to now, with the facts it needs to keep a book."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from markets.domain.instruments import MarketState, Venue
from markets.domain.units import micro_from_decimal
from markets.models import Outcome, Watch

BACKGROUND = "top"  # listened to for the overview; every other reason has somebody behind it


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedOutcome:
    """`urgent`: a strategy, an order, a position or a page depends on it, so it is confirmed more often."""

    outcome_id: int
    market_id: int
    token_id: str
    condition_id: str
    tick: int
    minimum_size: int
    neg_risk: bool
    takes_orders: bool
    urgent: bool
    label: str


def watched_outcomes(venue: Venue, *, now: datetime) -> dict[int, WatchedOutcome]:
    """Return everything with a live reason to be watched, unresolved, by outcome id."""
    live = Watch.objects.filter(Q(until__isnull=True) | Q(until__gt=now))
    urgent = set(live.exclude(reason=BACKGROUND).values_list("outcome_id", flat=True))
    rows = (
        Outcome.objects.filter(pk__in=live.values("outcome_id"), market__venue=venue)
        .exclude(market__state=MarketState.RESOLVED)
        .select_related("market")
    )
    return {
        row.pk: WatchedOutcome(
            outcome_id=row.pk,
            market_id=row.market_id,
            token_id=row.token_id,
            condition_id=row.market.condition_id,
            tick=_micro(row.market.tick),
            minimum_size=_micro(row.market.minimum_size),
            neg_risk=row.market.neg_risk,
            takes_orders=row.market.state == MarketState.OPEN,
            urgent=row.pk in urgent,
            label=f"{row.market.question} · {row.label}"[:240],
        )
        for row in rows
    }


def watched_ids(*, now: datetime) -> set[int]:
    """Return every outcome with a live reason to be watched, whatever the state of its market."""
    live = Watch.objects.filter(Q(until__isnull=True) | Q(until__gt=now))
    return set(live.values_list("outcome_id", flat=True))


def watch_reasons(outcome_id: int) -> list[str]:
    return list(Watch.objects.filter(outcome_id=outcome_id).order_by("reason").values_list("reason", flat=True))


def watch_count() -> int:
    return Watch.objects.values("outcome_id").distinct().count()


def _micro(value: Decimal) -> int:
    return micro_from_decimal(value)
