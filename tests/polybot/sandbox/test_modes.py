"""The engine's modes: what each phase of a restart, cancel-only and disabled refuse, and what they let through."""

from __future__ import annotations

from typing import Any

import pytest

from polybot.sandbox.modes import CANCEL_ONLY, DISABLED
from tests.polybot.sandbox.order_kit import Pair, place, post_body

POST_ONLY = "post-only mode: only post-only orders and cancels are allowed"


@pytest.fixture
def pair() -> Pair:
    return Pair()


def cancel(pair: Pair, order_id: str) -> tuple[int, Any]:
    answer = pair.one.ask("DELETE", "/order", {"orderID": order_id})
    return answer.status, answer.json


def test_the_restart_drill_goes_from_425_over_post_only_to_normal(pair: Pair) -> None:
    market = pair.market()
    resting = place(pair.one, market, price="0.2").json["orderID"]
    pair.local.control("restart", {"down_s": 5, "post_only_s": 20})
    away = place(pair.one, market, price="0.2", post_only=True)
    assert (away.status, away.json, away.headers["retry-after"]) == (425, {"error": "service not ready"}, "5")
    assert cancel(pair, resting)[0] == 425
    assert len(pair.one.ask("GET", "/data/orders").json["data"]) == 1  # reads go on
    pair.pass_ms(5_000)
    refused = place(pair.one, market, price="0.2")
    assert (refused.status, refused.headers["retry-after"]) == (503, "20")
    assert refused.json == {"error": POST_ONLY, "code": "post_only_mode", "retry_after_seconds": 20}
    assert place(pair.one, market, price="0.2", post_only=True).json["status"] == "live"
    assert cancel(pair, resting) == (200, {"canceled": [resting], "not_canceled": {}})
    legs = [post_body(pair.one, market, price="0.2", post_only=flag) for flag in (True, False)]
    assert pair.one.ask("POST", "/orders", legs).status == 503
    assert pair.one.ask("POST", "/orders", legs[:1]).json[0]["status"] == "live"
    pair.pass_ms(20_000)
    assert place(pair.one, market, price="0.2").json["status"] == "live"
    assert pair.local.get("/control/mode") == {"mode": "normal", "until_ms": None}


@pytest.mark.parametrize(("mode", "text", "cancels"), [("cancel_only", CANCEL_ONLY, 200), ("disabled", DISABLED, 503)])
def test_restricted_modes_refuse_orders_in_the_venues_words(pair: Pair, mode: str, text: str, cancels: int) -> None:
    market = pair.market()
    resting = place(pair.one, market, price="0.2").json["orderID"]
    pair.local.control("mode", {"mode": mode})
    refused = place(pair.one, market, price="0.2", post_only=True)
    assert (refused.status, refused.json) == (503, {"error": text})
    assert cancel(pair, resting)[0] == cancels
    pair.local.control("mode", {"mode": "normal"})
    assert place(pair.one, market, price="0.2").json["status"] == "live"


def test_nothing_trades_while_the_engine_is_away() -> None:
    busy = Pair()
    busy.local = busy.local.__class__(rate=500.0)
    before = busy.local.app.exchange.status()["messages"]
    busy.local.control("mode", {"mode": "restarting", "seconds": 5})
    for _ in range(40):
        busy.pass_ms(100)
    assert busy.local.app.exchange.status()["messages"] == before
    for _ in range(40):
        busy.pass_ms(100)
    after = busy.local.app.exchange.status()["messages"]
    assert isinstance(after, int) and isinstance(before, int) and after > before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("mode", {"mode": "asleep"}),
        ("mode", {"mode": "disabled", "seconds": -1}),
        ("restart", {"down_s": "5"}),
        ("restart", {"for": 5}),
        ("market", {"market": "0x00", "seconds_delay": 3}),
        ("limits", {"signers": "maybe"}),
        ("limits", {"tier": "Wood"}),
        ("limits", {"scale": 0}),
        ("limits", {"addresses": "yes"}),
        ("schedule", {"seed": "7"}),
        ("schedule", {"seed": 7, "faults": ["earthquake"]}),
        ("schedule", {"seed": 7, "every_s": 0}),
        ("schedule", {"entries": [{"at_s": 1}]}),
        ("standing", {"address": "0x", "loved": True}),
    ],
)
def test_a_switch_that_is_none_is_refused_by_name(pair: Pair, path: str, body: dict[str, Any]) -> None:
    answer = pair.local.ask("POST", f"/control/{path}", body)
    assert answer.status in (400, 404) and answer.json["error"]
