"""What a strategy may see at one tick, and nothing else: no clock, no database, no future.

Prices, sizes and cash are millionths. Everything belongs to the strategy's own universe and
account; `state` is what its previous decision left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from markets.domain.instruments import MarketFacts
from orders.domain.intents import OpenOrder
from strategies.domain.parameters import Parameters

if TYPE_CHECKING:
    from markets.domain.events import TradePrint
    from markets.domain.views import BookView, Sample
    from orders.domain.ledger import Position

NOTHING: Mapping[Any, Any] = MappingProxyType({})


def _nothing() -> Mapping[Any, Any]:
    return NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """How much history a strategy wants per outcome: ring samples and recent trades."""

    samples_1s: int = 0  # up to 900: 15 minutes
    samples_1m: int = 0  # up to 1,440: 24 hours
    trades: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """One moment of one strategy on one account."""

    now: datetime
    now_ms: int
    markets: Mapping[int, MarketFacts]  # by market id, this strategy's universe
    books: Mapping[int, BookView]  # by outcome id
    samples_1s: Mapping[int, tuple[Sample, ...]] = field(default_factory=_nothing)  # oldest first
    samples_1m: Mapping[int, tuple[Sample, ...]] = field(default_factory=_nothing)
    trades: Mapping[int, tuple[TradePrint, ...]] = field(default_factory=_nothing)
    signals: Mapping[str, Any] = field(default_factory=_nothing)  # external facts by name
    positions: Mapping[int, Position] = field(default_factory=_nothing)  # the account's, by outcome id
    open_orders: tuple[OpenOrder, ...] = ()  # this strategy's own
    params: Parameters
    state: Mapping[str, Any] = field(default_factory=_nothing)

    def market_of(self, outcome_id: int) -> MarketFacts | None:
        """Return the watched market that `outcome_id` belongs to."""
        for facts in self.markets.values():
            for outcome in facts.outcomes:
                if outcome.outcome_id == outcome_id:
                    return facts
        return None

    def held(self, outcome_id: int) -> int:
        """Return the shares held, whatever they are promised to."""
        position = self.positions.get(outcome_id)
        return 0 if position is None else int(position.size)

    def sellable(self, outcome_id: int) -> int:
        """Return the shares that may be offered: settled ones, our own open sells counted as free again.

        A decision names all orders that should rest, so what its own orders hold
        back today is available to it.
        """
        position = self.positions.get(outcome_id)
        if position is None:
            return 0
        own = sum(
            int(order.remaining) for order in self.open_orders if order.outcome_id == outcome_id and _sells(order)
        )
        return max(0, min(int(position.confirmed), int(position.size)) - max(0, int(position.reserved) - own))


def _sells(order: OpenOrder) -> bool:
    return order.side == "sell"
