"""What is known of everything that must be well before an order leaves, gathered for `orders.domain.readiness`.

Reads five small tables and, where an outcome is named, one book from the tickstore. Fit for the inside
of a transaction: nothing here waits for a venue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from markets.domain.instruments import MarketFacts
from markets.domain.views import BookStatus, BookView
from markets.selectors.ahead import market_facts_ahead
from markets.selectors.catalogue import market_facts
from markets.selectors.drift import blocked_get, blocked_markets
from markets.tickstore import TickstoreUnavailable, get_tickstore
from orders.domain.lifecycle import Environment
from orders.domain.readiness import LiveConditions
from orders.models import Account, ExternalOrder, HeartbeatState, StreamState, VenueCondition

_ahead: dict[int, tuple[float, LiveConditions]] = {}


def conditions_get(account_id: int, *, market_id: int | None = None, outcome_id: int | None = None) -> LiveConditions:
    """Return what was last measured. `market_id` adds the market's facts and blocks, `outcome_id` its book."""
    account = Account.objects.get(pk=account_id)
    environment = Environment(account.environment)
    if environment is Environment.PAPER:
        return LiveConditions(account_id=account_id, environment=environment)
    venue = VenueCondition.objects.filter(venue=account.venue, environment=account.environment).first()
    stream = StreamState.objects.filter(pk=account_id).first()
    heartbeat = HeartbeatState.objects.filter(pk=account_id).first()
    foreign = list(foreign_orders(account_id).values_list("venue_order_id", flat=True))
    blocked = blocked_get(account.venue, market_id)
    return LiveConditions(
        account_id=account_id,
        environment=environment,
        connection=account.connection,
        connection_note=account.connection_note,
        stream_alive_at=stream.last_alive_at if stream else None,
        stream_note=stream.note if stream else "",
        reconciled_at=account.reconciled_at,
        clock_offset_ms=venue.clock_offset_ms if venue else None,
        clock_at=venue.clock_at if venue else None,
        blocked=venue.blocked if venue else None,
        country=venue.country if venue else "",
        blocked_at=venue.blocked_at if venue else None,
        mode=venue.mode if venue else "",
        mode_until=venue.mode_until if venue else None,
        foreign_orders=len(foreign),
        foreign_order=foreign[0] if foreign else "",
        heartbeat_wanted=heartbeat is not None and heartbeat.wanted,
        heartbeat_at=heartbeat.last_ok_at if heartbeat else None,
        venue_block=blocked.venue,
        market_block=blocked.market,
        **_market(market_id),
        **_book(outcome_id),
    )


def conditions_ahead(account_id: int) -> LiveConditions:
    """Return the account's conditions as read at most `settings.READ_AHEAD_S` ago by this process.

    They hold moments, not ages, so what is judged from them only ever looks older than it is.
    """
    if not settings.READ_AHEAD_S:
        return conditions_get(account_id)
    now = monotonic()
    held = _ahead.get(account_id)
    if held is None or held[0] < now - settings.READ_AHEAD_S:
        _ahead[account_id] = held = (now, conditions_get(account_id))
    return held[1]


def conditions_by_outcome(account_id: int, venue: str, outcomes: Mapping[int, int]) -> dict[int, LiveConditions]:
    """Return the conditions of several outcomes (outcome id to market id): the account's once, books read now."""
    known = conditions_ahead(account_id)
    if known.environment is Environment.PAPER:
        return dict.fromkeys(outcomes, known)
    facts = market_facts_ahead(outcomes.values())
    blocks = blocked_markets(venue, outcomes.values())
    books = _books(list(outcomes))
    return {
        outcome_id: replace(
            known,
            market_block=blocks.get(market_id, ""),
            **_market_known(facts.get(market_id)),
            **_book_known(books.get(outcome_id)),
        )
        for outcome_id, market_id in outcomes.items()
    }


def foreign_orders(account_id: int) -> QuerySet[ExternalOrder]:
    """Return the orders of the account's wallet that we did not make and nobody acknowledged, oldest first."""
    return ExternalOrder.objects.filter(account_id=account_id, acknowledged_at=None).order_by("pk")


def venue_conditions() -> QuerySet[VenueCondition]:
    return VenueCondition.objects.order_by("venue", "environment")


def _market(market_id: int | None) -> dict[str, Any]:
    return {} if market_id is None else _market_known(market_facts([market_id]).get(market_id))


def _market_known(facts: MarketFacts | None) -> dict[str, Any]:
    return {
        "has_market": True,
        "market_state": facts.state if facts else None,
        "market_synced_at": facts.synced_at if facts else None,
    }


def _book(outcome_id: int | None) -> dict[str, Any]:
    return {} if outcome_id is None else _book_known(_books([outcome_id]).get(outcome_id))


def _books(outcome_ids: Sequence[int]) -> dict[int, BookView]:
    """Return the books that there are. A store that does not answer is a book that nobody confirmed."""
    try:
        return get_tickstore().books_get(outcome_ids)
    except (TickstoreUnavailable, OSError):
        return {}


def _book_known(book: BookView | None) -> dict[str, Any]:
    known = book is not None and book.status is not BookStatus.MISSING and bool(book.confirmed_ms)
    return {
        "has_book": True,
        "book_is_live": book is not None and book.status is BookStatus.LIVE,
        "book_confirmed_ms": book.confirmed_ms if known and book is not None else None,
    }
