"""Rows and values of the data stage, made with as few words as a test needs."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from markets.domain.instruments import Category, MarketState, Venue
from markets.domain.views import BookView
from markets.models import Event, Market, Outcome

_numbers = itertools.count(1)
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def event_make(**values: Any) -> Event:
    n = next(_numbers)
    fields = {
        "venue": Venue.POLYMARKET,
        "venue_id": f"e{n}",
        "slug": f"event-{n}",
        "title": f"Event {n}",
        "category": Category.POLITICS,
        "updated_at": AT,
    }
    return Event.objects.create(**{**fields, **values})


def market_make(*, event: Event | None = None, labels: tuple[str, str] = ("Yes", "No"), **values: Any) -> Market:
    """Return an open binary market with its two outcomes; `market.outcomes` has them by index."""
    n = next(_numbers)
    event = event or event_make()
    fields = {
        "event": event,
        "venue": Venue.POLYMARKET,
        "venue_id": f"m{n}",
        "condition_id": f"0x{n:064x}",
        "slug": f"market-{n}",
        "question": f"Will thing {n} happen?",
        "category": event.category,
        "state": MarketState.OPEN,
        "neg_risk": event.neg_risk,
        "tick": Decimal("0.01"),
        "minimum_size": Decimal(5),
        "fee_known": True,
        "fee_rate_ppm": 40_000,
        "rebate_ppm": 250_000,
        "synced_at": AT,
    }
    market = Market.objects.create(**{**fields, **values})
    for index, label in enumerate(labels):
        Outcome.objects.create(market=market, index=index, label=label, token_id=f"{n:060d}{index}")
    return market


def outcome_make(*, index: int = 0, **values: Any) -> Outcome:
    """Return one outcome of a new market; `values` are the market's."""
    return market_make(**values).outcomes.get(index=index)


def book_make(outcome_id: int, *, bid: int | None = 480_000, ask: int | None = 520_000, **values: Any) -> BookView:
    """Return a live book with one level a side, confirmed at AT."""
    at_ms = int(AT.timestamp() * 1000)
    fields = {
        "bids": ((bid, 100_000_000),) if bid else (),
        "asks": ((ask, 100_000_000),) if ask else (),
        "seq": 1,
        "epoch": "1",
        "venue_ms": at_ms,
        "received_ms": at_ms,
        "confirmed_ms": at_ms,
    }
    return BookView(outcome_id=outcome_id, **{**fields, **values})
