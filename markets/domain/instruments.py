"""What can be traded: venues, sides, markets and their outcomes, as facts without behaviour.

Identity: `outcome_id` and `market_id` are our own database keys; `token_id` and
`condition_id` are the venue's. Prices, ticks and sizes are millionths.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from markets.domain.units import Price, Shares, text_from_micro


class Venue(StrEnum):
    POLYMARKET = "polymarket"
    POLYMARKET_US = "polymarket_us"
    KALSHI = "kalshi"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class MarketState(StrEnum):
    """Where a market stands. Only OPEN takes orders."""

    OPEN = "open"
    PAUSED = "paused"  # listed, but the venue accepts no orders now
    CLOSED = "closed"  # trading ended, outcome not final
    RESOLVED = "resolved"  # payouts are final


class Category(StrEnum):
    """Fee category as the venue publishes it."""

    CRYPTO = "crypto"
    SPORTS = "sports"
    FINANCE = "finance"
    POLITICS = "politics"
    MENTIONS = "mentions"
    TECH = "tech"
    ECONOMICS = "economics"
    CULTURE = "culture"
    WEATHER = "weather"
    GEOPOLITICS = "geopolitics"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeSchedule:
    """Taker fee: shares x rate x (p x (1 - p)) ** exponent dollars. Makers pay nothing.

    `rate_ppm` is the rate in millionths (0.05 is 50,000); `rebate_ppm` the share of taker
    fees paid back to makers. A market whose schedule is unknown has none: see MarketFacts.
    """

    rate_ppm: int
    exponent: int = 1
    rebate_ppm: int = 0


def fee_words(fee: FeeSchedule | None) -> str:
    """Return what a taker pays in one comparable line; without a rate the exponent means nothing."""
    if fee is None:
        return "unknown"
    return f"rate {text_from_micro(fee.rate_ppm)}, exponent {fee.exponent}" if fee.rate_ppm else "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeFacts:
    outcome_id: int
    token_id: str
    index: int  # 0 is YES or the first named outcome
    label: str
    payout: Price | None = None  # set once the market is resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFacts:
    """All that strategies and the gate may know of a market at one moment."""

    market_id: int
    venue: Venue
    condition_id: str
    question: str
    slug: str
    category: Category
    state: MarketState
    tick: Price
    minimum_size: Shares
    fee: FeeSchedule | None  # None: unknown, and the gate refuses
    event_id: int
    event_slug: str
    neg_risk: bool
    neg_risk_augmented: bool
    closes_at: datetime | None
    outcomes: tuple[OutcomeFacts, ...]
    synced_at: datetime
    volume_24h: int  # Usd
    liquidity: int  # Usd
    tags: tuple[str, ...] = ()
    seconds_delay: int = 0
    reward_rate_per_day: int = 0  # Usd paid to resting orders; 0: none
    reward_minimum_size: int = 0  # Shares
    reward_maximum_spread: int = 0  # Price, distance from the middle

    def outcome(self, outcome_id: int) -> OutcomeFacts:
        for outcome in self.outcomes:
            if outcome.outcome_id == outcome_id:
                return outcome
        raise KeyError(f"market {self.market_id} has no outcome {outcome_id}")

    def other(self, outcome_id: int) -> OutcomeFacts:
        """Return the complementary outcome of a binary market."""
        others = [o for o in self.outcomes if o.outcome_id != outcome_id]
        if len(self.outcomes) != 2 or len(others) != 1:
            raise KeyError(f"market {self.market_id} is not a binary market with outcome {outcome_id}")
        return others[0]
