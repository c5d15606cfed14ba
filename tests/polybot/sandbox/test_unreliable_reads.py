"""Reads that lag, pages that repeat, requests that arrive after their answer, hashes that come back."""

from __future__ import annotations

from typing import Any

import pytest

from polybot.sandbox.catalogue import Market
from tests.polybot.sandbox.order_kit import Pair, place, post_body


@pytest.fixture
def pair() -> Pair:
    return Pair()


def fault(pair: Pair, **rule: Any) -> None:
    pair.local.control("faults", rule)


def shown(pair: Pair) -> list[tuple[str, str]]:
    return [(o["id"], o["size_matched"]) for o in pair.one.ask("GET", "/data/orders").json["data"]]


def test_a_lagging_read_shows_orders_and_trades_as_they_were(pair: Pair) -> None:
    market = pair.market()
    first = place(pair.one, market, price="0.5", size="20").json["orderID"]
    pair.pass_ms(10_000)
    fault(pair, scope="engine", kind="read_lag", latency_ms=3_000, seconds=60)
    place(pair.two, market, price="0.5", size="5", outcome=1)
    second = place(pair.one, market, price="0.2").json["orderID"]
    assert shown(pair) == [(first, "0")]
    assert pair.one.ask("GET", f"/data/order/{second}").json is None
    assert pair.one.ask("GET", "/data/trades").json["data"] == []
    pair.pass_ms(3_000)
    assert shown(pair) == [(first, "5"), (second, "0")]
    assert len(pair.one.ask("GET", "/data/trades").json["data"]) == 1
    pair.one.ask("DELETE", "/order", {"orderID": second})
    assert pair.one.ask("GET", f"/data/order/{second}").json["status"] == "LIVE"
    pair.pass_ms(3_000)
    assert shown(pair) == [(first, "5")]


def fill_pages(pair: Pair, count: int) -> list[str]:
    market = pair.market()
    return [place(pair.one, market, price="0.2").json["orderID"] for _ in range(count)]


def read_pages(pair: Pair, most: int = 10) -> tuple[list[list[str]], bool]:
    """Follow the cursors; return the pages' ids and whether `LTE=` was reached."""
    pages, cursor = [], "MA=="
    for _ in range(most):
        body = pair.one.ask("GET", f"/data/orders?next_cursor={cursor}").json
        pages.append([order["id"] for order in body["data"]])
        assert body["count"] == len(body["data"])
        cursor = body["next_cursor"]
        if cursor == "LTE=":
            return pages, True
    return pages, False


@pytest.mark.parametrize(
    ("kinds", "sizes", "ends"),
    [
        (["page_small"], [2, 2, 1], True),
        (["page_small", "page_overlap"], [2, 3, 2], True),
        (["page_small", "page_loop"], [2] * 10, False),
        (["page_tail"], [5, 0], True),
    ],
)
def test_pages_come_in_every_bad_shape(pair: Pair, kinds: list[str], sizes: list[int], ends: bool) -> None:
    ids = fill_pages(pair, 5)
    for kind in kinds:
        fault(pair, scope="engine", kind=kind, seconds=60)
    pages, ended = read_pages(pair)
    assert ([len(page) for page in pages], ended) == (sizes, ends)
    if ends:
        assert set(ids) == {order_id for page in pages for order_id in page}


def test_a_late_request_takes_effect_long_after_its_answer(pair: Pair) -> None:
    market = pair.market()
    fault(pair, kind="late", method="POST", path="/order", effect_ms=30_000, times=1)
    body = post_body(pair.one, market, price="0.2")
    assert pair.one.ask("POST", "/order", body).status == 504
    pair.pass_ms(29_000)
    assert shown(pair) == []
    pair.pass_ms(1_100)
    assert len(shown(pair)) == 1
    again = pair.one.ask("POST", "/order", body)
    assert (again.status, again.json["error"].endswith("is invalid. Duplicated.")) == (400, True)


def test_a_late_cancel_meets_what_is_there_by_then(pair: Pair) -> None:
    market = pair.market()
    order_id = place(pair.one, market, price="0.2").json["orderID"]
    fault(pair, kind="late", method="DELETE", path="/order", effect_ms=5_000, times=1)
    assert pair.one.ask("DELETE", "/order", {"orderID": order_id}).status == 504
    assert len(shown(pair)) == 1
    pair.pass_ms(5_100)
    assert shown(pair) == []


def killed(pair: Pair, market: Market) -> dict[str, Any]:
    body = post_body(pair.one, market, dollars="5", size="10", order_type="FOK")
    assert "couldn't be fully filled" in pair.one.ask("POST", "/order", body).json["error"]
    return body


def test_what_becomes_of_a_hash_that_is_gone_is_for_a_fault_to_say(pair: Pair) -> None:
    market = pair.market()
    body = post_body(pair.one, market, price="0.2")
    order_id = pair.one.ask("POST", "/order", body).json["orderID"]
    pair.one.ask("DELETE", "/order", {"orderID": order_id})
    assert pair.one.ask("POST", "/order", body).json["error"].endswith("Duplicated.")
    fault(pair, scope="engine", kind="repost_canceled", times=1)
    assert pair.one.ask("POST", "/order", body).json["status"] == "live"
    dead = killed(pair, market)
    assert "couldn't be" in pair.one.ask("POST", "/order", dead).json["error"]
    fault(pair, scope="engine", kind="refuse_killed", times=1)
    assert pair.one.ask("POST", "/order", dead).json["error"].endswith("Duplicated.")


@pytest.mark.parametrize(("kind", "kept"), [("truncated", 0.5), ("reset", 0.0)])
def test_an_answer_is_cut_after_its_effect(pair: Pair, kind: str, kept: float) -> None:
    market = pair.market()
    fault(pair, kind=kind, method="POST", path="/order", when="after", times=1)
    answer = place(pair.one, market, price="0.2")
    assert len(answer.raw) == int(int(answer.headers["content-length"]) * kept)
    assert len(shown(pair)) == 1
