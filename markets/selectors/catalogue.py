"""What is listed: market facts for the core, querysets for pages and the API.

`MarketFacts` are values with exact integers; querysets keep the database's Decimals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from markets.domain.instruments import Category, FeeSchedule, MarketFacts, MarketState, OutcomeFacts, Venue
from markets.domain.units import Price, Shares, micro_from_decimal
from markets.models import Event, Market, Outcome, SyncRun

ORDERS = {
    "volume": "-volume_24h",
    "liquidity": "-liquidity",
    "closes": "closes_at",
    "question": "question",
    "newest": "-opened_at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A market whose payouts are final: millionths of a dollar a share, by outcome id."""

    market_id: int
    condition_id: str
    question: str
    resolved_at: datetime
    payouts: Mapping[int, int]


def market_rows(**filters: Any) -> QuerySet[Market]:
    """Return markets with event, tags and outcomes ready to read, in two extra queries at most."""
    outcomes = Prefetch("outcomes", queryset=Outcome.objects.order_by("index"))
    return Market.objects.filter(**filters).select_related("event").prefetch_related(outcomes, "event__tags")


def market_facts(market_ids: Iterable[int]) -> dict[int, MarketFacts]:
    """Return the facts of each market that exists."""
    synced_at = _last_sync_at()
    return {m.pk: facts_from_row(m, synced_at=synced_at) for m in market_rows(pk__in=list(market_ids))}


def facts_by_outcome(outcome_ids: Iterable[int]) -> dict[int, MarketFacts]:
    """Return, for each outcome that exists, the facts of its market."""
    wanted = set(outcome_ids)
    synced_at = _last_sync_at()
    found: dict[int, MarketFacts] = {}
    for market in market_rows(pk__in=Outcome.objects.filter(pk__in=wanted).values("market_id")):
        facts = facts_from_row(market, synced_at=synced_at)
        found.update({o.outcome_id: facts for o in facts.outcomes if o.outcome_id in wanted})
    return found


def facts_by_condition(condition_ids: Iterable[str]) -> dict[str, MarketFacts]:
    """Return what the catalogue knows of these markets, by the venue's condition id; unknown ones are absent."""
    return {row.condition_id: facts_from_row(row) for row in market_rows(condition_id__in=list(condition_ids))}


def _last_sync_at() -> datetime | None:
    """Return when the last complete sync began: what it did not change, it confirmed."""
    done = SyncRun.objects.filter(error="", finished_at__isnull=False).order_by("-pk")
    return done.values_list("started_at", flat=True).first()


def facts_from_row(market: Market, *, synced_at: datetime | None = None) -> MarketFacts:
    """Return the row as facts, as old as its last change or the complete sync at `synced_at`, if that is later."""
    outcomes = tuple(
        OutcomeFacts(
            outcome_id=row.pk,
            token_id=row.token_id,
            index=row.index,
            label=row.label,
            payout=None if row.payout is None else Price(micro_from_decimal(row.payout)),
        )
        for row in market.outcomes.all()
    )
    fee = None
    if market.fee_known:
        fee = FeeSchedule(rate_ppm=market.fee_rate_ppm, exponent=market.fee_exponent, rebate_ppm=market.rebate_ppm)
    state = MarketState(market.state)
    if market.blocked_reason and state is MarketState.OPEN:
        state = MarketState.PAUSED  # an operator's or the drift sentinel's block counts as "takes no orders"
    return MarketFacts(
        market_id=market.pk,
        venue=Venue(market.venue),
        condition_id=market.condition_id,
        question=market.question,
        slug=market.slug,
        category=Category(market.category),
        state=state,
        tick=Price(micro_from_decimal(market.tick)),
        minimum_size=Shares(micro_from_decimal(market.minimum_size)),
        fee=fee,
        event_id=market.event_id,
        event_slug=market.event.slug,
        neg_risk=market.neg_risk,
        neg_risk_augmented=market.event.neg_risk_augmented,
        closes_at=market.closes_at,
        outcomes=outcomes,
        synced_at=max(market.synced_at, synced_at) if synced_at else market.synced_at,
        volume_24h=micro_from_decimal(market.volume_24h),
        liquidity=micro_from_decimal(market.liquidity),
        tags=tuple(tag.slug for tag in market.event.tags.all()),
        seconds_delay=market.seconds_delay,
        reward_rate_per_day=micro_from_decimal(market.reward_rate_per_day),
        reward_minimum_size=micro_from_decimal(market.reward_minimum_size),
        reward_maximum_spread=micro_from_decimal(market.reward_maximum_spread),
    )


