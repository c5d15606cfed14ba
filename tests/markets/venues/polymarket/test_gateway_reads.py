"""What is read of an account, from a local exchange that reads badly: whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from markets.domain.answers import AnswerKind as Kind
from markets.venues.base import ParseError, RateLimited, VenueError, VenueRefused, VenueUnavailable
from markets.venues.trading import HeartbeatRefused
from tests.local_exchange import running_exchange
from tests.markets.venues.polymarket.gateway_kit import (
    Desk,
    Market,
    crossing,
    desk,
    fault,
    healed,
    now_ms,
    soon,
    terms,
    until,
)

Broken = dict[str, Any]


@pytest.fixture(scope="module")
def exchange() -> Iterator[Mapping[str, str]]:
    with running_exchange("--seed", "13") as found:
        yield found


def exists(ours: Desk, order_id: str) -> bool:
    return ours.gateway.order(order_id) is not None


def rule(kind: str, **more: Any) -> Broken:
    return {"kind": kind, "service": "clob", "times": 1, **more}


READ_FAULTS: list[tuple[Broken, type[VenueError]]] = [
    (rule("status", status=500), VenueUnavailable),
    (rule("status", status=503), VenueUnavailable),
    (rule("status", status=425), VenueUnavailable),
    (rule("status", status=429, retry_after=4), RateLimited),
    (rule("status", status=401), VenueRefused),
    (rule("html"), VenueRefused),
    (rule("malformed"), ParseError),
    (rule("status", status=200, body="<html>hello</html>"), ParseError),
    (rule("status", status=200, body='{"data":[{"id":1}],"next_cursor":"LTE="}'), ParseError),
    (rule("status", status=200, body='{"data":[],"data":[],"next_cursor":"LTE="}'), ParseError),
    (rule("status", status=200, body='{"data":[]}'), ParseError),
    (rule("status", status=200, body='{"data":[],"next_cursor":""}'), ParseError),
    (rule("status", status=200, body="null"), ParseError),
    (rule("truncated"), VenueUnavailable),
    (rule("reset"), VenueUnavailable),
]


@pytest.mark.parametrize(("broken", "error"), READ_FAULTS)
@pytest.mark.parametrize("path", ["/data/orders", "/data/trades"])
def test_a_list_that_cannot_be_read_raises(
    urls: Mapping[str, str], ours: Desk, broken: Broken, error: type[VenueError], path: str
) -> None:
    fault(urls, **broken, method="GET", path=path)
    with pytest.raises(error) as caught:
        ours.gateway.open_orders() if path == "/data/orders" else ours.gateway.legs(since_ms=0)
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after_s == 4.0


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ('{"balance":"1e9","allowances":{}}', "balance"),
        ('{"balance":-1,"allowances":{}}', "balance"),
        ('{"balance":"1","allowances":{"0xA":NaN}}', "body"),
        ('{"balance":"1","allowances":{"0xA":"-5"}}', "allowances"),
        ('{"balance":"1","allowances":[]}', "allowances"),
        ('{"allowances":{}}', "balance"),
    ],
)
def test_a_balance_that_is_none_is_not_guessed(urls: Mapping[str, str], ours: Desk, body: str, word: str) -> None:
    fault(urls, **rule("status", status=200, body=body), method="GET", path="/balance-allowance")
    with pytest.raises(ParseError, match=word):
        ours.gateway.balances()


@pytest.mark.parametrize(
    "body",
    [
        '{"data":[{"token_id":"1"}],"pagination":{"has_more":false}}',
        '{"data":[]}',
        '{"data":[],"pagination":{"has_more":true}}',
    ],
)
def test_positions_that_cannot_be_read_raise(urls: Mapping[str, str], ours: Desk, body: str) -> None:
    fault(urls, kind="status", status=200, body=body, service="data", method="GET", path="/v2/positions", times=1)
    with pytest.raises(ParseError):
        ours.gateway.positions()


@pytest.mark.parametrize("body", ["null", '""', "{}", ""])
def test_an_order_that_the_venue_does_not_show(urls: Mapping[str, str], ours: Desk, market: Market, body: str) -> None:
    order_id, _ = ours.send(terms(market))
    fault(urls, **rule("status", status=200, body=body), method="GET", path="/data/order/*")
    if body:
        assert ours.gateway.order(order_id) is None
    healed(urls)
    fault(urls, **rule("status", status=404), method="GET", path="/data/order/*")
    assert ours.gateway.order(order_id) is None
    assert exists(ours, order_id)
    other_id, _ = ours.send(terms(market))
    shown = call_raw(ours, other_id)
    fault(urls, **rule("status", status=200, body=shown), method="GET", path="/data/order/*")
    with pytest.raises(ParseError, match="is not the order that was asked for"):
        ours.gateway.order(order_id)
    ours.gateway.cancel_everything(deadline_ms=soon())


def call_raw(ours: Desk, order_id: str) -> str:
    return ours.gateway._fetch(f"/data/order/{order_id}", {}).decode()


@pytest.mark.parametrize("quirk", ["page_small", "page_overlap", "page_loop", "page_tail"])
def test_lists_are_whole_however_they_are_paged(
    urls: Mapping[str, str], exchange: Mapping[str, str], market: Market, quirk: str
) -> None:
    ours = desk(exchange)
    ids = {ours.send(terms(market, size=5_000_000))[0] for _ in range(7)}
    began = now_ms()
    taken = {ours.send(crossing(market, size=5_000_000))[0] for _ in range(5)}
    fault(urls, scope="engine", kind="page_small")
    if quirk != "page_small":
        fault(urls, scope="engine", kind=quirk, times=3 if quirk == "page_overlap" else 1)
    assert {order.order_id for order in ours.gateway.open_orders()} == ids
    if quirk != "page_small":
        fault(urls, scope="engine", kind=quirk, times=3 if quirk == "page_overlap" else 1)
    legs = ours.gateway.legs(since_ms=began - 1_000)
    assert {leg.order_id for leg in legs} == taken
    assert len({(leg.trade_id, leg.order_id) for leg in legs}) == len(legs)
    ours.gateway.cancel_everything(deadline_ms=soon())


def test_pages_that_go_round_for_ever_are_given_up(
    urls: Mapping[str, str], exchange: Mapping[str, str], market: Market
) -> None:
    ours = desk(exchange)
    for _ in range(3):
        ours.send(terms(market, size=5_000_000))
    fault(urls, scope="engine", kind="page_small")
    fault(urls, scope="engine", kind="page_loop")
    with pytest.raises(VenueUnavailable, match="do not come to an end"):
        ours.gateway.open_orders()
    ours.gateway.cancel_everything(deadline_ms=soon())


def test_a_lagging_read_shows_an_older_truth_and_no_error(
    urls: Mapping[str, str], exchange: Mapping[str, str], market: Market
) -> None:
    ours = desk(exchange)
    fault(urls, scope="engine", kind="read_lag", latency_ms=1_500)
    order_id, sent = ours.send(terms(market))
    assert sent.answer.kind is Kind.LIVE
    assert ours.gateway.order(order_id) is None and ours.gateway.open_orders() == []
    assert until(ours.gateway.open_orders, lambda found: [o.order_id for o in found] == [order_id])
    ours.gateway.cancel_everything(deadline_ms=soon())


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (rule("status", status=200, body="{}"), ParseError),
        (rule("status", status=200, body='{"heartbeat_id":""}'), ParseError),
        (rule("status", status=200, body='{"heartbeat_id":7}'), ParseError),
        (rule("status", status=200, body="[]"), ParseError),
        (rule("malformed"), ParseError),
        (rule("status", status=400, body='{"error":"no"}'), VenueRefused),
        (rule("status", status=401), VenueRefused),
        (rule("html"), VenueRefused),
        (rule("status", status=500), VenueUnavailable),
        (rule("reset"), VenueUnavailable),
    ],
)
def test_a_heartbeat_without_a_clear_answer_is_an_error(
    urls: Mapping[str, str], exchange: Mapping[str, str], broken: Broken, error: type[VenueError]
) -> None:
    ours = desk(exchange)
    fault(urls, **broken, method="POST", path="/v1/heartbeats")
    with pytest.raises(error) as caught:
        ours.gateway.heartbeat("")
    assert not isinstance(caught.value, HeartbeatRefused)


def test_a_heartbeat_whose_answer_was_lost_is_found_in_the_chain_again(
    urls: Mapping[str, str], exchange: Mapping[str, str]
) -> None:
    """The lost one armed the switch: the next names the wrong id, and the venue says which is right."""
    ours = desk(exchange)
    fault(urls, **rule("reset"), method="POST", path="/v1/heartbeats", when="after")
    with pytest.raises(VenueUnavailable):
        ours.gateway.heartbeat("")
    with pytest.raises(HeartbeatRefused) as caught:
        ours.gateway.heartbeat("")
    assert ours.gateway.heartbeat(caught.value.expected_id)
