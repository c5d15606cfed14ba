"""Payments in the venue's activity: read to the end, numbered the same every time, refused when not understood."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from markets.venues.base import ParseError, VenueUnavailable
from markets.venues.polymarket.activity import Payment, cash_rows

WALLET = "0x" + "a1" * 20


def row(**changes: Any) -> dict[str, Any]:
    told = {"proxy_wallet": WALLET, "type": "REWARD", "timestamp": 50, "transaction_hash": "0x" + "AB" * 32,
            "condition_id": "", "usdc_size": "1.25", "size": "0"}  # fmt: skip
    return {**told, **changes}


def host(*pages: list[dict[str, Any]], endless: bool = False) -> Any:
    def fetch(path: str, query: Mapping[str, str]) -> bytes:
        assert (path, query["user"], query["start"]) == ("/v2/activity", WALLET, "7")
        at = int(query.get("cursor", "0"))
        more = endless or at + 1 < len(pages)
        following = str(0 if endless else at + 1) if more else None
        return json.dumps({"data": pages[at], "pagination": {"has_more": more, "next_cursor": following}}).encode()

    return fetch


def read(*pages: list[dict[str, Any]], **values: Any) -> list[Any]:
    return cash_rows(host(*pages, **values), wallet=WALLET, since_s=7)


def test_every_page_is_read_and_rows_that_say_the_same_are_still_two() -> None:
    rows = read([row(), row(type="DEPOSIT", timestamp=40)], [row(), row(usdc_size="3")])
    assert [(r.kind, r.amount, r.at_s) for r in rows if r.amount != 1_250_000 or r.kind is Payment.DEPOSIT] == [
        (Payment.DEPOSIT, 1_250_000, 40),
        (Payment.REWARD, 3_000_000, 50),
    ]
    assert len({r.row_id for r in rows}) == 4


def test_a_row_has_the_same_number_however_the_pages_are_cut() -> None:
    parts = [row(), row(), row(type="MAKER_REBATE"), row(condition_id="0x01")]
    whole = {r.row_id for r in read(parts)}
    assert whole == {r.row_id for r in read(parts[:1], parts[1:])}
    assert whole > {r.row_id for r in read(parts[1:])}  # one of the twins is not listed yet


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "TRADE"}, "type"), ({"type": None}, "type"), ({"timestamp": "50"}, "timestamp"),
        ({"timestamp": True}, "timestamp"), ({"transaction_hash": ""}, "transaction_hash"),
        ({"proxy_wallet": "0x" + "b2" * 20}, "proxy_wallet"), ({"usdc_size": 1.5}, "usdc_size"),
        ({"usdc_size": "-1"}, "usdc_size"), ({"usdc_size": "1.2345678"}, "usdc_size"),
        ({"usdc_size": None}, "usdc_size"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ParseError) as caught:
        read([row(**changes)])
    assert (caught.value.field, caught.value.source) == (field, "data.activity")


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"data": [], "pagination": {}}', b'{"data": {}, "pagination": {}}',
                                  b"<html>", b'{"data": [], "pagination": {"has_more": true}}'])  # fmt: skip
def test_a_page_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        cash_rows(lambda path, query: body, wallet=WALLET, since_s=7)


def test_pages_that_go_round_are_refused() -> None:
    with pytest.raises(VenueUnavailable):
        read([row()], endless=True)
