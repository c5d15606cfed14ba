"""Random entry: buys a random side at a random moment, once per market, and holds it to the end.

A yardstick like the longshots. Its draws are made from the seed, the market and the time, so the same recording gives
the same entries, whatever else is in it. State: the markets it has asked in.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import cast

from markets.domain.instruments import MarketFacts
from markets.domain.units import ONE
from orders.domain.intents import OrderIntent
from strategies.domain.base import Base, Decision, Resolved, State, TradingParameters
from strategies.domain.parameters import Amount, Count, micro, param
from strategies.domain.taking import offered_at, take_offer
from strategies.domain.trace import TraceEntry
from strategies.domain.view import MarketView


class RandomEntryParameters(TradingParameters):
    seed: Count = param(
        0, title="Seed", help="Another seed draws other entries.", unit="number", ge=0, le=1_000_000_000
    )
    chance: Amount = param(
        Decimal("0.02"), title="Chance", help="Of entering a market in one period.", unit="share", ge=0, le=1
    )
    period_s: Count = param(
        10, title="Period", help="How often the dice are thrown per market.", unit="s", ge=1, le=86_400
    )
    size: Amount = param(
        Decimal(20), title="Size", help="Shares of one purchase.", unit="shares", ge=1, le=100_000, places=2
    )
    lowest_price: Amount = param(
        Decimal("0.02"), title="Lowest price", help="Outcomes offered below it are not bought.",
        unit="usd/share", ge=0, le=1,
    )  # fmt: skip
    highest_price: Amount = param(
        Decimal("0.98"), title="Highest price", help="Outcomes offered above it are not bought.",
        unit="usd/share", ge=0, le=1,
    )  # fmt: skip
    slippage_bps: Count = param(
        100, title="Slippage", help="How much above the best ask an order may trade; the gate caps it too.",
        unit="bps", ge=0, le=1_000,
    )  # fmt: skip
    maximum_book_age_s: Count = param(
        3, title="Maximum book age", help="Older books are not bought from.", unit="s", ge=1, le=60
    )


class RandomEntry(Base):
    name = "random_entry"
    title = "Random entry"
    description = "Buys a random side once per market and holds it. A yardstick that should lose what it pays."
    params = RandomEntryParameters

    def decide(self, view: MarketView) -> Decision:
        params = cast(RandomEntryParameters, view.params)
        asked: list[int] = list(view.state.get("asked", ()))
        intents: list[OrderIntent] = []
        trace: list[TraceEntry] = []
        for facts in view.markets.values():
            if facts.market_id in asked:
                continue
            drawn, second = _dice(params.seed, facts, view.now_ms // (1000 * params.period_s))
            if drawn >= micro(params.chance):
                trace.append(TraceEntry("not_drawn", False, outcome_id=facts.outcomes[0].outcome_id))
                continue
            outcome_id = facts.outcomes[second % len(facts.outcomes)].outcome_id
            found = offered_at(view, facts, outcome_id, oldest_s=params.maximum_book_age_s)
            if isinstance(found, TraceEntry):
                trace.append(found)
                continue
            low, high = micro(params.lowest_price), micro(params.highest_price)
            if not low <= found <= high:
                bound = low if found < low else high
                trace.append(TraceEntry("price_out_of_range", False, found, bound, "price", outcome_id))
                continue
            asked.append(facts.market_id)
            intents.append(
                take_offer(
                    facts,
                    outcome_id,
                    ask=found,
                    size=micro(params.size),
                    slippage_bps=params.slippage_bps,
                    reason="drawn",
                )
            )
        return Decision(intents=tuple(intents), trace=tuple(trace), state={"asked": asked} if intents else None)

    def on_resolved(self, state: State, resolved: Resolved) -> State:
        return {"asked": [market_id for market_id in state.get("asked", ()) if market_id != resolved.market_id]}


def _dice(seed: int, facts: MarketFacts, period: int) -> tuple[int, int]:
    """Return a number below one million and another one, the same whenever asked again."""
    digest = hashlib.sha256(f"{seed}:{facts.condition_id}:{period}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * ONE >> 64, int.from_bytes(digest[8:16], "big")
