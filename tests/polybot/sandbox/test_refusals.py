"""Every refusal the venue is known to make, provoked over HTTP: the status and the very words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from polybot.sandbox.catalogue import Market
from polybot.sandbox.eip712 import auth_digest
from tests.polybot.sandbox.app_kit import Answer, Local, Trader
from tests.polybot.sandbox.order_kit import Pair, place, post_body, stranger, wallet_for


@dataclass
class Scene:
    pair: Pair
    market: Market

    @property
    def one(self) -> Trader:
        return self.pair.one

    @property
    def local(self) -> Local:
        return self.pair.local

    def control(self, call: str, **body: Any) -> None:
        self.local.control(call, body)

    def place(self, **words: Any) -> Answer:
        return place(self.one, self.market, **words)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        return self.one.ask(method, path, body)

    def offer(self, price: str = "0.5", size: str = "50") -> None:
        """Let the other trader offer the first outcome at 1 - price, so that something can match."""
        assert place(self.pair.two, self.market, price=price, size=size, outcome=1).json["status"] == "live"


@pytest.fixture
def scene() -> Scene:
    pair = Pair()
    return Scene(pair, pair.market())


Provoke = Callable[[Scene], Answer]


def _fault(status: int, text: str) -> Provoke:
    def provoke(scene: Scene) -> Answer:
        body = f'{{"error":"{text}"}}'
        scene.control("faults", kind="status", status=status, body=body, method="POST", path="/order", times=1)
        return scene.place(price="0.2")

    return provoke


def _after(path: str, call: Provoke, **body: Any) -> Provoke:
    def provoke(scene: Scene) -> Answer:
        scene.control(path, **body)
        return call(scene)

    return provoke


def _plain(scene: Scene) -> Answer:
    return scene.place(price="0.2")


def _standing(**body: Any) -> Provoke:
    def provoke(scene: Scene) -> Answer:
        scene.control("standing", address=scene.one.account.address, **body)
        return scene.place(price="0.2")

    return provoke


def _crossing(**words: Any) -> Provoke:
    def provoke(scene: Scene) -> Answer:
        scene.offer()
        return scene.place(**words)

    return provoke


def _short_allowance(scene: Scene) -> Answer:
    spender = "0xE111180000d2663C0091e4f400237545B87B996B"
    scene.control("allowance", address=scene.one.account.address, asset="cash", spender=spender, amount="1")
    return scene.place()


def _twice(scene: Scene) -> Answer:
    body = post_body(scene.one, scene.market, price="0.2")
    assert scene.ask("POST", "/order", body).status == 200
    return scene.ask("POST", "/order", body)


def _resolved(scene: Scene) -> Answer:
    scene.control("resolve", market=scene.market.condition_id, winner=0)
    return scene.place()


def _canceled_on_chain(scene: Scene) -> Answer:
    body = post_body(scene.one, scene.market, price="0.2")
    placed = scene.ask("POST", "/order", body).json["orderID"]
    scene.ask("DELETE", "/order", {"orderID": placed})
    scene.control("standing", canceled_on_chain=placed)
    return scene.ask("POST", "/order", body)


def _l1(method: str, path: str, *, wrong: bool = False) -> Provoke:
    def provoke(scene: Scene) -> Answer:
        key = scene.one.account if path.endswith("api-key") and method == "POST" else stranger()
        at = str(scene.local.now_ms // 1000)
        signed = auth_digest(address=key.address, timestamp=at, nonce=0, chain_id=1 if wrong else 137)
        headers = {
            "POLY_ADDRESS": key.address,
            "POLY_SIGNATURE": "0x" + key.unsafe_sign_hash(signed).signature.hex(),
            "POLY_TIMESTAMP": at,
            "POLY_NONCE": "0",
        }
        return scene.local.ask(method, path, headers=headers)

    return provoke


def _wrong_passphrase(scene: Scene) -> Answer:
    right, scene.one.creds = scene.one.creds, {**scene.one.creds, "passphrase": "wrong"}
    answer = scene.ask("GET", "/data/orders")
    scene.one.creds = right
    return answer


def _too_fast(scene: Scene) -> Answer:
    scene.control("limits", signers="enforce")
    for _ in range(4):
        scene.ask("POST", "/orders", [post_body(scene.one, scene.market, price="0.2")] * 15)
    return scene.place(price="0.2")


def _get(path: str) -> Provoke:
    return lambda scene: scene.ask("GET", path)


def _send(method: str, path: str, body: Any) -> Provoke:
    return lambda scene: scene.ask(method, path, body)


REFUSALS: list[tuple[str, int, str, Provoke]] = [
    # identity
    ("wrong-passphrase", 401, "Unauthorized/Invalid api key", _wrong_passphrase),
    ("wrong-chain", 401, "Invalid L1 Request headers", _l1("GET", "/auth/derive-api-key", wrong=True)),
    ("key-exists", 400, "Could not create api key", _l1("POST", "/auth/api-key")),
    ("key-missing", 400, "Could not derive api key!", _l1("GET", "/auth/derive-api-key")),
    ("foreign-owner", 400, "the order owner has to be the owner of the API KEY", lambda s: s.place(owner="other")),
    (
        "foreign-signer", 400, "the order signer address has to be the address of the API KEY",
        lambda s: s.place(signer=stranger().address),
    ),
    (
        "foreign-maker", 400, "maker address not allowed, please use the deposit wallet flow",
        lambda s: s.place(kind=2, wallet=wallet_for(stranger().address, 2)),
    ),
    (
        "needs-deposit-wallet", 400, "maker address not allowed, please use the deposit wallet flow",
        _standing(needs_deposit_wallet=True),
    ),
    ("forged", 400, "invalid signature", lambda s: s.place(key=stranger())),
    ("changed-amount", 400, "invalid signature", lambda s: s.place(takerAmount="11000000")),
    ("banned", 400, "'0x[0-9a-f]{40}' address banned", _standing(banned=True)),
    ("closed-only", 400, "'0x[0-9a-f]{40}' address in closed only mode", _standing(closed_only=True)),
    ("geoblocked", 403, "Trading restricted in your region", _standing(region_blocked=True)),
    ("dead-builder", 400, "builder code disabled", _standing(dead_builder="0x" + "00" * 32)),
    # shapes
    ("no-such-type", 400, "Invalid signature_type", lambda s: s.place(signatureType=9)),
    ("side", 400, "Invalid side", lambda s: _bad_field(s, "side", "HOLD")),
    ("token", 400, "Invalid token id", lambda s: s.place(tokenId="12")),
    ("payload", 400, "Invalid order payload", _send("POST", "/order", [])),
    ("order-type", 400, "Invalid order payload", lambda s: s.place(orderType="IOC")),
    ("amounts-of-nothing", 400, "Invalid order payload", lambda s: s.place(size="0", dollars="0")),
    ("order-id", 400, "Invalid orderID", _send("DELETE", "/order", {"orderID": 5})),
    ("cancel-market", 400, "Invalid market", _send("DELETE", "/cancel-market-orders", {})),
    ("cancel-payload", 400, "Invalid payload", _send("DELETE", "/cancel-market-orders", [])),
    (
        "batch-of-16", 400, "Too many orders in payload: 16, max allowed: 15",
        lambda s: s.ask("POST", "/orders", [post_body(s.one, s.market)] * 16),
    ),
    (
        "cancel-of-1001", 400, "Too many orders in payload, max allowed: 1000",
        _send("DELETE", "/orders", [f"0x{n:064x}" for n in range(1001)]),
    ),
    ("body-of-5-mb", 413, "Payload exceeds the limit", lambda s: s.local.ask("POST", "/order", b" " * 5_000_000)),
    ("cursor", 400, "Invalid next_cursor", _get("/data/orders?next_cursor=zzz")),
    ("order-params", 400, "invalid order params payload", _get("/data/orders?owner=me")),
    ("trade-params", 400, "Invalid trade params payload", _get("/data/trades?after=yesterday")),
    ("maker-address", 400, "Invalid maker_address", _get("/data/trades?maker_address=0x12")),
    ("asset-type", 400, "Invalid asset type", _get("/balance-allowance?asset_type=GOLD")),
    ("signature-type", 400, "Invalid signature_type", _get("/balance-allowance?signature_type=7")),
    ("date", 400, r"Invalid date \(format: YYYY-MM-DD\)", _get("/rewards/user?date=21.11.2026")),
    ("heartbeat", 400, "Invalid Heartbeat ID", _send("POST", "/v1/heartbeats", {"heartbeat_id": "x"})),
    ("unknown-book", 404, "No orderbook exists for the requested token id", _get("/book?token_id=12")),
    ("unknown-market", 404, "market not found", _get("/clob-markets/0x00")),
    ("unknown-fee", 404, "fee rate not found for market", _get("/fee-rate?token_id=12")),
    ("version", 400, "order_version_mismatch.*", lambda s: s.place(tokenId=str((1 << 248) + 1))),
    # the order itself
    ("off-tick", 400, r"order 0x\w+ is invalid. Price \(0.505\) breaks minimum tick size rule: 0.01",
     lambda s: s.place(price="0.505")),
    ("off-range", 400, r"order 0x\w+ is invalid. Price \(1\) breaks minimum tick size rule: 0.01",
     lambda s: s.place(price="1")),
    ("too-small", 400, r"order 0x\w+ is invalid. Size \(4\) lower than the minimum: 5", lambda s: s.place(size="4")),
    ("duplicate", 400, r"order 0x\w+ is invalid. Duplicated.", _twice),
    ("post-only-crosses", 400, "invalid post-only order: order crosses book", _crossing(post_only=True)),
    (
        "post-only-fok", 400, "invalid post-only order: only GTC and GTD orders can be post-only",
        lambda s: s.place(order_type="FOK", post_only=True),
    ),
    (
        "marketable-dollar", 400, r"invalid amount for a marketable BUY order \(\$0.99\), min size: \$1",
        _crossing(order_type="FAK", dollars="0.99", size="1.98"),
    ),
    ("gtd-too-soon", 400, "invalid expiration", lambda s: s.place(order_type="GTD", expiration="1800000100")),
    ("gtc-with-expiration", 400, "invalid expiration", lambda s: s.place(expiration="1900000000")),
    (
        "buy-decimals", 400,
        "invalid amounts, the buy orders maker amount supports a max accuracy of 4 decimals, taker amount a max of 2 "
        "decimals",
        lambda s: s.place(size="10.001", dollars="5.0005"),
    ),
    (
        "market-buy-decimals", 400,
        "invalid amounts, the market buy orders maker amount supports a max accuracy of 2 decimals, taker amount a max "
        "of 4 decimals",
        lambda s: s.place(order_type="FOK", dollars="5.001", size="10.002"),
    ),
    ("wrong-product", 400, r"invalid amounts, the maker amount for a \$0.22 order of size 19.69 should be '4.3318' .*",
     lambda s: s.place(dollars="4.33", size="19.69")),
    # money
    ("poor", 400, "not enough balance / allowance: the balance is not enough -> balance: 1000000000, .*",
     lambda s: s.place(size="3000")),
    ("no-shares", 400, "not enough balance / allowance: the balance is not enough -> balance: 0, .*",
     lambda s: s.place(side="SELL")),
    ("no-allowance", 400, "not enough balance / allowance: the allowance is not enough -> .*", _short_allowance),
    # execution
    ("fok", 400, "order couldn't be fully filled. FOK orders are fully filled or killed.",
     lambda s: s.place(order_type="FOK", dollars="5", size="10")),
    (
        "fak", 400,
        "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found.",
        lambda s: s.place(order_type="FAK", dollars="5", size="10"),
    ),
    ("closed-market", 400, "the market is not yet ready to process new orders", _resolved),
    ("canceled-on-chain", 400, "order canceled in the CTF exchange contract", _canceled_on_chain),
    ("timed-out", 500, "order timed out", _fault(500, "order timed out")),
    ("not-inserted", 500, "could not insert order", _fault(500, "could not insert order")),
    ("rounding", 500, "the trade contains rounding issues", _fault(500, "the trade contains rounding issues")),
    ("internal", 500, "Internal server error", _fault(500, "Internal server error")),
    # the venue
    ("restarting", 425, "service not ready", _after("restart", _plain, down_s=5)),
    ("post-only-mode", 503, "post-only mode: only post-only orders and cancels are allowed",
     _after("mode", _plain, mode="post_only", seconds=79)),
    ("cancel-only", 503, "Trading is currently cancel-only. New orders are not accepted, but cancels are allowed.",
     _after("mode", _plain, mode="cancel_only")),
    ("disabled", 503, "Trading is currently disabled. Check polymarket.com for updates",
     _after("mode", _plain, mode="disabled")),
    ("too-fast", 429, "Too Many Requests", _too_fast),
]  # fmt: skip


def _bad_field(scene: Scene, name: str, value: Any) -> Answer:
    body = post_body(scene.one, scene.market)
    body["order"][name] = value
    return scene.ask("POST", "/order", body)


@pytest.mark.parametrize(("status", "words", "provoke"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_a_refusal_comes_with_its_status_and_words(scene: Scene, status: int, words: str, provoke: Provoke) -> None:
    before = scene.ask("GET", "/data/orders").json
    answer = provoke(scene)
    body = answer.json
    text = body.get("error") or body.get("error_msg")
    assert answer.status == status, answer.raw
    assert re.fullmatch(words, text), text
    assert answer.headers["content-type"] == "application/json"
    assert before["data"] == []


def test_a_cloudflare_block_is_a_page_and_not_json(scene: Scene) -> None:
    scene.control("faults", kind="html", method="POST", path="/order", times=1)
    answer = scene.place()
    assert (answer.status, answer.headers["server"]) == (403, "cloudflare")
    assert answer.headers["content-type"].startswith("text/html") and b"blocked" in answer.raw


def test_the_catalogue_is_as_long_as_it_says() -> None:
    assert len({words for _, _, words, _ in REFUSALS}) >= 50


def test_a_refused_leg_of_a_batch_leaves_the_others(scene: Scene) -> None:
    good = post_body(scene.one, scene.market, price="0.2")
    small = post_body(scene.one, scene.market, price="0.2", size="1")
    forged = post_body(scene.one, scene.market, price="0.2", key=stranger())
    answers = scene.ask("POST", "/orders", [small, good, forged, good]).json
    assert [a["status"] for a in answers] == ["", "live", "", ""]
    assert [bool(a["orderID"]) for a in answers] == [False, True, False, False]
    assert answers[2]["errorMsg"] == "invalid signature" and answers[3]["errorMsg"].endswith("Duplicated.")
