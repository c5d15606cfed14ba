"""Delays: a marketable order waits, cannot be cancelled, and is checked once more before it matches."""

from __future__ import annotations

from typing import Any

import pytest

from polybot.sandbox.catalogue import Market
from polybot.sandbox.messages import UserEvent
from tests.polybot.sandbox.order_kit import Pair, place

DELAYED = "order match delayed due to market conditions"


@pytest.fixture
def pair() -> Pair:
    return Pair()


def sports(pair: Pair, *, seconds: int = 3) -> Market:
    market = pair.market()
    pair.local.control("market", {"market": market.condition_id, "seconds_delay": seconds})
    assert place(pair.two, market, price="0.5", size="50", outcome=1).json["status"] == "live"
    return market


def events(pair: Pair, order_id: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def note(event: Any) -> None:
        if isinstance(event, UserEvent) and event.body["id"] == order_id:
            found.append((event.body["type"], event.body["status"]))

    pair.local.app.exchange.listen(note)
    return found


def test_a_marketable_order_waits_uncancellable_and_then_matches(pair: Pair) -> None:
    market = sports(pair)
    answer = place(pair.one, market, price="0.5", size="10").json
    assert (answer["success"], answer["status"], answer["tradeIDs"]) == (True, "delayed", [])
    heard = events(pair, answer["orderID"])
    (shown,) = pair.one.ask("GET", "/data/orders").json["data"]
    assert (shown["status"], shown["size_matched"]) == ("DELAYED", "0")
    refused = pair.one.ask("DELETE", "/order", {"orderID": answer["orderID"]}).json
    assert refused == {"canceled": [], "not_canceled": {answer["orderID"]: DELAYED}}
    assert pair.one.ask("DELETE", "/cancel-all").json["not_canceled"] == {answer["orderID"]: DELAYED}
    pair.pass_ms(2_900)
    assert heard == []
    pair.pass_ms(200)
    assert heard == [("UPDATE", "MATCHED")]
    assert pair.one.ask("GET", "/data/order/" + answer["orderID"]).json is None
    pair.settle()
    assert pair.position(pair.one, market) == 10_000_000


def test_an_order_that_does_not_cross_is_not_delayed(pair: Pair) -> None:
    assert place(pair.one, sports(pair), price="0.3").json["status"] == "live"


def test_when_the_match_is_gone_a_gtc_rests_and_a_fok_falls_away(pair: Pair) -> None:
    market = sports(pair)
    resting = place(pair.one, market, price="0.5", size="10").json["orderID"]
    killed = place(pair.one, market, dollars="5", size="10", order_type="FOK").json["orderID"]
    told_resting, told_killed = events(pair, resting), events(pair, killed)
    pair.two.ask("DELETE", "/cancel-all")
    pair.pass_ms(3_100)
    assert told_resting == [("UPDATE", "UNMATCHED")]
    assert told_killed[0][1].startswith("CANCELED_order couldn't be fully filled")
    assert [o["status"] for o in pair.one.ask("GET", "/data/orders").json["data"]] == ["LIVE"]
    assert pair.one.ask("DELETE", "/order", {"orderID": resting}).json["canceled"] == [resting]


def test_money_that_left_meanwhile_ends_the_order(pair: Pair) -> None:
    market = sports(pair)
    exchange, address = pair.local.app.exchange, pair.one.account.address.lower()
    order_id = place(pair.one, market, price="0.5", size="10").json["orderID"]
    heard = events(pair, order_id)
    exchange.split(address, market.condition_id, exchange.chain_balance(address, "cash"))
    pair.pass_ms(3_100)
    assert heard[0][0] == "CANCELLATION" and "not enough balance" in heard[0][1]


def test_a_market_that_resolves_meanwhile_ends_the_order(pair: Pair) -> None:
    market = sports(pair)
    order_id = place(pair.one, market, price="0.5", size="10").json["orderID"]
    heard = events(pair, order_id)
    pair.local.control("resolve", {"market": market.condition_id, "winner": 0})
    pair.pass_ms(3_100)
    assert heard == [("CANCELLATION", "CANCELED_MARKET_RESOLVED")]


def test_money_of_a_delayed_order_is_set_aside(pair: Pair) -> None:
    market = sports(pair)
    place(pair.two, market, price="0.5", size="1800", outcome=1)
    assert place(pair.one, market, price="0.5", size="1700").json["status"] == "delayed"
    poor = place(pair.one, pair.market(neg_risk=True), price="0.5", size="400")
    assert poor.status == 400 and "sum of active orders: 850000000" in poor.json["error"]


def test_a_held_request_is_answered_late_with_its_result(pair: Pair) -> None:
    market = pair.market()
    pair.local.control("market", {"market": market.condition_id, "taker_delay_ms": 30})
    assert pair.local.get(f"/clob-markets/{market.condition_id}")["itode"] is True
    place(pair.two, market, price="0.5", size="50", outcome=1)
    assert place(pair.one, market, price="0.5", size="10").json["status"] == "matched"
    assert place(pair.one, market, price="0.3", size="10").json["status"] == "live"
    batch = pair.one.ask("POST", "/orders", [])
    assert batch.status == 400


def test_orders_of_users_leave_the_book_when_the_game_begins(pair: Pair) -> None:
    market = pair.market()
    order_id = place(pair.one, market, price="0.2").json["orderID"]
    heard = events(pair, order_id)
    pair.local.control("market", {"market": market.condition_id, "game_starts_in_s": 30})
    pair.pass_ms(28_000)
    assert heard == []
    pair.pass_ms(3_100)
    assert heard == [("CANCELLATION", "INVALID")]
    pair.local.control("market", {"market": market.condition_id, "game_starts_in_s": 30})
    assert place(pair.one, market, price="0.2").json["status"] == "live"  # the start has moved: it opens again
    assert pair.local.app.exchange.book(market.token_ids[0]).bids != ()
