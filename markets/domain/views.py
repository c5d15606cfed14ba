"""What readers see of a book: the top levels, a mark, a price sample, each with its age.

Prices and sizes are millionths, times are milliseconds since 1970. A view is a picture taken
by the feed; `status` says how far it can be trusted. The structs travel through Redis as they
are (msgspec arrays); copy with a change by `msgspec.structs.replace`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from markets.domain.events import Level

VIEW_DEPTH = 20


class BookStatus(StrEnum):
    LIVE = "live"
    STALE = "stale"  # the socket is in doubt: trade nothing on it
    POLLED = "polled"  # read by REST because no socket holds: exits yes, entries no
    CLOSED = "closed"  # the market takes no orders
    MISSING = "missing"  # nothing received yet


class BookView(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The best levels of one outcome, best first, at most VIEW_DEPTH a side.

    `seq` counts the changes of this book within `epoch`; `confirmed_ms` is when the venue last
    agreed with us: an update, or a probe that found the same book.
    """

    outcome_id: int
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    seq: int = 0
    epoch: str = ""
    venue_ms: int = 0
    received_ms: int = 0
    confirmed_ms: int = 0
    status: BookStatus = BookStatus.LIVE
    tick: int = 10_000
    last_trade_price: int | None = None
    seen_ns: int = 0  # receive time of the last event that this picture holds

    @property
    def best_bid(self) -> int | None:
        return self.bids[0][0] if self.bids else None

    @property
    def best_ask(self) -> int | None:
        return self.asks[0][0] if self.asks else None

    @property
    def mid(self) -> int | None:
        """The middle of the best prices; None when a side is missing."""
        return (self.bids[0][0] + self.asks[0][0]) // 2 if self.bids and self.asks else None

    @property
    def microprice(self) -> int | None:
        """The middle weighted by the opposite size; None when a side is missing."""
        if not self.bids or not self.asks:
            return None
        (bid, bid_size), (ask, ask_size) = self.bids[0], self.asks[0]
        return (bid * ask_size + ask * bid_size) // (bid_size + ask_size)

    @property
    def spread(self) -> int | None:
        return self.asks[0][0] - self.bids[0][0] if self.bids and self.asks else None

    def age_ms(self, now_ms: int) -> int:
        """Milliseconds since the venue last confirmed this book."""
        return max(0, now_ms - self.confirmed_ms)

    def is_fresh(self, now_ms: int, limit_ms: int) -> bool:
        """Whether the socket is trusted and the book was confirmed within `limit_ms`."""
        return self.status is BookStatus.LIVE and self.age_ms(now_ms) <= limit_ms

    @property
    def is_crossed(self) -> bool:
        return bool(self.bids and self.asks and self.bids[0][0] >= self.asks[0][0])


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What an outcome is worth now. `mid` falls back to nothing: the caller decides what a missing side means."""

    outcome_id: int
    bid: int | None
    ask: int | None
    mid: int | None
    last: int | None
    at_ms: int
    fresh: bool


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One slot of a price ring: prices at the end of the slot and the shares traded in it."""

    at_ms: int
    mid: int
    microprice: int
    traded: int = 0


class Wake(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Something a strategy may wake up for. `kind`: book, trade, resolved or status; `mid` after it, if any."""

    outcome_id: int
    kind: str
    mid: int | None = None
    at_ms: int = 0
