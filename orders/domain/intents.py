"""What somebody wants to trade: quotes that should rest, one-shot intents, and the placement made of them.

Prices and sizes are millionths. A `Placement` is a complete order that waits for
the gate; nothing reaches a venue in any other form.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, Usd


class OrderType(StrEnum):
    GTC = "gtc"
    GTD = "gtd"
    FOK = "fok"
    FAK = "fak"

    @property
    def rests(self) -> bool:
        return self in (OrderType.GTC, OrderType.GTD)


class Urgency(StrEnum):
    LOW = "low"  # post-only, rests
    MEDIUM = "medium"  # rests at its limit, may take
    HIGH = "high"  # takes what is there up to the slippage cap
    IMMEDIATE = "immediate"  # all or nothing, now


class OriginKind(StrEnum):
    STRATEGY = "strategy"
    MANUAL = "manual"
    EXIT = "exit"  # stop-loss, take-profit, flatten


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who wants it, as values: lower stages never look up a strategy."""

    kind: OriginKind
    id: int
    label: str
    strategy_class: str = ""
    version: int = 0
    run_id: int = 0
    decision_id: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """An order that should be resting. `level` tells several quotes on one side apart."""

    outcome_id: int
    side: Side
    price: Price
    size: Shares
    level: int = 0
    post_only: bool = True
    fair_value: Price | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """A one-shot wish. `limit_price` is the worst price acceptable, slippage included."""

    outcome_id: int
    side: Side
    size: Shares
    limit_price: Price
    urgency: Urgency = Urgency.MEDIUM
    order_type: OrderType | None = None  # None: as the urgency says
    expires_at: datetime | None = None
    confidence_ppm: int = 0
    fair_value: Price | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One complete order, ready for review. `key` is its identity for ever (UUIDv7 text)."""

    key: str
    market_id: int
    outcome_id: int
    side: Side
    price: Price
    size: Shares
    order_type: OrderType
    post_only: bool
    origin: Origin
    created_at: datetime
    expires_at: datetime | None = None
    level: int = 0
    fair_value: Price | None = None
    worst_loss: Usd | None = None  # declared by the strategy; None: the full cost
    reason: str = ""
    marketable: bool = False  # crosses the book it was decided on
    replaces_order_id: int | None = None
    parts: int = 1  # made as so many orders of equal size: the envelope of a plan in slices

    @property
    def cost(self) -> Usd:
        """What it can cost at most before fees: a buy pays price times size, a sell gives shares."""
        return Usd(-(-self.price * self.size // 1_000_000)) if self.side is Side.BUY else Usd(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order of ours that may still trade, as the core sees it."""

    order_id: int
    key: str
    market_id: int
    outcome_id: int
    side: Side
    price: Price
    size: Shares
    filled: Shares
    order_type: OrderType
    post_only: bool
    state: str
    origin: Origin
    created_at: datetime
    level: int = 0
    cancel_requested: bool = False
    queue_ahead: Shares | None = None

    @property
    def remaining(self) -> Shares:
        return Shares(self.size - self.filled)


class BasketPolicy(StrEnum):
    ALL_OR_NONE = "all_or_none"
    BEST_EFFORT = "best_effort"
    SEQUENTIAL = "sequential"


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """Several intents that belong together, with the largest loss the strategy declares for them."""

    legs: tuple[OrderIntent, ...]
    policy: BasketPolicy
    worst_loss: Usd
    reason: str = ""


# A one-shot order carries this level, so that the diff of quotes never mistakes it for one of its own.
INTENT_LEVEL = -1
