"""The application as a whole: errors keep their shape, faults strike where asked, the switchboard works."""

from __future__ import annotations

import json

import pytest

from tests.polybot.sandbox.app_kit import Local, Trader


@pytest.fixture(scope="module")
def local() -> Local:
    return Local()


def token_of(local: Local) -> str:
    return str(json.loads(local.get("/gamma-api/markets?limit=1")[0]["clobTokenIds"])[0])


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/book?token_id=1", 404, "No orderbook exists for the requested token id"),
        ("GET", "/book", 400, "Invalid token id"),
        ("GET", "/price?token_id=1&side=HOLD", 400, "Invalid side"),
        ("GET", "/markets/0x00", 404, "market not found"),
        ("GET", "/markets?next_cursor=%25", 400, "Invalid next_cursor"),
        ("GET", "/fees/builder-fees/0xab", 404, "builder not found"),
        ("GET", "/data/orders", 401, "Unauthorized/Invalid api key"),
        ("POST", "/auth/api-key", 401, "Invalid L1 Request headers"),
        ("PATCH", "/book", 405, "method not allowed"),
        ("GET", "/nothing", 404, "not found"),
    ],
)
def test_refusals_are_json_in_the_venues_words(local: Local, method: str, path: str, status: int, text: str) -> None:
    answer = local.ask(method, path)
    assert (answer.status, answer.json) == (status, {"error": text})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[1]", b'{"token_id":"1"}', b"\xff", b"[" * 5000])
def test_a_list_request_that_is_none_is_refused(local: Local, body: bytes) -> None:
    answer = local.ask("POST", "/books", body)
    assert (answer.status, answer.json) == (400, {"error": "Invalid payload"})


def test_lists_of_books_and_prices_agree_with_the_single_reads(local: Local) -> None:
    token = token_of(local)
    (book,) = local.ask("POST", "/books", [{"token_id": token}, {"token_id": "1"}]).json
    assert book == local.get(f"/book?token_id={token}")
    assert [float(level["price"]) for level in book["bids"]] == sorted(float(x["price"]) for x in book["bids"])
    best = {"BUY": book["bids"][-1]["price"], "SELL": book["asks"][-1]["price"]}
    asked = [{"token_id": token, "side": side} for side in best]
    assert local.ask("POST", "/prices", asked).json == {token: best}
    assert local.get(f"/price?token_id={token}&side=SELL") == {"price": best["SELL"]}
    assert local.ask("POST", "/midpoints", asked).json == {token: local.get(f"/midpoint?token_id={token}")["mid"]}


def test_market_lists_are_paged_to_their_end(local: Local) -> None:
    page = local.get("/simplified-markets?next_cursor=MA==")
    assert (page["count"], page["next_cursor"]) == (len(page["data"]), "LTE=")
    assert local.get("/markets?next_cursor=LTE=")["data"] == []
    one = local.get(f"/markets/{page['data'][0]['condition_id']}")
    assert [t["winner"] for t in one["tokens"]] == [False, False]


def test_a_fault_before_effect_stops_the_request_and_one_after_only_its_answer() -> None:
    local = Local()
    trader = Trader(local)
    for when, balances in (("before", "0"), ("after", "1")):
        local.control(
            "faults", {"kind": "status", "status": 503, "path": "/auth/builder-api-key", "when": when, "times": 1}
        )
        answer = trader.ask("POST", "/auth/builder-api-key")
        assert (answer.status, len(trader.ask("GET", "/auth/builder-api-key").json)) == (503, int(balances))
    assert local.get("/control/faults") == {"faults": []}


def test_the_faucet_fills_every_wallet_of_a_key(local: Local) -> None:
    trader = Trader(local, key=0xCAFE)
    query = "asset_type=COLLATERAL&signature_type=3"

    def balance() -> str:
        return str(trader.ask("GET", f"/balance-allowance?{query}").json["balance"])

    assert balance() == "1000000000"
    filled = local.control("faucet", {"address": trader.account.address, "amount": "250.5", "all": True})
    assert sorted(filled["balances"].values()) == ["1250.5"] * 5
    assert balance() == "1250500000"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("asset_type=GOLD", "Invalid asset type"),
        ("asset_type=CONDITIONAL&token_id=5", "Invalid token id"),
        ("asset_type=COLLATERAL&signature_type=4", "Invalid signature_type"),
        ("asset_type=COLLATERAL&signature_type=x", "Invalid signature_type"),
    ],
)
def test_a_balance_of_nothing_known_is_refused(local: Local, query: str, text: str) -> None:
    trader = Trader(Local(), key=0xF00D)
    answer = trader.ask("GET", f"/balance-allowance?{query}")
    assert (answer.status, answer.json["error"]) == (400, text)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("faucet", {"address": "0x12"}, 400),
        ("faucet", {"address": "0x" + "11" * 20, "amount": "-1"}, 400),
        ("faucet", [], 400),
        ("resolve", {"market": "0x00"}, 404),
        ("tick", {"market": "0x00", "tick": "0.01"}, 404),
        ("disconnect", {"channel": "moon"}, 400),
        ("faults", {"kind": "?"}, 400),
        ("nothing", {}, 404),
    ],
)
def test_the_switchboard_names_what_is_wrong(local: Local, path: str, body: object, status: int) -> None:
    answer = local.ask("POST", f"/control/{path}", body)
    assert answer.status == status
    assert answer.json["error"]


def test_a_market_is_resolved_once() -> None:
    local = Local(seed=4)
    condition = local.get("/gamma-api/markets?limit=1")[0]["conditionId"]
    assert local.control("resolve", {"market": condition, "winner": 1})["payouts"] == ["0", "1"]
    assert local.ask("POST", "/control/resolve", {"market": condition, "winner": 0}).status == 409
    assert [t["winner"] for t in local.get(f"/markets/{condition}")["tokens"]] == [False, True]
    (row,) = local.get(f"/data-api/v2/resolutions?condition_id={condition}")["data"]
    assert (row["status"], row["payouts"]) == ("resolved", ["0", "1000000"])


def test_statistics_count_requests_by_route() -> None:
    local = Local()
    for _ in range(3):
        local.get("/time")
    local.ask("GET", "/data/order/0xabc")
    found = local.get("/control/stats")["endpoints"]
    assert found["clob GET /time"]["count"] == 3
    assert found["clob GET /data/order/{id}"]["errors"] == 1
    assert found["clob GET /time"]["first_byte_ms"]["p99"] >= 0


def test_a_body_that_is_too_large_is_refused(local: Local) -> None:
    answer = local.ask("POST", "/books", b" " * 4_000_001)
    assert (answer.status, answer.json) == (413, {"error": "Payload exceeds the limit"})
