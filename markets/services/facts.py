"""Facts of traded markets, asked every 20 s where orders are sent to (I14: at most 60 s old when one leaves).

The catalogue stays the record. What the venue says otherwise here is a drift of that market; only a tick, which
changes in the ordinary life of a market, is taken over, and a market that takes no orders is paused at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError
from django.db.models import Q

from markets.domain.instruments import FeeSchedule, MarketState, Venue, fee_words
from markets.domain.units import micro_from_decimal, text_from_micro
from markets.models import Market, Watch
from markets.selectors.watch import BACKGROUND
from markets.services import drift, history, issues
from markets.services.locks import alone
from markets.venues.base import FactChange, FactsSource, ParseError, TradedFacts, VenueError
from markets.venues.registry import FACTS

log = logging.getLogger(__name__)
MOST_MARKETS = 150
TIME_LIMIT_S = 17.0
SOURCE = "rest.clob_market"


@dataclass(slots=True)
class FactsRead:
    """What one round came to."""

    asked: int = 0
    confirmed: int = 0
    changed: int = 0
    failed: int = 0


def traded_facts_refresh(
    venue: Venue, *, now: datetime, source: FactsSource | None = None, clock: Callable[[], float] = time.monotonic
) -> FactsRead:
    """Ask for the facts of every market that somebody trades, the oldest first; return how it went."""
    result = FactsRead()
    if venue not in FACTS and source is None:
        return result
    with alone(f"facts:{venue}") as free:
        if not free:
            return result
        asked = source or FACTS[venue]()
        until = clock() + TIME_LIMIT_S
        for market in traded_rows(venue, now=now):
            if clock() > until:
                break
            _refresh(venue, market, asked, result, now)
        drift.ticks_settle(now)
    return result


def traded_rows(venue: Venue, *, now: datetime) -> list[Market]:
    """Return markets with somebody behind them (a strategy, an order, a position, a page) that may take orders."""
    watched = Watch.objects.filter(Q(until__isnull=True) | Q(until__gt=now)).exclude(reason=BACKGROUND)
    rows = Market.objects.filter(
        venue=venue, pk__in=watched.values("outcome__market_id"), state__in=[MarketState.OPEN, MarketState.PAUSED]
    )
    return list(rows.order_by("synced_at", "pk")[:MOST_MARKETS])


def _refresh(venue: Venue, market: Market, source: FactsSource, result: FactsRead, now: datetime) -> None:
    result.asked += 1
    try:
        facts = source.facts_get(market.condition_id)
    except ParseError as error:
        issues.issues_record(venue, [error], now=now)
        result.failed += 1
        return
    except VenueError as error:
        log.warning("facts not read", extra={"market": market.pk, "problem": str(error)[:200]})
        result.failed += 1
        return
    try:
        drift.drifted_note(venue, facts.drifted, now=now)
        changes = facts_compare(market, facts)
        others = [change for change in changes if change.field != drift.TICK]
        result.changed += drift.facts_note(venue, others, source=SOURCE, now=now)
        if len(others) < len(changes):
            history.ticks_record([(market.pk, facts.tick)], source=SOURCE)
            result.changed += 1
        _confirm(market, facts, now)
        result.confirmed += 1
    except DatabaseError as error:  # the catalogue sync writes the same rows: the next round is soon
        log.warning("facts not stored", extra={"market": market.pk, "problem": type(error).__name__})
        result.failed += 1


def facts_compare(market: Market, facts: TradedFacts) -> list[FactChange]:
    """Return what the venue says otherwise than the catalogue."""
    pairs: list[tuple[str, str, str]] = [
        (drift.TICK, text_from_micro(micro_from_decimal(market.tick)), text_from_micro(facts.tick)),
        (
            "minimum_size",
            text_from_micro(micro_from_decimal(market.minimum_size)),
            text_from_micro(facts.minimum_size),
        ),
        ("neg_risk", str(market.neg_risk).lower(), str(facts.neg_risk).lower()),
    ]
    if market.fee_known and facts.fee is not None:
        ours = FeeSchedule(rate_ppm=market.fee_rate_ppm, exponent=market.fee_exponent)
        pairs.append(("fee", fee_words(ours), fee_words(facts.fee)))
    return [
        FactChange(market_id=market.pk, field=name, before=before, after=after)
        for name, before, after in pairs
        if before != after
    ]


def _confirm(market: Market, facts: TradedFacts, now: datetime) -> None:
    rows = Market.objects.filter(pk=market.pk)
    if not facts.accepting and market.state == MarketState.OPEN:
        rows.update(state=MarketState.PAUSED, synced_at=now)
        return
    if facts.accepting and market.state == MarketState.PAUSED:
        rows.update(fingerprint="")  # the next catalogue sync decides whether it is open again
    rows.update(synced_at=now)
