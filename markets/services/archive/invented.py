"""Facts of a market of which a recording tells little: what is not told is assumed openly, or left unknown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from markets.domain.instruments import Category, FeeSchedule, MarketFacts, MarketState, OutcomeFacts, Venue
from markets.domain.units import Price, Shares
from markets.selectors.archive.manifest import number_of

TICK, MINIMUM_SIZE = 10_000, 5_000_000  # what most markets have had since 2023
_EPOCH = datetime.fromtimestamp(0, tz=UTC)
_SPORTS = re.compile(
    r"\b(mlb|nba|nfl|nhl|wnba|mls|epl|lal|bun|sea|fl1|ucl|uel|cfb|cbb|ufc|atp|wta|lol|cs2|dota2|val|fifa|f1|sports)\b"
)
_CRYPTO = re.compile(r"\b(btc|eth|sol|xrp|doge|bnb|bitcoin|ethereum|solana|crypto)\b")

# Facts that a catalogue knows of these condition ids
Known = Callable[[Sequence[str]], Mapping[str, MarketFacts]]


def unknown_to_all(_: Sequence[str]) -> Mapping[str, MarketFacts]:
    """A catalogue that knows nothing."""
    return {}


def category_named(text: str) -> Category | None:
    """Return the category that a source names, if it is one of ours."""
    try:
        return Category(text.lower())
    except ValueError:
        return None


def category_guessed(slug: str, tags: Sequence[str] = ()) -> Category:
    """Return the fee category that a slug's words or tags stand for; anything else is OTHER."""
    words = f"{slug} {' '.join(tags)}".lower()
    if _CRYPTO.search(words):
        return Category.CRYPTO
    if _SPORTS.search(words):
        return Category.SPORTS
    return next((category for category in Category if category.value in words), Category.OTHER)


def facts_invented(
    *,
    condition_id: str,
    slug: str = "",
    question: str = "",
    labels: Sequence[str] = (),
    tokens: Sequence[str] = (),
    category: Category | None = None,
    tick: int = TICK,
    minimum_size: int = MINIMUM_SIZE,
    tags: Sequence[str] = (),
    event: str = "",
    neg_risk: bool = False,
    closes_at: datetime | None = None,
    fee: FeeSchedule | None = None,
    venue: Venue = Venue.POLYMARKET,
    seconds_delay: int = 0,
    **others: Any,
) -> MarketFacts:
    """Return facts of a market with two outcomes. `fee` None is "unknown"; other unknowns are the venue's usual."""
    labels = [*labels, *(("Yes", "No")[len(labels) :])][:2]
    event = event or slug or condition_id
    return MarketFacts(
        market_id=1,
        venue=venue,
        condition_id=condition_id,
        question=question or slug or condition_id,
        slug=slug,
        category=category or category_guessed(slug, tags),
        state=MarketState.OPEN,
        tick=Price(tick),
        minimum_size=Shares(minimum_size),
        fee=fee,
        event_id=number_of(event),
        event_slug=event,
        neg_risk=neg_risk,
        neg_risk_augmented=bool(others.get("neg_risk_augmented")),
        closes_at=closes_at,
        outcomes=tuple(
            OutcomeFacts(
                outcome_id=index + 1,
                token_id=tokens[index] if index < len(tokens) else f"{condition_id}:{index}",
                index=index,
                label=label,
            )
            for index, label in enumerate(labels)
        ),
        synced_at=_EPOCH,
        volume_24h=0,
        liquidity=0,
        tags=tuple(tags),
        seconds_delay=seconds_delay,
    )
