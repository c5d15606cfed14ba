"""The port every strategy implements: `decide(view)` is a pure function from what is seen to what is wanted.

A strategy is a stateless object. What it must remember goes into the state that it
returns and gets back; what it wants goes out as quotes (should rest), intents (once) and baskets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from pydantic import Field

from markets.domain.instruments import Side
from orders.domain.intents import Basket, OrderIntent, Quote
from strategies.domain.exit_rules import ExitParameters
from strategies.domain.parameters import Parameters
from strategies.domain.trace import TraceEntry
from strategies.domain.universe import UniverseParameters
from strategies.domain.view import MarketView, Needs

State = Mapping[str, Any]  # JSON-safe


class WakeKind(StrEnum):
    """What makes a strategy tick."""

    INTERVAL = "interval"
    BOOK = "book"  # a book moved by at least the threshold
    TRADE = "trade"
    SIGNAL = "signal"
    FILL = "fill"  # one of its own orders was filled
    RESOLUTION = "resolution"
    MANUAL = "manual"  # a person asked for one tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """A reason to tick between intervals. `threshold` is a price move in millionths, for BOOK."""

    kind: WakeKind
    threshold: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFill:
    """One of the strategy's own orders traded."""

    fill_id: int
    order_id: int
    outcome_id: int
    side: Side
    price: int
    size: int
    fee: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A watched market has paid: dollars per share, in millionths, by outcome id."""

    market_id: int
    payouts: Mapping[int, int]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a strategy wants now. `state` None means: remember what you remembered."""

    quotes: tuple[Quote, ...] = ()
    intents: tuple[OrderIntent, ...] = ()
    baskets: tuple[Basket, ...] = ()
    trace: tuple[TraceEntry, ...] = ()
    state: State | None = None
    cancels: tuple[int, ...] = ()  # own one-shot orders to end; quotes end by not being wanted

    @property
    def wants(self) -> tuple[tuple[Quote, ...], tuple[OrderIntent, ...], tuple[Basket, ...]]:
        """What is compared from tick to tick: equal wants are the same decision."""
        return (self.quotes, self.intents, self.baskets)


NOTHING_WANTED = Decision()


class TradingParameters(Parameters):
    """Base of the parameters of every strategy that watches markets."""

    universe: UniverseParameters = Field(
        default_factory=UniverseParameters, title="Universe", description="Which markets are watched."
    )
    exits: ExitParameters = Field(
        default_factory=ExitParameters,
        title="Exits",
        description="When own shares are sold, whatever the strategy thinks.",
    )


class Strategy(Protocol):
    """Attributes are read-only: one object serves every configured strategy of its class."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def params(self) -> type[TradingParameters]: ...
    @property
    def wakes(self) -> tuple[Wake, ...]: ...

    def needs(self, params: Any) -> Needs:
        """Return how much history a view must bring."""
        ...

    def decide(self, view: MarketView) -> Decision: ...

    def on_fill(self, state: State, fill: OwnFill) -> State:
        """Return the state after one own fill; called once for each, in order, before the next decision."""
        ...

    def on_resolved(self, state: State, resolved: Resolved) -> State: ...


class Base:
    """Defaults of the port: no history, interval ticks only, hooks that change nothing."""

    wakes: tuple[Wake, ...] = (Wake(kind=WakeKind.INTERVAL),)

    def needs(self, params: Any) -> Needs:
        return Needs()

    def on_fill(self, state: State, fill: OwnFill) -> State:
        return state

    def on_resolved(self, state: State, resolved: Resolved) -> State:
        return state


__all__ = [
    "NOTHING_WANTED",
    "Base",
    "Decision",
    "OwnFill",
    "Resolved",
    "State",
    "Strategy",
    "TradingParameters",
    "Wake",
    "WakeKind",
]
