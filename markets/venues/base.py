"""What every venue looks like to the desk: its errors and the ports of its data side.

Money is in millionths. A port is a Protocol; an implementation lives in the venue's folder
and is named in `markets.venues.registry`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from markets.domain.drift import Difference
from markets.domain.events import BookSnapshot, FeedEvent, Level
from markets.domain.instruments import Category, FeeSchedule, MarketState, Venue


class VenueError(Exception):
    """Something about a venue."""


class VenueUnavailable(VenueError):
    """Nothing happened there: no answer, or a refusal that may pass. Safe to retry later."""


class VenueRefused(VenueError):
    """The venue answered no and will say no again: retrying is useless until something changes."""


class RateLimited(VenueUnavailable):
    """The venue asks for patience. `retry_after_s` is its own word, or our guess."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OrderRefused(VenueError):
    """The venue said no to an order; keep the reason, do not retry."""


class OutcomeUnknown(VenueError):
    """It may have happened. Never retry; reconcile."""


class ParseError(VenueError):
    """The venue sent something we do not understand; `field` names it. Nothing was guessed from it."""

    def __init__(self, field: str, problem: str, *, sample: str = "", source: str = "") -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
        self.sample = sample[:2_000]
        self.source = source


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRecord:
    slug: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRecord:
    index: int
    label: str
    token_id: str
    payout: int | None  # set only on strict evidence that the market is resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRecord:
    """A market as the venue describes it, checked, in our words."""

    venue_id: str
    condition_id: str
    slug: str
    question: str
    group_label: str
    rules_text: str
    resolution_source: str
    state: MarketState
    neg_risk: bool
    tick: int
    minimum_size: int
    fee: FeeSchedule | None
    seconds_delay: int
    opened_at: datetime | None
    closes_at: datetime | None
    resolved_at: datetime | None
    resolution_status: str
    volume: Decimal
    volume_24h: Decimal
    liquidity: Decimal
    reward_rate_per_day: Decimal
    reward_minimum_size: Decimal
    reward_maximum_spread: Decimal
    outcomes: tuple[OutcomeRecord, ...]
    group_id: str = ""  # of a neg-risk market: its group at the adapter
    group_index: int | None = None  # its place in that group, where its question's number proves it


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An event with those of its markets that could be read, and what was wrong with the others."""

    venue_id: str
    slug: str
    title: str
    category: Category
    neg_risk: bool
    neg_risk_augmented: bool
    closes_at: datetime | None
    tags: tuple[TagRecord, ...]
    markets: tuple[MarketRecord, ...]
    group_size: int = 0  # of a neg-risk event: all its questions, also those that are not for us
    group_fee_bips: int = 0  # what a conversion of No shares costs, hundredths of a percent
    refused: tuple[ParseError, ...] = ()
    skipped: tuple[str, ...] = ()  # "market 43: not binary": understood, and not for us


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """Something that is not as declared, and the market it was seen on, if it was one."""

    source: str
    difference: Difference
    condition_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactChange:
    """A fee, tick or minimum size of a market that is not what it was."""

    market_id: int
    field: str  # fee, tick, minimum_size
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CataloguePage:
    events: tuple[EventRecord, ...]
    refused: tuple[ParseError, ...] = ()
    drifted: tuple[Drifted, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TradedFacts:
    """What decides whether an order in a market is valid, from where orders are sent to. None: not said."""

    condition_id: str
    tick: int
    minimum_size: int
    neg_risk: bool
    accepting: bool
    fee: FeeSchedule | None
    token_ids: tuple[str, ...]
    drifted: tuple[Drifted, ...] = ()


class FactsSource(Protocol):
    """Reads one market's trading facts. Raises VenueUnavailable, VenueRefused or ParseError."""

    def facts_get(self, condition_id: str) -> TradedFacts: ...


class CatalogueSource(Protocol):
    """Lists what a venue offers, page by page. Raises VenueUnavailable, VenueRefused or ParseError."""

    venue: Venue

    def open_events(self) -> Iterator[CataloguePage]:
        """Every event with an open market."""

    def recent_events(self, *, limit: int) -> Iterator[CataloguePage]:
        """Events that changed most recently, open or closed, about `limit` of each."""

    def events_of_markets(self, condition_ids: Collection[str]) -> Iterator[CataloguePage]:
        """The events of these markets, whatever their state."""


class BookSource(Protocol):
    """Reads books outside the socket: to confirm them, and when no socket holds."""

    def books_get(self, token_ids: Sequence[str]) -> Mapping[str, BookSnapshot]:
        """Return the book of each token the venue has one for."""


@dataclass(slots=True, kw_only=True)
class FrameProblems:
    """What was wrong with one socket frame. `doubtful`: tokens whose book may have missed something by it."""

    errors: list[ParseError] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookClaim:
    """Our book of one token and the facts around it, to be held against what the venue said of it."""

    token_id: str
    condition_id: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    tick: int
    minimum_size: int
    neg_risk: bool
    last_trade_price: int | None
    venue_ms: int
    venue_hash: str  # as a snapshot carried it; empty when a change came after it


class Check(StrEnum):
    AGREES = "agrees"
    CONTRADICTS = "contradicts"
    UNKNOWN = "unknown"  # the venue's formula needs something that we do not know


class FeedProtocol(Protocol):
    """The wire of a venue's market socket, without the socket: what to say, and what was said."""

    ping_text: str
    pong_text: str
    ping_every_s: float
    assets_per_socket: int

    def subscribe_first(self, token_ids: Sequence[str]) -> str: ...
    def subscribe_more(self, token_ids: Sequence[str]) -> str: ...
    def unsubscribe(self, token_ids: Sequence[str]) -> str: ...
    def read(self, frame: bytes, received_ns: int, out: list[FeedEvent]) -> FrameProblems | None: ...
    def book_text(self, claim: BookClaim) -> bytes:
        """Write our book as the frame of a snapshot, which `read` reads back (recordings begin with them)."""
        ...

    def check(self, claim: BookClaim, frame: bytes) -> Check:
        """Hold our book against the hash and best prices that came with the last `frame` (empty: a snapshot)."""
        ...
