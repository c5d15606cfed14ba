"""What a signed order needs to know of its market, for many outcomes in one query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from markets.domain.instruments import MarketState
from markets.domain.units import micro_from_decimal
from markets.models import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeTerms:
    """The identity of one outcome at its venue, and the tick that its amounts are made for (millionths)."""

    outcome_id: int
    market_id: int
    token_id: str
    condition_id: str
    neg_risk: bool
    tick: int
    state: MarketState
    closes_at: datetime | None


def outcome_terms(outcome_ids: Iterable[int]) -> dict[int, OutcomeTerms]:
    """Return the terms of each outcome that exists."""
    rows = Outcome.objects.filter(pk__in=set(outcome_ids)).values_list(
        "pk",
        "market_id",
        "token_id",
        "market__condition_id",
        "market__neg_risk",
        "market__tick",
        "market__state",
        "market__closes_at",
    )
    return {
        pk: OutcomeTerms(
            outcome_id=pk,
            market_id=market_id,
            token_id=token_id,
            condition_id=condition_id,
            neg_risk=neg_risk,
            tick=micro_from_decimal(tick),
            state=MarketState(state),
            closes_at=closes_at,
        )
        for pk, market_id, token_id, condition_id, neg_risk, tick, state, closes_at in rows
    }
