"""A cancel's answer says what was cancelled, what was not and why, and otherwise that nobody knows."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from markets.domain.trading import CancelAnswer
from markets.venues.polymarket.cancel_answers import merged, read_cancel

ONE, TWO, OTHER = (f"0x{number:064x}" for number in (0xA1, 0xB2, 0xEE))


def read(body: object, *, status: int = 200, asked: list[str] | None = None, **headers: str) -> CancelAnswer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return read_cancel(status=status, headers=named, body=data, asked=asked)


def test_what_was_cancelled_and_what_was_not() -> None:
    answer = read(
        {"canceled": [ONE.upper().replace("0X", "0x")], "not_canceled": {TWO: "already canceled or matched"}},
        asked=[ONE, TWO],
    )
    assert answer == CancelAnswer(canceled=frozenset({ONE}), refused={TWO: "already canceled or matched"})


def test_an_order_that_is_left_out_is_neither() -> None:
    answer = read({"canceled": [ONE], "not_canceled": None}, asked=[ONE, TWO])
    assert answer.canceled == {ONE} and TWO not in answer.refused and not answer.unknown


def test_an_order_that_was_not_asked_for_is_told_apart() -> None:
    answer = read({"canceled": [ONE, OTHER], "not_canceled": {TWO: "no"}}, asked=[ONE, TWO])
    assert answer.canceled == {ONE} and answer.refused == {TWO: "no"}
    assert answer.unknown and answer.code == "other_order" and answer.said == OTHER


def test_cancelling_everything_names_whatever_there_was() -> None:
    assert read({"canceled": [ONE, OTHER], "not_canceled": {}}).canceled == {ONE, OTHER}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"<html>", {}, {"canceled": None, "not_canceled": {}}, {"canceled": "0x"},
        {"canceled": [1]}, {"canceled": ["0x12"]}, {"canceled": [], "not_canceled": [ONE]},
        {"canceled": [], "not_canceled": {"x": "y"}}, {"canceled": [ONE], "not_canceled": {ONE: "no"}},
    ],
)  # fmt: skip
def test_a_body_that_says_something_else_is_unknown(body: object) -> None:
    answer = read(body, asked=[ONE])
    assert answer.unknown and not answer.canceled and not answer.refused and answer.code


def test_a_cut_body_is_unknown() -> None:
    body = json.dumps({"canceled": [ONE], "not_canceled": {}}).encode()
    assert read(body, asked=[ONE], content_length=str(len(body) + 5)).unknown


@pytest.mark.parametrize(
    ("status", "error", "code", "unknown"),
    [
        (401, "Unauthorized/Invalid api key", "unauthorized", False),
        (403, "Trading restricted in your region", "region", False),
        (425, "service not ready", "restarting", False),
        (429, "Too Many Requests", "rate_limited", False),
        (503, "Trading is currently disabled. Check polymarket.com for updates", "disabled", False),
        (503, "out to lunch", "status_503", True),
        (400, "something new", "status_400", True),
        (500, "Internal server error", "internal", True),
        (502, "", "status_502", True),
    ],
)
def test_refusals_of_the_request(status: int, error: str, code: str, unknown: bool) -> None:
    answer = read({"error": error}, status=status, asked=[ONE])
    assert (answer.code, answer.unknown, answer.said) == (code, unknown, error)
    assert not answer.canceled and not answer.refused


@pytest.mark.parametrize("status", [400, 404])
def test_an_order_that_is_not_found_is_a_reason_and_no_end(status: int) -> None:
    answer = read({"error": "Order not found or already canceled"}, status=status, asked=[ONE])
    assert answer.refused == {ONE: "Order not found or already canceled"} and not answer.unknown


def test_the_pause_is_the_venues() -> None:
    assert read({"error": "Too Many Requests"}, status=429, retry_after="4").retry_after_s == 4.0
    assert read({"error": "x", "retry_after_seconds": 9}, status=429).retry_after_s == 9.0
    assert read({"error": "x", "retry_after_seconds": True}, status=429, retry_after="soon").retry_after_s is None
    assert read({"error": "x"}, status=429, retry_after="9" * 30).retry_after_s == 600.0


def test_several_requests_are_one_answer() -> None:
    parts = [
        CancelAnswer(canceled=frozenset({ONE})),
        CancelAnswer(refused={TWO: "no"}),
        CancelAnswer(unknown=True, code="timeout", retry_after_s=2.0),
    ]
    assert merged(parts) == CancelAnswer(
        canceled=frozenset({ONE}), refused={TWO: "no"}, unknown=True, code="timeout", retry_after_s=2.0
    )


def test_no_body_makes_it_raise_or_invent_a_cancel() -> None:
    rng = random.Random(9)
    whole = json.dumps({"canceled": [ONE], "not_canceled": {TWO: "already matched"}}).encode()
    for _ in range(3_000):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        answer: Any = read(bytes(data), status=rng.choice((200, 400, 500)), asked=[ONE, TWO])
        assert answer.canceled <= {ONE} and answer.refused.keys() <= {ONE, TWO}
