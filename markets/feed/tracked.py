"""What the feed knows of one watched outcome: its book, how far it can be trusted, what is collected of it."""

from __future__ import annotations

from dataclasses import dataclass

from markets.domain.book import OrderBook
from markets.domain.candles import CandleBuilder
from markets.domain.instruments import Side
from markets.domain.views import VIEW_DEPTH, BookStatus, BookView
from markets.selectors.watch import WatchedOutcome
from markets.venues.base import BookClaim

NEVER_PUBLISHED = (BookStatus.LIVE, -1)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A probe found another book than ours: what it saw, and when it was first seen so."""

    venue_ms: int
    since_ms: int


@dataclass(slots=True)
class Tracked:
    outcome: WatchedOutcome
    book: OrderBook
    candle: CandleBuilder
    ready: bool = False  # a snapshot arrived, and no gap after it
    status: BookStatus = BookStatus.MISSING
    venue_ms: int = 0
    received_ms: int = 0
    seen_ns: int = 0  # receive time of the last event
    confirmed_ms: int = 0
    last_trade: int | None = None
    resolved: bool = False  # the venue named a winner
    connected: bool = False  # a socket has been asked for it
    subscription: int = 0  # the number of that request
    waiting_ms: int = 0  # since when a snapshot is awaited
    # ---- checks
    last_frame: bytes = b""
    venue_hash: str = ""
    unchecked: bool = False
    checked_ms: int = 0
    suspect: bool = False
    probed_ms: int = 0
    doubt: Doubt | None = None
    renewals: int = 0
    renew_after_ms: int = 0
    # ---- samples
    sampled: tuple[int, int] = (0, 0)
    sampled_ms: int = 0
    traded_second: int = 0
    traded_minute: int = 0
    woken_mid: int | None = None
    published: tuple[BookStatus, int] = NEVER_PUBLISHED

    @property
    def outcome_id(self) -> int:
        return self.outcome.outcome_id

    @property
    def shown_status(self) -> BookStatus:
        """The status readers see: a market that is decided or takes no orders is closed, however good its book."""
        if (self.resolved or not self.outcome.takes_orders) and self.status is not BookStatus.MISSING:
            return BookStatus.CLOSED
        return self.status

    def view(self, epoch: str) -> BookView:
        book = self.book
        return BookView(
            outcome_id=self.outcome.outcome_id,
            bids=book.levels(Side.BUY, VIEW_DEPTH),
            asks=book.levels(Side.SELL, VIEW_DEPTH),
            seq=book.seq,
            epoch=epoch,
            venue_ms=self.venue_ms,
            received_ms=self.received_ms,
            confirmed_ms=self.confirmed_ms,
            status=self.shown_status,
            tick=book.tick,
            last_trade_price=self.last_trade,
            seen_ns=self.seen_ns,
        )

    def claim(self) -> BookClaim:
        return BookClaim(
            token_id=self.outcome.token_id,
            condition_id=self.outcome.condition_id,
            bids=self.book.levels(Side.BUY),
            asks=self.book.levels(Side.SELL),
            tick=self.book.tick,
            minimum_size=self.outcome.minimum_size,
            neg_risk=self.outcome.neg_risk,
            last_trade_price=self.last_trade,
            venue_ms=self.venue_ms,
            venue_hash=self.venue_hash,
        )


def tracked_new(outcome: WatchedOutcome, now_ms: int) -> Tracked:
    """Begin to follow an outcome. The moment numbers its candle collector: later ones have higher numbers."""
    candle = CandleBuilder(outcome.outcome_id, writer=now_ms)
    return Tracked(outcome=outcome, book=OrderBook(outcome.tick), candle=candle, waiting_ms=now_ms)
