"""What every venue's feed must do, whatever its wire looks like. A new venue adds its recorded payloads here."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from markets.domain.book import OrderBook
from markets.domain.events import BookSnapshot, FeedEvent, LevelChange, TradePrint
from markets.domain.instruments import Venue
from markets.venues.base import BookClaim, FeedProtocol
from markets.venues.registry import BOOKS, CATALOGUES, FEEDS, SOCKET_URLS
from tests.fakes.wire import book, price_change, trade


@dataclass(frozen=True, slots=True)
class Payloads:
    """One token's snapshot, a change of one level, a trade, and a frame of an unknown kind."""

    token: str
    snapshot: bytes
    change: bytes
    trade: bytes
    unknown: bytes


PAYLOADS = {
    Venue.POLYMARKET: Payloads(
        token="7",
        snapshot=json.dumps([book("7")]).encode(),
        change=json.dumps(price_change("7", "0.49", "3")).encode(),
        trade=json.dumps(trade("7", "0.5", "2")).encode(),
        unknown=b'{"event_type": "surprise"}',
    )
}


@pytest.fixture(params=sorted(FEEDS))
def venue(request: pytest.FixtureRequest) -> Venue:
    return Venue(request.param)


@pytest.fixture
def feed(venue: Venue) -> FeedProtocol:
    return FEEDS[venue]()


def read(feed: FeedProtocol, frame: bytes) -> list[FeedEvent]:
    out: list[FeedEvent] = []
    assert feed.read(frame, 5, out) is None
    return out


def test_every_venue_is_complete(venue: Venue) -> None:
    assert venue in CATALOGUES and venue in BOOKS and venue in SOCKET_URLS and venue in PAYLOADS


def test_a_book_that_is_written_down_reads_back_equal(venue: Venue, feed: FeedProtocol) -> None:
    token = PAYLOADS[venue].token
    claim = BookClaim(
        token_id=token,
        condition_id="0x1",
        bids=((480_000, 10_500_000), (10_000, 1)),
        asks=((520_000, 3_000_000),),
        tick=10_000,
        minimum_size=5_000_000,
        neg_risk=False,
        last_trade_price=500_000,
        venue_ms=1_790_000_000_000,
        venue_hash="",
    )
    (snapshot,) = read(feed, feed.book_text(claim))
    assert isinstance(snapshot, BookSnapshot)
    assert (snapshot.token_id, snapshot.bids, snapshot.asks, snapshot.last_trade_price, snapshot.venue_ms) == (
        token, claim.bids, claim.asks, 500_000, claim.venue_ms
    )  # fmt: skip


def test_a_snapshot_and_a_change_make_a_book(venue: Venue, feed: FeedProtocol) -> None:
    payloads = PAYLOADS[venue]
    (snapshot,) = read(feed, payloads.snapshot)
    (change,) = read(feed, payloads.change)
    assert isinstance(snapshot, BookSnapshot) and isinstance(change, LevelChange)
    assert snapshot.token_id == change.token_id == payloads.token
    assert list(snapshot.bids) == sorted(snapshot.bids, reverse=True)
    assert list(snapshot.asks) == sorted(snapshot.asks)
    orders = OrderBook()
    orders.apply_snapshot(snapshot)
    orders.apply_change(change)
    assert orders.size_at(change.side, change.price) == change.size and not orders.is_crossed()


def test_a_trade_is_a_print(venue: Venue, feed: FeedProtocol) -> None:
    (event,) = read(feed, PAYLOADS[venue].trade)
    assert isinstance(event, TradePrint) and 0 < event.price < 1_000_000 and event.size > 0


@pytest.mark.parametrize("frame", [b"", b"\x00", b"{", b"[", b"null", b"[" * 10_000, b"\xff" * 100])
def test_garbage_is_reported_and_yields_nothing(feed: FeedProtocol, frame: bytes) -> None:
    out: list[FeedEvent] = []
    problems = feed.read(frame, 5, out)
    assert problems is not None and problems.errors and not out


def test_the_unknown_is_reported_by_name(venue: Venue, feed: FeedProtocol) -> None:
    problems = feed.read(PAYLOADS[venue].unknown, 5, [])
    assert problems is not None and "surprise" in problems.errors[0].problem


def test_keepalives_mean_nothing(feed: FeedProtocol) -> None:
    assert read(feed, feed.pong_text.encode()) == []
    assert 0 < feed.ping_every_s <= 10 and 0 < feed.assets_per_socket <= 200
