"""Faults: what goes wrong on purpose does so exactly as often as asked."""

from __future__ import annotations

import random

import pytest

from polybot.sandbox.faults import Faults
from polybot.sandbox.http_core import ApiError


class Clock:
    now = 1_000

    def __call__(self) -> int:
        return self.now


def faults(clock: Clock | None = None) -> Faults:
    return Faults(random.Random(1), clock=clock or Clock())


def frames(rules: Faults, text: str = "m", *, assets: tuple[str, ...] = ("1", "2"), kind: str = "book") -> list[str]:
    found = rules.deliveries(text, channel="market", event_type=kind, market="0xa", assets=assets)
    return [frame.text for frame in found]


def test_a_status_fault_strikes_its_path_as_often_as_asked() -> None:
    rules = faults()
    rules.add({"kind": "status", "status": 425, "path": "/order", "method": "POST", "times": 2})
    assert rules.for_request("clob", "GET", "/order") is None
    struck = [rules.for_request("clob", "POST", "/order") for _ in range(3)]
    assert [rule is not None for rule in struck] == [True, True, False]
    answer = struck[0].response() if struck[0] else None
    assert answer is not None
    assert (answer.status, answer.body) == (425, b'{"error":"service not ready"}')
    assert rules.describe() == []


@pytest.mark.parametrize(
    ("kind", "status", "start"),
    [("html", 403, b"<!DOCTYPE"), ("malformed", 200, b'{"success":true,"orderID":"0x'), ("empty", 200, b"")],
)
def test_false_answers_look_like_the_real_trouble(kind: str, status: int, start: bytes) -> None:
    rules = faults()
    rules.add({"kind": kind})
    rule = rules.for_request("clob", "GET", "/book")
    answer = rule.response() if rule else None
    assert answer is not None
    assert answer.status == status
    assert answer.body.startswith(start)


def test_a_stall_silences_its_assets_only_and_ends_by_itself() -> None:
    clock = Clock()
    rules = faults(clock)
    rules.add({"scope": "socket", "kind": "stall", "asset_ids": ["1"], "seconds": 5})
    assert frames(rules) == []
    assert frames(rules, assets=("3",)) == ["m"]
    clock.now += 5_000
    assert frames(rules) == ["m"]
    assert rules.describe() == []


def test_drop_and_duplicate_count_messages() -> None:
    rules = faults()
    rules.add({"scope": "socket", "kind": "drop", "times": 1})
    rules.add({"scope": "socket", "kind": "duplicate", "times": 1})
    assert frames(rules) == []
    assert frames(rules) == ["m", "m"]
    assert frames(rules) == ["m"]


def test_a_reordered_message_arrives_after_the_next() -> None:
    rules = faults()
    rules.add({"scope": "socket", "kind": "reorder", "times": 1, "event_type": "price_change"})
    assert frames(rules, "first", kind="price_change") == []
    assert frames(rules, "other", kind="book") == ["other"]
    assert frames(rules, "second", kind="price_change") == ["second", "first"]
    assert frames(rules, "third", kind="price_change") == ["third"]


def test_a_corrupt_frame_is_cut_in_the_middle() -> None:
    rules = faults()
    rules.add({"scope": "socket", "kind": "corrupt", "times": 1})
    assert frames(rules, '{"a":1}') == ['{"a']


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "JSON object"),
        ({"kind": "explode"}, "Invalid enum value 'explode'"),
        ({"kind": "status", "times": "two"}, r"Expected `int \| null`, got `str` - at `\$.times`"),
        ({"scope": "socket", "kind": "stall", "seconds": "5"}, "seconds: a number"),
        ({"kind": "status", "when": "later"}, "Invalid enum value 'later'"),
        ({"scope": "moon"}, "scope: http, socket or engine"),
        ({"kind": "status", "colour": 1}, "unknown: colour"),
    ],
)
def test_a_fault_that_is_none_is_refused_by_name(body: object, says: str) -> None:
    with pytest.raises(ApiError, match=says):
        faults().add(body)


def test_a_fault_for_everything_leaves_the_control_door_open() -> None:
    rules = faults()
    rules.add({"kind": "status", "status": 500})
    assert rules.for_request("control", "DELETE", "/faults") is None
    assert rules.for_request("gamma", "GET", "/markets") is not None
