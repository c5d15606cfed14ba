"""The exchange's list of events, markets and tokens, with everything its metadata API needs.

Prices, sizes and cash are millionths; times are Unix milliseconds. Events and markets change while the
exchange runs (prices, volume, tick, state); identities never do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from markets.domain.instruments import Category, FeeSchedule, MarketState


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    id: int
    label: str
    slug: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewards:
    """Liquidity rewards of a market: dollars a day for orders of `min_size` within `max_spread_cents`."""

    daily_rate: int
    min_size: int
    max_spread_cents: int


@dataclass(slots=True, kw_only=True)
class Market:
    id: int
    event_id: int
    condition_id: str
    question_id: str
    slug: str
    question: str
    description: str
    outcomes: tuple[str, str]
    token_ids: tuple[str, str]
    category: Category
    fee: FeeSchedule | None  # None: the market is free of fees
    tick: int
    min_size: int
    neg_risk: bool
    created_ms: int
    start_ms: int
    end_ms: int
    neg_risk_other: bool = False
    neg_risk_request_id: str = ""
    group_item_title: str = ""
    group_item_threshold: int = 0
    sports_market_type: str = ""
    line: str = ""
    game_start_ms: int | None = None
    seconds_delay: int = 0  # marketable orders match this much later
    taker_delay_ms: int = 0  # the answer to a marketable order is held this long
    resolution_source: str = ""
    rewards: Rewards | None = None
    state: MarketState = MarketState.OPEN
    closed_ms: int | None = None
    payouts: tuple[int, int] | None = None  # set when resolved
    last_trade_price: int | None = None  # of the first outcome
    last_trade_side: str = ""  # BUY or SELL of the first outcome, as the taker traded it
    best_bid: int | None = None  # of the first outcome
    best_ask: int | None = None
    volume: int = 0  # dollars, all time
    volume_24h: int = 0
    liquidity: int = 0  # dollars resting near the middle
    version: str = "v1"  # v2: the token ids are Protocol V2 position ids
    recorded: bool = False  # the book comes from a recording; facts a recording lacks are invented
    updated_ms: int = 0

    @property
    def accepting_orders(self) -> bool:
        return self.state is MarketState.OPEN

    @property
    def outcome_prices(self) -> tuple[int, int]:
        """Return what Gamma shows: payouts once resolved, else the middle, else the last trade, else a half."""
        if self.payouts is not None:
            return self.payouts
        if self.best_bid is not None and self.best_ask is not None:
            yes = (self.best_bid + self.best_ask) // 2
        elif self.last_trade_price is not None:
            yes = self.last_trade_price
        else:
            yes = 500_000
        return yes, 1_000_000 - yes

    @property
    def fee_type(self) -> str:
        return f"{self.category.value}_fees" if self.fee else ""

    def index_of(self, token_id: str) -> int:
        return self.token_ids.index(token_id)


@dataclass(slots=True, kw_only=True)
class Event:
    id: int
    slug: str
    title: str
    description: str
    category: Category
    tags: tuple[Tag, ...]
    created_ms: int
    start_ms: int
    end_ms: int
    neg_risk: bool = False
    neg_risk_augmented: bool = False
    neg_risk_market_id: str = ""
    series_slug: str = ""
    game_start_ms: int | None = None
    closed_ms: int | None = None
    market_ids: list[int] = field(default_factory=list)
    version: str = "v1"
    updated_ms: int = 0

    @property
    def ticker(self) -> str:
        return self.slug

    @property
    def closed(self) -> bool:
        return self.closed_ms is not None


class Catalogue:
    """Events and markets by every id a client may ask with."""

    def __init__(self) -> None:
        self.events: dict[int, Event] = {}
        self.markets: dict[int, Market] = {}
        self.by_condition: dict[str, Market] = {}
        self.by_token: dict[str, Market] = {}
        self.market_slugs: dict[str, Market] = {}
        self.event_slugs: dict[str, Event] = {}
        self.tags: dict[int, Tag] = {}

    def add(self, event: Event, markets: list[Market]) -> None:
        """List `event` with its `markets`; markets of an event already listed are appended."""
        self.events[event.id] = event
        self.event_slugs[event.slug] = event
        for tag in event.tags:
            self.tags[tag.id] = tag
        for market in markets:
            if market.id not in self.markets:
                event.market_ids.append(market.id)
            self.markets[market.id] = market
            self.by_condition[market.condition_id] = market
            self.market_slugs[market.slug] = market
            for token_id in market.token_ids:
                self.by_token[token_id] = market

    def open_markets(self) -> Iterator[Market]:
        return (m for m in self.markets.values() if m.state is MarketState.OPEN)

    def event_of(self, market: Market) -> Event:
        return self.events[market.event_id]

    def markets_of(self, event: Event) -> list[Market]:
        return [self.markets[i] for i in event.market_ids]

    def drop(self, event: Event) -> None:
        for market in self.markets_of(event):
            del self.markets[market.id]
            del self.by_condition[market.condition_id]
            self.market_slugs.pop(market.slug, None)
            for token_id in market.token_ids:
                del self.by_token[token_id]
        del self.events[event.id]
        self.event_slugs.pop(event.slug, None)
