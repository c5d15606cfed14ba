"""Blind longshots: buys whatever is offered cheaply, once per market, and holds it to the end.

It knows nothing and is here as a yardstick: whatever a backtest says of other strategies, it must say of this one that
it loses about what it pays. State: the markets it has asked in.
"""

from __future__ import annotations

from decimal import Decimal
from typing import cast

from orders.domain.intents import OrderIntent
from strategies.domain.base import Base, Decision, Resolved, State, TradingParameters
from strategies.domain.parameters import Amount, Count, micro, param
from strategies.domain.taking import offered_at, take_offer
from strategies.domain.trace import TraceEntry
from strategies.domain.view import MarketView


class LongshotsParameters(TradingParameters):
    highest_price: Amount = param(
        Decimal("0.2"), title="Highest price", help="Outcomes offered above it are not bought.",
        unit="usd/share", ge="0.001", le=1, sweep=("0.05", "0.3", "0.05"),
    )  # fmt: skip
    lowest_price: Amount = param(
        Decimal("0.01"), title="Lowest price", help="Outcomes offered below it are not bought.",
        unit="usd/share", ge=0, le=1,
    )  # fmt: skip
    size: Amount = param(
        Decimal(20), title="Size", help="Shares of one purchase.", unit="shares", ge=1, le=100_000, places=2
    )
    slippage_bps: Count = param(
        100, title="Slippage", help="How much above the best ask an order may trade; the gate caps it too.",
        unit="bps", ge=0, le=1_000,
    )  # fmt: skip
    maximum_book_age_s: Count = param(
        3, title="Maximum book age", help="Older books are not bought from.", unit="s", ge=1, le=60
    )


class Longshots(Base):
    name = "longshots"
    title = "Blind longshots"
    description = "Buys any outcome offered below a price, once per market, and holds it. A yardstick that should lose."
    params = LongshotsParameters

    def decide(self, view: MarketView) -> Decision:
        params = cast(LongshotsParameters, view.params)
        low, high = micro(params.lowest_price), micro(params.highest_price)
        asked: list[int] = list(view.state.get("asked", ()))
        intents: list[OrderIntent] = []
        trace: list[TraceEntry] = []
        for facts in view.markets.values():
            if facts.market_id in asked:
                continue
            for outcome in facts.outcomes:
                found = offered_at(view, facts, outcome.outcome_id, oldest_s=params.maximum_book_age_s)
                if isinstance(found, TraceEntry):
                    trace.append(found)
                    continue
                if not low <= found <= high:
                    bound = low if found < low else high
                    trace.append(TraceEntry("price_out_of_range", False, found, bound, "price", outcome.outcome_id))
                    continue
                asked.append(facts.market_id)
                intents.append(
                    take_offer(
                        facts,
                        outcome.outcome_id,
                        ask=found,
                        size=micro(params.size),
                        slippage_bps=params.slippage_bps,
                        reason="cheap",
                    )
                )
                break
        return Decision(intents=tuple(intents), trace=tuple(trace), state={"asked": asked} if intents else None)

    def on_resolved(self, state: State, resolved: Resolved) -> State:
        return {"asked": [market_id for market_id in state.get("asked", ()) if market_id != resolved.market_id]}
