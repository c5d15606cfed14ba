"""The user socket: captured messages, the quirks they show, and what cannot be read.

`POLYBOT_FUZZ_CASES=1000000` runs the large count of damaged messages.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from markets.domain.instruments import Side
from markets.venues.base import ParseError
from markets.venues.polymarket import user_events
from markets.venues.polymarket.user_events import (
    OrderEvent,
    OrderEventKind,
    Role,
    TradeEvent,
    TradeStatus,
    VenueOrderStatus,
)

CASES = int(os.environ.get("POLYBOT_FUZZ_CASES", "6000"))
OURS = Path(__file__).parents[3] / "recordings" / "polymarket" / "user_channel"
SHARED = Path(__file__).parents[5] / "shared" / "data" / "ws_user"
captured = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recordings are not here")

KEY = "00000000-0000-4000-8000-000000000001"
WALLET = "0x5D1e0C5Bd6b7E7Eb85a1b6C2A04Ab7C33e32D7A1"
YES, NO = "1234", "5678"
TRADE_KEYS = {"api_keys": [KEY], "addresses": [WALLET]}


def fixture(name: str) -> dict[str, Any]:
    return json.loads((OURS / f"{name}.json").read_text())


def order(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (fixture("order_placement") | changes).items() if value is not ...}


def trade(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (fixture("trade_taker") | changes).items() if value is not ...}


def maker(**changes: Any) -> dict[str, Any]:
    body = fixture("trade_taker")["maker_orders"][0] | changes
    return {key: value for key, value in body.items() if value is not ...}


def read_order(row: object) -> OrderEvent:
    event = user_events.read_event(row)
    assert isinstance(event, OrderEvent)
    return event


def read_trade(row: object) -> TradeEvent:
    event = user_events.read_event(row)
    assert isinstance(event, TradeEvent)
    return event


# --- orders -----------------------------------------------------------------------------------------------------------


def test_a_placement_is_read() -> None:
    event = read_order(order())
    assert (event.kind, event.status) == (OrderEventKind.PLACEMENT, VenueOrderStatus.LIVE)
    assert (event.side, event.price, event.size, event.matched) == (Side.SELL, 570_000, 10_000_000, 0)
    assert (event.at_ms, event.created_ms, event.expiration_s) == (1_672_290_687_000, 1_672_290_687_000, 0)
    assert event.trade_ids == () and not event.size_is_dollars


@pytest.mark.parametrize(
    ("written", "at_ms"),
    [
        ("1672290687", 1_672_290_687_000),
        ("1672290687123", 1_672_290_687_123),
        (1672290687, 1_672_290_687_000),
        (1672290687123, 1_672_290_687_123),
        ("2022-12-29T05:11:27Z", 1_672_290_687_000),
        ("2022-12-29T05:11:27", 1_672_290_687_000),
        ("", None),
        (None, None),
        (..., None),
    ],
)
def test_times_are_seconds_or_milliseconds_or_iso_or_left_empty(written: object, at_ms: int | None) -> None:
    assert read_order(order(created_at=written, timestamp=written)).created_ms == at_ms


@pytest.mark.parametrize("written", ["12", "x", "99999999999999", True, 1.5, [], "-1672290687", "١٦٧٢٢٩٠٦٨٧"])
def test_what_is_no_time_is_refused(written: object) -> None:
    with pytest.raises(ParseError) as caught:
        read_order(order(timestamp=written))
    assert caught.value.field == "timestamp"


def test_a_killed_order_says_why_and_leaves_its_sizes_out() -> None:
    event = read_order(fixture("order_fok_killed"))
    assert (event.kind, event.status) == (OrderEventKind.CANCELLATION, VenueOrderStatus.CANCELED)
    assert event.status_text.startswith("CANCELED_order couldn't be fully filled")
    assert (event.matched, event.size, event.size_is_dollars) == (None, 12_000_000, True)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("LIVE", "LIVE"),
        ("ORDER_STATUS_LIVE", "LIVE"),
        ("ORDER_STATUS_CANCELED_MARKET_RESOLVED", "CANCELED"),
        ("CANCELED_NOT_ENOUGH_BALANCE", "CANCELED"),
        ("INVALID", "INVALID"),
        ("ORDER_STATUS_INVALID", "INVALID"),
        ("UNMATCHED", "UNMATCHED"),
        ("DELAYED", "DELAYED"),
        ("MATCHED", "MATCHED"),
    ],
)
def test_statuses_come_with_and_without_their_prefix(text: str, status: str) -> None:
    assert read_order(order(status=text)).status == status


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": ...}, "id"),
        ({"id": "0x\n"}, "id"),
        ({"type": "SOMETHING"}, "type"),
        ({"status": "SOMETHING"}, "status"),
        ({"status": 5}, "status"),
        ({"side": "HOLD"}, "side"),
        ({"price": 0.57}, "price"),
        ({"price": "NaN"}, "price"),
        ({"price": "1.5"}, "price"),
        ({"original_size": "-1"}, "original_size"),
        ({"size_matched": None}, "size_matched"),
        ({"size_matched": "1e3"}, "size_matched"),
        ({"asset_id": "0x12"}, "asset_id"),
        ({"asset_id": 12}, "asset_id"),
        ({"associate_trades": "t1"}, "associate_trades"),
        ({"order_type": ...}, "order_type"),
        ({"event_type": "gift"}, "event_type"),
        ({"event_type": ...}, "event_type"),
    ],
)
def test_an_order_that_cannot_be_read_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ParseError) as caught:
        user_events.read_event(order(**change))
    assert caught.value.field == field and caught.value.source.startswith("ws_user")


# --- trades -----------------------------------------------------------------------------------------------------------


def test_a_taker_finds_its_own_part_at_the_top() -> None:
    event = read_trade(trade())
    (leg,) = user_events.own_legs(event, **TRADE_KEYS)
    assert (leg.role, leg.token_id, leg.side, leg.price, leg.size) == (Role.TAKER, YES, Side.BUY, 570_000, 10_000_000)
    assert (event.status, event.matched_ms, event.transaction_hash) == (TradeStatus.MATCHED, 1_672_290_701_000, "")
    assert not event.status.is_final


def test_a_maker_finds_all_its_parts_in_their_own_outcome_and_price() -> None:
    event = read_trade(fixture("trade_maker_cross_asset"))
    legs = user_events.own_legs(event, **TRADE_KEYS)
    assert [(leg.role, leg.token_id, leg.side, leg.price, leg.size) for leg in legs] == [
        (Role.MAKER, NO, Side.BUY, 482_000, 10_000_000),  # buys NO against a buyer of YES: both are minted
        (Role.MAKER, YES, Side.SELL, 518_000, 5_000_000),
    ]
    assert len({leg.order_id for leg in legs}) == 2
    assert sum(leg.size for leg in event.makers) == event.taker.size


@pytest.mark.parametrize("taker_side", ["BUY", "SELL"])
def test_a_missing_maker_side_is_inferred(taker_side: str) -> None:
    opposite = {"BUY": Side.SELL, "SELL": Side.BUY}[taker_side]
    same = maker(side=..., asset_id=YES)
    other = maker(side=..., asset_id=NO)
    event = read_trade(trade(side=taker_side, maker_orders=[same, other]))
    assert [leg.side for leg in event.makers] == [opposite, opposite.opposite]
    assert all(leg.side_is_inferred for leg in event.makers)


def test_a_maker_is_also_found_by_order_id_or_address_whatever_their_case() -> None:
    row = trade(trader_side="MAKER", maker_orders=[maker(owner="", maker_address=WALLET.upper().replace("0X", "0x"))])
    row |= {"owner": "someone", "maker_address": "0x" + "11" * 20}
    assert len(user_events.own_legs(read_trade(row), api_keys=[], addresses=[WALLET.lower()])) == 1
    by_id = user_events.own_legs(
        read_trade(row), api_keys=[], addresses=[], order_ids=[row["maker_orders"][0]["order_id"].upper()]
    )
    assert by_id[0].role is Role.MAKER


def test_a_trade_with_ourselves_has_both_parts() -> None:
    event = read_trade(trade(maker_orders=[maker(owner=KEY)]))
    assert [leg.role for leg in user_events.own_legs(event, **TRADE_KEYS)] == [Role.TAKER, Role.MAKER]


def test_a_trade_that_claims_us_without_showing_us_is_refused() -> None:
    with pytest.raises(ParseError) as caught:
        user_events.own_legs(read_trade(trade(trader_side="MAKER")), **TRADE_KEYS)
    assert caught.value.field == "maker_orders"
    foreign = read_trade(trade(trader_side=..., owner="x", maker_address="0x"))
    assert user_events.own_legs(foreign, **TRADE_KEYS) == ()


def test_match_time_is_read_under_both_its_names() -> None:
    assert read_trade(trade(match_time=..., matchtime="1672290701")).matched_ms == 1_672_290_701_000
    with pytest.raises(ParseError) as caught:
        read_trade(trade(match_time=...))
    assert caught.value.field == "match_time"


def test_rest_rows_are_the_same_events_with_prefixes() -> None:
    row = trade(event_type=..., type=..., timestamp=..., status="TRADE_STATUS_CONFIRMED", transaction_hash="0xab")
    event = user_events.read_trade_row(row)
    assert event.status.is_final and event.at_ms is None and event.transaction_hash == "0xab"
    open_order = user_events.read_order_row(
        order(event_type=..., type=..., status="ORDER_STATUS_LIVE", created_at=1672290687, expiration=None)
    )
    assert (open_order.kind, open_order.status, open_order.expiration_s) == (None, VenueOrderStatus.LIVE, 0)
    with pytest.raises(ParseError) as caught:
        user_events.read_trade_row(row | {"size": "0"})
    assert (caught.value.field, caught.value.source) == ("size", "rest.trade")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "DONE"}, "status"),
        ({"maker_orders": []}, "maker_orders"),
        ({"maker_orders": None}, "maker_orders"),
        ({"maker_orders": [5]}, "maker_orders[0].entry"),
        ({"trader_side": "BOTH"}, "trader_side"),
        ({"bucket_index": "x"}, "bucket_index"),
        ({"bucket_index": True}, "bucket_index"),
        ({"size": ""}, "size"),
        ({"size": "10.0000001"}, "size"),
        ({"taker_order_id": ...}, "taker_order_id"),
        ({"last_update": "soon"}, "last_update"),
    ],
)
def test_a_trade_that_cannot_be_read_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ParseError) as caught:
        user_events.read_event(trade(**change))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"matched_amount": "0"}, "maker_orders[1].matched_amount"),
        ({"price": "57"}, "maker_orders[1].price"),
        ({"order_id": ...}, "maker_orders[1].order_id"),
        ({"side": "BUY"}, "maker_orders[1].side"),  # a buyer cannot sell to a buyer of the same outcome
    ],
)
def test_a_maker_part_that_cannot_be_read_names_its_place(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ParseError) as caught:
        user_events.read_event(trade(maker_orders=[maker(), maker(**change)]))
    assert caught.value.field == field


# --- frames -----------------------------------------------------------------------------------------------------------


def test_one_bad_message_does_not_hide_the_others_of_its_frame() -> None:
    frame = json.dumps([order(), order(price="2"), trade()]).encode()
    events, errors = user_events.read_frame(frame)
    assert [type(event) for event in events] == [OrderEvent, TradeEvent]
    assert [error.field for error in errors] == ["price"] and errors[0].sample


def test_keep_alives_are_nothing() -> None:
    assert user_events.read_frame(b"PONG") == ([], [])
    assert user_events.read_frame(b"\n") == ([], [])


@pytest.mark.parametrize("frame", [b"{", b"\xff", b"[" * 100_000, b"5", b"null", b'["x"]', b'{"event_type": NaN}'])
def test_a_frame_that_cannot_be_read_is_one_error(frame: bytes) -> None:
    events, errors = user_events.read_frame(frame)
    assert events == [] and len(errors) == 1


def test_damaged_messages_give_typed_errors_only() -> None:
    rng = random.Random(99)
    values = [None, True, 0, -1, 1.5, float("nan"), "", "x", "-1", "1e9", [], {}, [None], "\ud800", "9" * 400]
    whole = [order(), fixture("order_fok_killed"), trade(), fixture("trade_maker_cross_asset")]
    read = failed = 0
    for _ in range(CASES):
        row = json.loads(json.dumps(rng.choice(whole)))
        target = row["maker_orders"][0] if "maker_orders" in row and rng.random() < 0.3 else row
        for _ in range(rng.randrange(3)):
            target[rng.choice(list(target))] = rng.choice(values)
        frame = json.dumps(row).encode()
        if rng.random() < 0.1:
            frame = frame[: rng.randrange(len(frame))]
        events, errors = user_events.read_frame(frame)
        assert len(events) + len(errors) <= 1
        for event in events:
            if isinstance(event, TradeEvent):
                assert event.taker.size > 0 and all(0 < leg.price < 1_000_000 for leg in event.makers)
        read += len(events)
        failed += len(errors)
    assert read > CASES / 5 and failed > CASES / 5


# --- what the venue really sent ---------------------------------------------------------------------------------------


def shared(name: str) -> dict[str, Any]:
    return json.loads((SHARED / name).read_text())


@captured
def test_the_captured_order_and_trades_are_read() -> None:
    placed = read_order(shared("py_order_placement.json"))
    assert (placed.price, placed.size, placed.at_ms) == (513_000, 5_000_000, 1_725_842_520_990)
    row = user_events.read_trade_row(shared("py_trades.json"))
    assert (row.status, row.taker.price) == (TradeStatus.CONFIRMED, 489_000)
    assert row.makers[0].side is Side.SELL and row.makers[0].side_is_inferred


@captured
def test_the_captured_trade_with_six_makers_of_both_outcomes() -> None:
    event = read_trade(shared("py_user_trade1.json"))
    (leg,) = user_events.own_legs(event, api_keys=["3e2c94ca-8124-c4c1-c7ea-be1ea21b71fe"], addresses=[])
    assert (leg.role, leg.side, leg.price, leg.size) == (Role.MAKER, Side.SELL, 518_000, 5_000_000)
    assert event.makers[0].side is Side.BUY and event.makers[0].price == 482_000
    assert sum(maker_leg.size for maker_leg in event.makers) == event.taker.size == 1_096_870_000


@captured
def test_the_captured_taker_trade_and_the_killed_order() -> None:
    event = read_trade(shared("py_user_trade2.json"))
    (leg,) = user_events.own_legs(event, api_keys=[], addresses=["0xa3d82ed56f4c68d2328fb8c29e568ba2caf7d7c8"])
    assert (leg.role, leg.size) == (Role.TAKER, 5_000_000)
    killed = read_order(shared("rs_ws_user_order_fok_killed.anonymised.json"))
    assert (killed.matched, killed.created_ms, killed.at_ms) == (None, None, 1_777_824_065_000)