def market_list(
    *,
    text: str = "",
    state: str = "",
    category: str = "",
    tag: str = "",
    event_slug: str = "",
    neg_risk: bool | None = None,
    order: str = "volume",
) -> QuerySet[Market]:
    """Return markets for lists; unknown orders fall back to volume. `text` looks in question, slug and event title."""
    rows = market_rows()
    if text:
        rows = rows.filter(Q(question__icontains=text) | Q(slug__icontains=text) | Q(event__title__icontains=text))
    if state:
        rows = rows.filter(state=state)
    if category:
        rows = rows.filter(category=category)
    if tag:
        rows = rows.filter(event__tags__slug=tag)
    if event_slug:
        rows = rows.filter(event__slug=event_slug)
    if neg_risk is not None:
        rows = rows.filter(neg_risk=neg_risk)
    return rows.order_by(ORDERS.get(order, ORDERS["volume"]), "pk")


def market_get(market_id: int) -> Market | None:
    return market_rows(pk=market_id).first()


def market_get_by_slug(slug: str) -> Market | None:
    return market_rows(slug=slug).first()


def outcome_ids_for_tokens(tokens: Iterable[str]) -> dict[str, int]:
    return dict(Outcome.objects.filter(token_id__in=list(tokens)).values_list("token_id", "pk"))


def tokens_for_outcomes(outcome_ids: Iterable[int]) -> dict[int, str]:
    return dict(Outcome.objects.filter(pk__in=list(outcome_ids)).values_list("pk", "token_id"))


def outcome_labels(outcome_ids: Iterable[int]) -> dict[int, str]:
    """Return "question · outcome" for messages and lists."""
    rows = Outcome.objects.filter(pk__in=list(outcome_ids)).values_list("pk", "market__question", "label")
    return {pk: f"{question} · {label}" for pk, question, label in rows}


def market_ids_open(**filters: Any) -> list[int]:
    """Return ids of markets that take orders, most traded first."""
    rows = Market.objects.filter(state=MarketState.OPEN, blocked_reason="", **filters)
    return list(rows.order_by("-volume_24h", "pk").values_list("pk", flat=True))


def event_market_ids(event_id: int) -> list[int]:
    """Return the markets of one event: the group a neg-risk exposure is counted over."""
    return list(Market.objects.filter(event_id=event_id).order_by("pk").values_list("pk", flat=True))


def event_rows() -> QuerySet[Event]:
    return Event.objects.prefetch_related("tags").order_by("-updated_at", "pk")


def resolved_since(cursor: datetime | None, *, limit: int = 500) -> list[Resolution]:
    """Return markets whose payouts became final at or after `cursor`, oldest first.

    The bound is inclusive, so a reader that stores the last `resolved_at` misses nothing and sees
    the last one twice: applying a resolution must be harmless when repeated.
    """
    rows = market_rows(state=MarketState.RESOLVED, resolved_at__isnull=False)
    if cursor is not None:
        rows = rows.filter(resolved_at__gte=cursor)
    return [resolution_from_row(market) for market in rows.order_by("resolved_at", "pk")[:limit]]


def resolutions_get(market_ids: Iterable[int]) -> dict[int, Resolution]:
    """Return the final payouts of those of the markets that are resolved."""
    rows = market_rows(pk__in=list(market_ids), state=MarketState.RESOLVED, resolved_at__isnull=False)
    return {market.pk: resolution_from_row(market) for market in rows}


def resolution_from_row(market: Market) -> Resolution:
    payouts = {o.pk: micro_from_decimal(o.payout) for o in market.outcomes.all() if o.payout is not None}
    assert market.resolved_at is not None  # noqa: S101 - both queries ask for it
    return Resolution(
        market_id=market.pk,
        condition_id=market.condition_id,
        question=market.question,
        resolved_at=market.resolved_at,
        payouts=payouts,
    )
