"""What a feed can say, in our own words and exact numbers, whichever venue said it.

Every event names the venue's `token_id`, the venue's time in milliseconds and our
receive time in nanoseconds. Prices and sizes are millionths. Levels are best first.

These are msgspec structs rather than dataclasses: a feed makes thousands a second, and they
travel through Redis as they are. Copy with a change by `msgspec.structs.replace`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from markets.domain.instruments import Side

Level = tuple[int, int]  # (price, size), millionths


class _Event(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What all events share: immutable, keyword-only, encoded as a tagged array."""


class BookSnapshot(_Event, frozen=True, kw_only=True, tag="b"):
    token_id: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    venue_ms: int
    received_ns: int
    venue_hash: str = ""
    tick: int | None = None
    last_trade_price: int | None = None


class LevelChange(_Event, frozen=True, kw_only=True, tag="c"):
    """The new total size at one price; zero removes the level."""

    token_id: str
    side: Side  # BUY: the bid side
    price: int
    size: int
    venue_ms: int
    received_ns: int
    best_bid: int | None = None
    best_ask: int | None = None
    venue_hash: str = ""


class TradePrint(_Event, frozen=True, kw_only=True, tag="t"):
    """A trade the venue reported. `side` is the taker's. `inferred`: deduced by a replay, never reported.

    `occurrence` tells trades apart that are equal in everything the venue says of them.
    """

    token_id: str
    side: Side
    price: int
    size: int
    venue_ms: int
    received_ns: int
    inferred: bool = False
    venue_ref: str = ""  # the venue's transaction hash where it sends one
    occurrence: int = 0


class TickSizeChange(_Event, frozen=True, kw_only=True, tag="k"):
    token_id: str
    old_tick: int
    new_tick: int
    venue_ms: int
    received_ns: int


class MarketResolved(_Event, frozen=True, kw_only=True, tag="r"):
    """The venue named a winner. Payouts are booked only on the catalogue's strict evidence, not on this."""

    condition_id: str
    winning_token_id: str
    venue_ms: int
    received_ns: int


class GapReason(StrEnum):
    RECONNECTED = "reconnected"
    STALLED = "stalled"
    HASH_MISMATCH = "hash_mismatch"


class FeedGap(_Event, frozen=True, kw_only=True, tag="g"):
    """Between the last event and the next snapshot of this token something may be missing."""

    token_id: str
    reason: GapReason
    venue_ms: int
    received_ns: int


FeedEvent = BookSnapshot | LevelChange | TradePrint | TickSizeChange | MarketResolved | FeedGap
