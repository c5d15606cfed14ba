"""What a signed order needs to know of its market, from facts fetched ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markets.selectors.ahead import market_facts_ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeTerms:
    """The identity of one outcome at its venue, and the tick that its amounts are made for (millionths)."""

    outcome_id: int
    market_id: int
    token_id: str
    condition_id: str
    neg_risk: bool
    tick: int


def outcome_terms(outcomes: Mapping[int, int]) -> dict[int, OutcomeTerms]:
    """Return the terms of each outcome that exists; `outcomes` maps outcome ids to market ids."""
    facts = market_facts_ahead(outcomes.values())
    return {
        outcome_id: OutcomeTerms(
            outcome_id=outcome_id,
            market_id=market_id,
            token_id=facts[market_id].outcome(outcome_id).token_id,
            condition_id=facts[market_id].condition_id,
            neg_risk=facts[market_id].neg_risk,
            tick=facts[market_id].tick,
        )
        for outcome_id, market_id in outcomes.items()
        if market_id in facts
    }
