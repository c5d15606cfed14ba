"""Every frame becomes events or typed errors, never anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from markets.domain.book import OrderBook
from markets.domain.events import BookSnapshot, FeedEvent, LevelChange, MarketResolved, TickSizeChange, TradePrint
from markets.domain.instruments import Side
from markets.venues.base import ParseError
from markets.venues.polymarket.feed import PolymarketFeed
from markets.venues.polymarket.parse import book_hash

FEED = PolymarketFeed()
AT = "1790766981628"


def change_frame(**changes: Any) -> dict[str, Any]:
    entry = {"asset_id": "7", "price": "0.48", "size": "12.5", "side": "BUY", "hash": "ab", "best_bid": "0.48",
             "best_ask": "0.5", **changes}  # fmt: skip
    entry = {k: v for k, v in entry.items() if v is not ...}
    return {"market": "0x1", "price_changes": [entry], "timestamp": AT, "event_type": "price_change"}


def book_frame(**changes: Any) -> dict[str, Any]:
    frame = {
        "market": "0x1", "asset_id": "7", "timestamp": AT, "hash": "ab",
        "bids": [{"price": "0.01", "size": "10"}, {"price": "0.48", "size": "5.25"}],
        "asks": [{"price": "0.99", "size": "4"}, {"price": "0.5", "size": "3"}],
        "tick_size": "0.01", "event_type": "book", "last_trade_price": "", **changes,
    }  # fmt: skip
    return {k: v for k, v in frame.items() if v is not ...}


def parse(frame: Any) -> list[FeedEvent]:
    return FEED.parse(json.dumps(frame).encode(), 5)


def test_a_price_change_becomes_a_level_change() -> None:
    assert parse(change_frame()) == [
        LevelChange(token_id="7", side=Side.BUY, price=480_000, size=12_500_000, venue_ms=int(AT), received_ns=5)
    ]


def test_a_book_is_best_first_with_an_optional_last_price() -> None:
    (event,) = parse(book_frame())
    assert isinstance(event, BookSnapshot)
    assert event.bids == ((480_000, 5_250_000), (10_000, 10_000_000))
    assert event.asks == ((500_000, 3_000_000), (990_000, 4_000_000))
    assert (event.tick, event.last_trade_price) == (10_000, None)


def test_an_array_is_read_in_order() -> None:
    kinds = [type(e) for e in parse([book_frame(), change_frame()])]
    assert kinds == [BookSnapshot, LevelChange]


def test_trades_ticks_and_resolutions() -> None:
    trade = {"event_type": "last_trade_price", "market": "0x1", "asset_id": "7", "price": "0.491", "size": "85.36",
             "side": "SELL", "timestamp": AT, "fee_rate_bps": "0", "transaction_hash": "0xff"}  # fmt: skip
    tick = {"event_type": "tick_size_change", "market": "0x1", "asset_id": "7", "old_tick_size": "0.01",
            "new_tick_size": "0.001", "timestamp": AT}  # fmt: skip
    end = {"event_type": "market_resolved", "market": "0x1", "winning_asset_id": "7", "timestamp": AT, "tags": []}
    found = parse([trade, tick, end])
    assert [type(e) for e in found] == [TradePrint, TickSizeChange, MarketResolved]
    assert isinstance(found[0], TradePrint)
    assert (found[0].side, found[0].price, found[0].size, found[0].venue_ref) == (
        Side.SELL,
        491_000,
        85_360_000,
        "0xff",
    )


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        (change_frame(price="NaN"), "price"),
        (change_frame(price="Infinity"), "price"),
        (change_frame(price="1e-2"), "price"),
        (change_frame(price="0"), "price"),
        (change_frame(price="1"), "price"),
        (change_frame(price="1.01"), "price"),
        (change_frame(price="-0.5"), "price"),
        (change_frame(price="0.1234567"), "price"),
        (change_frame(price="٠.٥"), "price"),
        (change_frame(price=""), "price"),
        (change_frame(price=0.48), "price_changes[0].price"),
        (change_frame(price=None), "price_changes[0].price"),
        (change_frame(price=...), "price_changes[0].price"),
        (change_frame(size="-1"), "size"),
        (change_frame(size="1" + "0" * 13), "size"),
        (change_frame(size="1_000"), "size"),
        (change_frame(size=[]), "price_changes[0].size"),
        (change_frame(side="buy"), "side"),
        (change_frame(side=...), "price_changes[0].side"),
        (change_frame(asset_id=7), "price_changes[0].asset_id"),
        ({**change_frame(), "timestamp": "yesterday"}, "timestamp"),
        ({**change_frame(), "timestamp": "12"}, "timestamp"),
        ({**change_frame(), "timestamp": 1790766981628}, "timestamp"),
        ({**change_frame(), "price_changes": {}}, "price_changes"),
        (book_frame(bids=...), "bids"),
        (book_frame(asks=[["0.5", "1"]]), "asks[0]"),
        (book_frame(tick_size="0.03"), "tick_size"),
        (book_frame(tick_size="0"), "tick_size"),
        (book_frame(last_trade_price="7"), "last_trade_price"),
        (book_frame(asset_id=""), "asset_id"),
        (book_frame(bids=[{"price": "0.4", "size": "1"}, {"price": "0.40", "size": "2"}]), "bids"),
        ({"event_type": "surprise", "market": "0x1"}, "event_type"),
        ({"market": "0x1"}, "event_type"),
        ([[]], "frame"),
        (7, "frame"),
    ],
)
def test_what_is_wrong_is_named(frame: Any, field: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(frame)
    assert field in (caught.value.field, "frame")


def test_one_bad_object_does_not_cost_its_neighbours() -> None:
    out: list[FeedEvent] = []
    frame = json.dumps([book_frame(), change_frame(price="NaN"), change_frame(), {"event_type": "surprise"}]).encode()
    problems = FEED.read(frame, 5, out)
    assert [type(e) for e in out] == [BookSnapshot, LevelChange]
    assert problems is not None
    assert [(e.source, e.field) for e in problems.errors] == [("ws.price_change", "price"), ("ws", "event_type")]
    assert problems.doubtful == ["7"]


def test_a_bad_entry_refuses_its_whole_message() -> None:
    frame = change_frame()
    frame["price_changes"].append({**frame["price_changes"][0], "size": "NaN"})
    out: list[FeedEvent] = []
    assert FEED.read(json.dumps(frame).encode(), 5, out) is not None and out == []


def test_keepalives_say_nothing() -> None:
    out: list[FeedEvent] = []
    assert FEED.read(b"PONG", 1, out) is None and out == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["0.5", "NaN", "", "BUY", "book", "price_change", AT, "0"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["event_type", "asset_id", "price", "size", "side", "timestamp", "bids", "asks", "market",
                         "price_changes", "tick_size", "new_tick_size", "old_tick_size", "winning_asset_id"]),
        inner, max_size=10),
    max_leaves=20,
)  # fmt: skip
frames = st.one_of(
    st.binary(max_size=200),
    json_values.map(lambda v: json.dumps(v).encode()),
    st.builds(lambda k, v: json.dumps(change_frame(**{k: v})).encode(),
              st.sampled_from(["price", "size", "side", "asset_id"]), json_values),
    st.builds(lambda k, v: json.dumps(book_frame(**{k: v})).encode(),
              st.sampled_from(["bids", "asks", "tick_size", "last_trade_price", "timestamp", "asset_id"]), json_values),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(frame=frames)
@example(frame=b"[" * 5_000)
@example(frame=b'{"event_type":' * 5_000)
@example(frame=b"\xff\xfe")
@example(frame=b"")
def test_no_frame_raises_or_yields_an_impossible_event(frame: bytes) -> None:
    out: list[FeedEvent] = []
    problems = FEED.read(frame, 5, out)
    assert problems is None or problems.errors
    for event in out:
        if isinstance(event, LevelChange):
            assert 0 < event.price < 1_000_000 and event.size >= 0
        if isinstance(event, BookSnapshot):
            OrderBook().apply_snapshot(event) if not _too_fine(event) else None


def _too_fine(event: BookSnapshot) -> bool:
    return any(price % 100 for price, _ in (*event.bids, *event.asks))


def test_the_official_hash_vector() -> None:
    bids = ((400_000, 100_000_000), (300_000, 100_000_000))
    asks = ((700_000, 100_000_000), (600_000, 100_000_000))  # the vector lists them the other way round
    found = book_hash("0xaabbcc", "100", "123456789", bids, asks, "100", "0.01", False, "0.5")
    assert found == "0458ea5755c9f73d64a14636fa5c36ed460ec394"


def test_subscriptions_are_what_the_venue_expects() -> None:
    assert json.loads(FEED.subscribe_first(["1"])) == {
        "type": "market", "assets_ids": ["1"], "custom_feature_enabled": True
    }  # fmt: skip
    assert json.loads(FEED.subscribe_more(["2"]))["operation"] == "subscribe"
    assert json.loads(FEED.unsubscribe(["2"])) == {"operation": "unsubscribe", "assets_ids": ["2"]}
