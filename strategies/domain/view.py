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

from markets.domain.instruments import MarketFacts, Side
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
    own: Mapping[int, int] = field(default_factory=_nothing)  # shares this strategy bought and has not sold
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
        """Return the strategy's own shares, as far as the account still has them."""
        position = self.positions.get(outcome_id)
        return 0 if position is None else max(0, min(self.own.get(outcome_id, 0), int(position.size)))

    def sellable(self, outcome_id: int) -> int:
        """Return the own shares that may be offered: settled ones, promised to no order of somebody else.

        A decision names all orders that should rest, so what the strategy's own open sells
        hold back today is available to it.
        """
        position = self.positions.get(outcome_id)
        if position is None:
            return 0
        mine = sum(
            int(order.remaining)
            for order in self.open_orders
            if order.outcome_id == outcome_id and order.side is Side.SELL
        )
        others = max(0, int(position.reserved) - mine)
        return max(0, min(self.held(outcome_id), int(position.confirmed) - others))
