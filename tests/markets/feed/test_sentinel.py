"""One frame in 256 is looked at completely, and every frame that was refused."""

from __future__ import annotations

import json

from markets.domain.drift import DriftKind
from markets.feed.sentinel import EVERY, Sentinel
from markets.venues.base import ParseError
from markets.venues.polymarket.shapes import SHAPES


def change(**more: object) -> bytes:
    row = {
        "asset_id": "7",
        "price": "0.5",
        "size": "1",
        "side": "BUY",
        "hash": "a",
        "best_bid": "0.4",
        "best_ask": "0.6",
    }
    body = {"event_type": "price_change", "market": "0xa", "timestamp": "1", "price_changes": [row | more]}
    return json.dumps(body).encode()


def test_frames_as_declared_say_nothing() -> None:
    sentinel = Sentinel(SHAPES, every=1)
    assert sentinel.look([change(), b"PONG", b"[]"]) == [] and sentinel.looked == 2


def test_the_first_and_then_one_in_256_is_looked_at() -> None:
    sentinel = Sentinel(SHAPES)
    sentinel.look([change()])
    assert sentinel.looked == 1
    for _ in range(EVERY - 1):
        sentinel.look([change()])
    assert sentinel.looked == 1
    sentinel.look([change()])
    assert sentinel.looked == 2
    sentinel.look([change()] * (3 * EVERY))
    assert sentinel.looked == 5


def test_a_new_field_deep_inside_is_named_with_its_market() -> None:
    (found,) = Sentinel(SHAPES).look([change(tier=3)])
    assert (found.source, found.difference.field, found.condition_id) == (
        "ws.price_change",
        "price_changes[].tier",
        "0xa",
    )
    assert found.difference.kind is DriftKind.UNKNOWN_FIELD


def test_a_refused_frame_is_looked_at_whatever_its_turn() -> None:
    sentinel = Sentinel(SHAPES)
    sentinel.look([change()])
    problem = ParseError("price", "Expected `str`", sample=change(price=5).decode(), source="ws.price_change")
    (found,) = sentinel.refused([problem])
    assert (found.difference.kind, found.difference.field) == (DriftKind.RETYPED_FIELD, "price_changes[].price")


def test_an_unknown_kind_of_event_is_named() -> None:
    (found,) = Sentinel(SHAPES).refused([ParseError("event_type", "unknown: 'auction'", sample="{}", source="ws")])
    assert found.difference.field == "event_type 'auction'" and found.source == "ws"


def test_a_message_cut_in_the_middle_is_no_drift() -> None:
    cut = ParseError("body", "Input data was truncated", sample=change()[:40].decode(), source="ws.frame")
    assert Sentinel(SHAPES).refused([cut]) == []
