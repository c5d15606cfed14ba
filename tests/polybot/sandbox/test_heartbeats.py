"""The dead-man switch: silence after the first heartbeat takes every open order of the key off the books."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.polybot.sandbox.app_kit import Local, Trader
from tests.polybot.sandbox.order_kit import Pair, place


@pytest.fixture
def pair() -> Pair:
    return Pair()


def beat(trader: Trader, given: str) -> tuple[int, dict[str, str]]:
    answer = trader.ask("POST", "/v1/heartbeats", {"heartbeat_id": given})
    return answer.status, answer.json


def test_silence_for_ten_seconds_cancels_every_order_of_the_key_only(pair: Pair) -> None:
    first, second = pair.market(), pair.market(neg_risk=True)
    for market in (first, second):
        for trader in (pair.one, pair.two):
            assert place(trader, market, price="0.2").json["status"] == "live"
    assert beat(pair.one, "")[0] == 200
    pair.pass_ms(9_900)
    assert len(pair.one.ask("GET", "/data/orders").json["data"]) == 2
    pair.pass_ms(200)
    assert pair.one.ask("GET", "/data/orders").json["data"] == []
    assert len(pair.two.ask("GET", "/data/orders").json["data"]) == 2


def test_every_heartbeat_names_the_next_and_a_wrong_one_extends_nothing(pair: Pair) -> None:
    place(pair.one, pair.market(), price="0.2")
    _, armed = beat(pair.one, "")
    pair.pass_ms(6_000)
    status, following = beat(pair.one, armed["heartbeat_id"])
    assert status == 200 and following["heartbeat_id"] != armed["heartbeat_id"]
    pair.pass_ms(6_000)
    for wrong in ("", armed["heartbeat_id"], "x"):
        assert beat(pair.one, wrong) == (
            400,
            {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": following["heartbeat_id"]},
        )
    assert len(pair.one.ask("GET", "/data/orders").json["data"]) == 1
    pair.pass_ms(4_100)
    assert pair.one.ask("GET", "/data/orders").json["data"] == []


def test_an_expired_switch_is_armed_again_from_the_beginning(pair: Pair) -> None:
    _, armed = beat(pair.one, "")
    pair.pass_ms(11_000)
    assert beat(pair.one, armed["heartbeat_id"])[1]["heartbeat_id"] == ""
    assert beat(pair.one, "")[0] == 200
    place(pair.one, pair.market(), price="0.2")
    pair.pass_ms(10_100)
    assert pair.one.ask("GET", "/data/orders").json["data"] == []


def test_without_a_heartbeat_orders_stay(pair: Pair) -> None:
    place(pair.one, pair.market(), price="0.2")
    pair.pass_ms(60_000)
    assert len(pair.one.ask("GET", "/data/orders").json["data"]) == 1


def test_the_old_call_keeps_the_switch_quiet_and_a_deaf_switch_cancels_nothing(pair: Pair) -> None:
    place(pair.one, pair.market(), price="0.2")
    for _ in range(3):
        assert pair.one.ask("POST", "/heartbeats").json == {"status": "ok"}
        pair.pass_ms(8_000)
    assert len(pair.one.ask("GET", "/data/orders").json["data"]) == 1
    pair.local.control("faults", {"scope": "engine", "kind": "heartbeat_deaf", "times": 1})
    pair.pass_ms(20_000)
    assert len(pair.one.ask("GET", "/data/orders").json["data"]) == 1


def test_an_armed_switch_survives_a_restart_of_the_exchange(tmp_path: Path) -> None:
    first = Pair(state=tmp_path)
    place(first.one, first.market(), price="0.2")
    _, armed = beat(first.one, "")
    first.pass_ms(1_000)  # written
    again = Local(rate=0.0, state=tmp_path)
    again.now_ms = first.local.now_ms
    trader = Trader(again, 0xA11CE, known=first.one.creds)
    again.step()
    assert len(trader.ask("GET", "/data/orders").json["data"]) == 1
    status, body = beat(trader, "another chain")
    assert (status, body["heartbeat_id"]) == (400, armed["heartbeat_id"])
    again.now_ms += 10_000
    again.step()
    assert trader.ask("GET", "/data/orders").json["data"] == []
