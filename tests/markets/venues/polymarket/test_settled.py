"""Settled prices are believed only of a closed market whose two tokens make a dollar in one of two known ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from markets.domain.units import ONE, AmountError
from markets.venues.base import ParseError
from markets.venues.polymarket.settled import settled_prices

CONDITION = "0x" + "ab" * 32
HALF = ONE // 2


class Host:
    def __init__(self, body: bytes) -> None:
        self.body, self.asked = body, ""

    def get(self, path: str, /) -> bytes:
        self.asked = path
        return self.body


def told(*tokens: tuple[Any, Any], closed: Any = True) -> Host:
    rows = [{"token_id": str(i), "price": price, "winner": winner} for i, (price, winner) in enumerate(tokens, 71)]
    return Host(json.dumps({"closed": closed, "tokens": rows}).encode())


def read(host: Host) -> dict[str, int]:
    return settled_prices(host, CONDITION)


@pytest.mark.parametrize(
    ("tokens", "prices"),
    [
        ([(1, True), (0, False)], [ONE, 0]),
        ([(0, False), (1, True)], [0, ONE]),
        ([("1", True), ("0", False)], [ONE, 0]),
        ([(1.0, True), (0.0, False)], [ONE, 0]),
        ([(0.5, False), (0.5, False)], [HALF, HALF]),
        ([("0.5", False), ("0.50", False)], [HALF, HALF]),
    ],
)
def test_a_winner_or_two_halves_are_believed(tokens: list[tuple[Any, Any]], prices: list[int]) -> None:
    host = told(*tokens)
    assert read(host) == dict(zip(("71", "72"), prices, strict=True))
    assert host.asked == f"/markets/{CONDITION}"


@pytest.mark.parametrize(
    "tokens",
    [
        [(1, False), (0, False)],  # nobody is named the winner
        [(1, False), (0, True)],  # the winner has the other price
        [(1, True), (0, True)],
        [(1, True), (1, True)],
        [(0, False), (0, False)],
        [(0.999, True), (0.001, False)],  # a market price, not a settled one
        [(0.5, True), (0.5, False)],  # half, with a winner
        [(0.6, False), (0.4, False)],
        [(1, True)],
        [(1, True), (0, False), (0, False)],
        [],
    ],
)
def test_anything_else_proves_nothing(tokens: list[tuple[Any, Any]]) -> None:
    assert read(told(*tokens)) == {}


@pytest.mark.parametrize("closed", [False, None, "true", 1])
def test_an_open_market_has_no_settled_prices(closed: Any) -> None:
    assert read(told((1, True), (0, False), closed=closed)) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b"null", b"{}", b'{"closed": true}', b'{"tokens": []}', b'{"closed": true, "tokens": 7}',
        b'{"closed": true, "tokens": [{"token_id": "71", "price": 1}]}',
        b'{"closed": true, "tokens": [{"token_id": "71", "winner": true}]}',
        b'{"closed": true, "tokens": [{"token_id": "71", "price": true, "winner": true}]}',
        b'{"closed": true, "tokens": [{"token_id": "71", "price": null, "winner": true}]}',
        b'{"closed": true, "tokens": ["71", "72"]}',
    ],
)  # fmt: skip
def test_a_body_that_is_not_what_it_was_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        read(Host(body))
    assert (caught.value.field, caught.value.source) == ("tokens", "rest.market")


@pytest.mark.parametrize("price", ["a lot", "0.1234567", "-1"])
def test_a_price_that_is_no_amount_proves_nothing(price: str) -> None:
    try:
        assert read(told((price, True), ("0", False))) == {}
    except (AmountError, ParseError):
        return


def test_the_condition_is_named_safely_in_the_path() -> None:
    host = told((1, True), (0, False))
    settled_prices(host, "../orders?x")
    assert host.asked == "/markets/..%2Forders%3Fx"
