"""What a recording says of its markets in its first line, so that a replay need not invent it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from markets.domain.instruments import MarketState
from markets.domain.units import micro_from_decimal
from markets.models import Market
from markets.selectors.catalogue import market_rows


def recorded_facts(condition_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Return the facts of the markets, as JSON holds them. Leaves no connection open: it is asked once an hour."""
    try:
        return [_facts(market) for market in market_rows(condition_id__in=list(condition_ids))]
    finally:
        if not connection.in_atomic_block:
            connection.close()


def _facts(market: Market) -> dict[str, Any]:
    outcomes = list(market.outcomes.all())
    return {
        "condition_id": market.condition_id,
        "slug": market.slug,
        "question": market.question,
        "outcomes": [outcome.label for outcome in outcomes],
        "token_ids": [outcome.token_id for outcome in outcomes],
        "tick": f"{market.tick.normalize():f}",
        "minimum_size": f"{market.minimum_size.normalize():f}",
        "neg_risk": market.neg_risk,
        "category": str(market.category),
    }


def results_known(condition_ids: Iterable[str]) -> dict[str, tuple[datetime, tuple[int, ...]]]:
    """Return when each of the markets that are resolved was, and what a share of each outcome paid (millionths)."""
    rows = market_rows(condition_id__in=list(condition_ids), state=MarketState.RESOLVED, resolved_at__isnull=False)
    found = {}
    for market in rows:
        payouts = [o.payout for o in market.outcomes.all()]
        if market.resolved_at is not None and None not in payouts:
            known = tuple(micro_from_decimal(payout) for payout in payouts if payout is not None)
            found[market.condition_id] = (market.resolved_at, known)
    return found
