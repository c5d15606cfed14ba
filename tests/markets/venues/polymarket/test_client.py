"""The HTTP client retries reads a little, never repeats anything else, and says in types what happened."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from markets.venues.base import ParseError, RateLimited, VenueRefused, VenueUnavailable
from markets.venues.polymarket.catalogue import PolymarketCatalogue
from markets.venues.polymarket.client import Pace, PolymarketBooks, PolymarketHttp

BOOK = {"market": "0x1", "asset_id": "7", "timestamp": "1790766981628", "hash": "ab", "bids": [], "asks": [],
        "min_order_size": "5", "tick_size": "0.01", "neg_risk": False, "last_trade_price": ""}  # fmt: skip
Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler) -> tuple[PolymarketHttp, list[float]]:
    slept: list[float] = []
    return PolymarketHttp("http://venue", sleep=slept.append, transport=httpx.MockTransport(handler)), slept


def answers(*statuses: int | Exception) -> tuple[Handler, list[httpx.Request]]:
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        status = statuses[min(len(asked), len(statuses)) - 1]
        if isinstance(status, Exception):
            raise status
        return httpx.Response(status, text="{}", headers={"Retry-After": "2"} if status == 429 else {})

    return handler, asked


def test_a_read_is_tried_three_times() -> None:
    handler, asked = answers(httpx.ConnectError("no"), 503, 200)
    http, slept = client(handler)
    assert http.get("/x") == b"{}" and len(asked) == 3 and slept == [0.3, 1.0]


def test_then_it_is_unavailable() -> None:
    handler, asked = answers(httpx.ReadTimeout("slow"))
    with pytest.raises(VenueUnavailable, match="GET /x: ReadTimeout"):
        client(handler)[0].get("/x")
    assert len(asked) == 3


def test_the_venues_own_patience_is_kept() -> None:
    handler, _ = answers(429, 200)
    http, slept = client(handler)
    assert http.get("/x") == b"{}" and slept == [2.0]
    with pytest.raises(RateLimited) as caught:
        client(answers(429)[0])[0].get("/x")
    assert caught.value.retry_after_s == 2.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 301])
def test_a_refusal_is_not_repeated(status: int) -> None:
    handler, asked = answers(status)
    with pytest.raises(VenueRefused, match=str(status)):
        client(handler)[0].get("/x")
    assert len(asked) == 1


def test_a_post_is_never_repeated() -> None:
    handler, asked = answers(503)
    with pytest.raises(VenueUnavailable):
        client(handler)[0].post("/x", [])
    assert len(asked) == 1


def test_books_come_by_token_and_only_those_asked_for() -> None:
    http, _ = client(lambda request: httpx.Response(200, json=[BOOK]))
    source = PolymarketBooks(http, clock_ns=lambda: 5)
    assert source.books_get(["7", "8"])["7"].received_ns == 5
    with pytest.raises(ParseError, match="was not asked for"):
        source.books_get(["8"])


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[{}]", b'[{"asset_id": 7}]'])
def test_what_is_no_book_is_a_parse_error(body: bytes) -> None:
    http, _ = client(lambda request: httpx.Response(200, content=body))
    with pytest.raises(ParseError):
        PolymarketBooks(http).books_get(["7"])


def test_the_catalogue_follows_cursors_and_refuses_a_circle() -> None:
    pages = {"": {"events": [], "next_cursor": "b"}, "b": {"events": []}}
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.params.get("after_cursor", ""))
        return httpx.Response(200, json=pages[seen[-1]])

    assert len(list(PolymarketCatalogue(client(handler)[0], pace=Pace(0)).open_events())) == 2
    assert seen == ["", "b"]
    pages["b"]["next_cursor"] = "b"
    with pytest.raises(ParseError, match="would never end"):
        list(PolymarketCatalogue(client(handler)[0], pace=Pace(0)).open_events())
