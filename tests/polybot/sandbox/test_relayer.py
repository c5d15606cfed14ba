"""The relayer and the chain beneath it: signed batches of every wallet, all or nothing, and what they do to money."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from polymarket._internal.actions.relayer import calls as official
from polymarket._internal.actions.relayer.calls import TransactionCall
from polymarket._internal.actions.relayer.gasless import _resolve_safe_call
from polymarket._internal.actions.relayer.signing.proxy import build_proxy_transaction_hash, sign_proxy_message
from polymarket._internal.actions.relayer.signing.safe import sign_safe_transaction

from polybot.sandbox import chain, wallets
from polybot.sandbox.auth import hmac_signature
from polybot.sandbox.eip712 import batch_digest
from tests.polybot.sandbox.app_kit import Answer, Trader
from tests.polybot.sandbox.order_kit import Pair, place, stranger, wallet_for

M = 1_000_000
ZERO = bytes(32)


@pytest.fixture
def pair() -> Pair:
    return Pair(protocol_v2=True)


def call(to: str, data: bytes) -> TransactionCall:
    return TransactionCall(to=to, data="0x" + data.hex())  # type: ignore[arg-type]


def split(condition: str, amount: int, *, name: bytes = chain.SPLIT, adapter: str = wallets.ADAPTER) -> TransactionCall:
    kinds = ["address", "bytes32", "bytes32", "uint256[]", "uint256"]
    words = [wallets.PUSD, ZERO, bytes.fromhex(condition[2:]), [1, 2], amount]
    return call(adapter, name + encode(kinds, words))


def redeem(condition: str, *, adapter: str = wallets.ADAPTER) -> TransactionCall:
    words = [wallets.PUSD, ZERO, bytes.fromhex(condition[2:]), [1, 2]]
    return call(adapter, chain.REDEEM + encode(["address", "bytes32", "bytes32", "uint256[]"], words))


def nonce_of(trader: Trader, kind: str) -> int:
    path = "/relay-payload" if kind == "PROXY" else "/v1/account/transactions/params"
    return int(trader.local.get(f"/relayer{path}?address={trader.account.address}&type={kind}")["nonce"])


def submit(trader: Trader, kind: int, *calls: TransactionCall, **changes: Any) -> Answer:
    """Submit a batch the way the official client builds it for this wallet type."""
    name = {1: "PROXY", 2: "SAFE", 3: "WALLET"}[kind]
    key, owner = changes.pop("key", trader.account), trader.account.address
    nonce = changes.pop("nonce", nonce_of(trader, name))
    wallet = wallet_for(owner, kind)
    body: dict[str, Any] = {"type": name, "from": owner, "nonce": str(nonce), "metadata": ""}
    if kind == 1:
        data = official.encode_proxy_call(list(calls))
        details = {"gasLimit": "200000", "gasPrice": "0", "relayerFee": "0", "relay": wallets.RELAY}
        digest = build_proxy_transaction_hash(
            from_address=owner, to=wallets.PROXY_FACTORY, data=data, relayer_fee="0", gas_price="0",
            gas_limit="200000", nonce=str(nonce), relay_hub=wallets.RELAY_HUB, relay=wallets.RELAY,
        )  # fmt: skip
        body |= {"to": wallets.PROXY_FACTORY, "proxyWallet": wallet, "data": data}
        body |= {"signature": sign_proxy_message(key, digest)}
        body["signatureParams"] = {**details, "relayHub": wallets.RELAY_HUB}
    elif kind == 2:
        to, data, value, operation = _resolve_safe_call(wallets.SAFE_MULTISEND, list(calls))  # type: ignore[arg-type]
        signature = sign_safe_transaction(
            key, safe_address=wallet, to=to, data=data, value=value, operation=operation, nonce=str(nonce), chain_id=137
        )  # fmt: skip
        body |= {"to": to, "proxyWallet": wallet, "data": data, "signature": signature}
        body["signatureParams"] = {"operation": str(operation), "baseGas": "0", "gasPrice": "0"}
    else:
        made = [(str(c.to), c.value, bytes.fromhex(c.data[2:])) for c in calls]
        deadline = trader.local.now_ms // 1000 + 600
        digest = batch_digest(wallet=wallet, nonce=nonce, deadline=deadline, calls=made, chain_id=137)
        body |= {"to": wallets.DEPOSIT_FACTORY, "signature": "0x" + key.unsafe_sign_hash(digest).signature.hex()}
        listed = [{"target": str(c.to), "value": str(c.value), "data": c.data} for c in calls]
        body["depositWalletParams"] = {"depositWallet": wallet, "deadline": str(deadline), "calls": listed}
    body |= changes
    return trader.local.ask("POST", "/relayer/submit", body)


def outcome(trader: Trader, answer: Answer) -> dict[str, str]:
    assert answer.status == 200, answer.raw
    found: dict[str, str] = trader.local.get(f"/relayer/v1/account/transactions/{answer.json['transactionID']}")
    return found


def holding(trader: Trader, kind: int, asset: str) -> int:
    return trader.local.app.exchange.chain_balance(wallet_for(trader.account.address, kind), asset)


@pytest.mark.parametrize("kind", [1, 2, 3], ids=["proxy", "safe", "deposit"])
def test_split_merge_and_redeem_of_every_wallet(pair: Pair, kind: int) -> None:
    market = pair.market()
    condition, (yes, no) = market.condition_id, market.token_ids
    both = submit(pair.one, kind, split(condition, 40 * M), split(condition, 10 * M, name=chain.MERGE))
    assert outcome(pair.one, both)["state"] == "STATE_CONFIRMED"
    assert [holding(pair.one, kind, asset) for asset in ("cash", yes, no)] == [970 * M, 30 * M, 30 * M]
    early = outcome(pair.one, submit(pair.one, kind, redeem(condition)))
    assert (early["state"], early["error_msg"]) == ("STATE_FAILED", "result for condition not received yet")
    pair.local.control("resolve", {"market": condition, "winner": 1})
    assert outcome(pair.one, submit(pair.one, kind, redeem(condition)))["state"] == "STATE_CONFIRMED"
    assert [holding(pair.one, kind, asset) for asset in ("cash", yes, no)] == [1000 * M, 0, 0]
    wallet = wallet_for(pair.one.account.address, kind)
    rows = pair.local.get(f"/data-api/v2/activity?user={wallet}")["data"]
    assert sorted((row["type"], row["usdc_size"]) for row in rows) == [
        ("MERGE", "10"),
        ("REDEEM", "30"),
        ("SPLIT", "40"),
    ]


@pytest.mark.parametrize("kind", [1, 2, 3], ids=["proxy", "safe", "deposit"])
def test_a_batch_happens_as_a_whole_or_not_at_all(pair: Pair, kind: int) -> None:
    market = pair.market()
    answer = submit(pair.one, kind, split(market.condition_id, 40 * M), split(market.condition_id, 5000 * M))
    assert outcome(pair.one, answer)["error_msg"] == "transfer amount exceeds balance"
    assert [holding(pair.one, kind, asset) for asset in ("cash", *market.token_ids)] == [1000 * M, 0, 0]
    assert nonce_of(pair.one, {1: "PROXY", 2: "SAFE", 3: "WALLET"}[kind]) == 1  # a failed transaction uses its nonce


@pytest.mark.parametrize("kind", [1, 2, 3], ids=["proxy", "safe", "deposit"])
def test_only_the_owner_signs_and_nonces_are_in_order(pair: Pair, kind: int) -> None:
    condition = pair.market().condition_id
    forged = submit(pair.one, kind, split(condition, M), key=stranger())
    assert (forged.status, "invalid signature" in forged.json["error"]) == (400, True)
    ahead = submit(pair.one, kind, split(condition, M), nonce=3)
    assert ahead.json["error"] == "batch nonce 3 does not match on-chain nonce 0"
    field = {1: "proxyWallet", 2: "proxyWallet", 3: "depositWalletParams"}[kind]
    theirs: Any = wallet_for(pair.two.account.address, kind)
    if kind == 3:
        theirs = {"depositWallet": theirs, "deadline": "1", "calls": []}
    assert submit(pair.one, kind, split(condition, M), **{field: theirs}).status == 400


def test_conversion_of_no_shares_leaves_every_market_balanced(pair: Pair) -> None:
    market = pair.market(neg_risk=True)
    exchange = pair.local.app.exchange
    event = exchange.catalogue.event_of(market)
    markets = exchange.catalogue.markets_of(event)
    for one in markets[:2]:
        submit(pair.one, 3, split(one.condition_id, 20 * M, adapter=wallets.NEG_RISK_ADAPTER))
    words = [bytes.fromhex(event.neg_risk_market_id[2:]), 0b11, 20 * M]
    data = chain.CONVERT + encode(["bytes32", "uint256", "uint256"], words)
    done = outcome(pair.one, submit(pair.one, 3, call(wallets.NEG_RISK_ADAPTER, data)))
    assert done["state"] == "STATE_CONFIRMED", done
    assert holding(pair.one, 3, "cash") == 980 * M  # 40 spent, one of the two dollars per share released
    assert [holding(pair.one, 3, m.token_ids[0]) for m in markets] == [20 * M] * len(markets)
    assert [holding(pair.one, 3, m.token_ids[1]) for m in markets] == [0] * len(markets)
    accounts = exchange._core.accounts
    assert accounts.total_cash() + sum(accounts.collateral.values()) == accounts.funded
    for each in markets:
        assert accounts.total_shares(each.token_ids[0]) == accounts.total_shares(each.token_ids[1])


def test_the_router_splits_and_redeems_positions(pair: Pair) -> None:
    market = pair.market(version="v2")
    condition, (yes, no) = market.condition_id, market.token_ids
    assert outcome(pair.one, submit(pair.one, 3, _router(official.router_split_call, condition, amount=8 * M)))
    merged = outcome(pair.one, submit(pair.one, 3, _router(official.router_merge_call, condition, amount=3 * M)))
    assert merged["state"] == "STATE_CONFIRMED"
    assert [holding(pair.one, 3, asset) for asset in ("cash", yes, no)] == [995 * M, 5 * M, 5 * M]
    pair.local.control("resolve", {"market": condition, "winner": 0})
    winner = _router(official.router_redeem_call, condition, outcome_index=0, amount=5 * M)
    assert outcome(pair.one, submit(pair.one, 3, winner))["state"] == "STATE_CONFIRMED"
    assert holding(pair.one, 3, "cash") == 1000 * M


def _router(make: Any, condition: str, **words: Any) -> TransactionCall:
    made: TransactionCall = make(router=wallets.ROUTER, condition_id=condition, **words)
    return made


def test_a_contract_takes_only_what_it_may(pair: Pair) -> None:
    condition = pair.market().condition_id
    wallet = wallet_for(pair.one.account.address, 3)
    pair.local.control("allowance", {"address": wallet, "asset": "cash", "spender": wallets.ADAPTER, "amount": "5"})
    short = outcome(pair.one, submit(pair.one, 3, split(condition, 6 * M)))
    assert "insufficient allowance" in short["error_msg"]
    approve = call(wallets.PUSD, chain.APPROVE + encode(["address", "uint256"], [wallets.ADAPTER, 6 * M]))
    granted = outcome(pair.one, submit(pair.one, 3, approve, split(condition, 6 * M)))
    assert granted["state"] == "STATE_CONFIRMED"
    pair.local.control("allowance", {"address": wallet, "asset": "tokens", "spender": wallets.ADAPTER, "amount": "0"})
    assert (
        "not token owner or approved"
        in outcome(pair.one, submit(pair.one, 3, split(condition, M, name=chain.MERGE)))["error_msg"]
    )


def test_orders_fall_away_when_their_cover_is_moved(pair: Pair) -> None:
    market = pair.market()
    assert place(pair.one, market, price="0.5", size="1800", kind=3).json["status"] == "live"
    submit(pair.one, 3, split(market.condition_id, 500 * M))
    assert pair.one.ask("GET", "/data/orders").json["data"] == []


def test_a_slow_a_busy_and_a_failing_relayer(pair: Pair) -> None:
    condition = pair.market().condition_id
    pair.local.control("faults", {"scope": "engine", "kind": "relay_slow", "latency_ms": 9_000, "times": 1})
    slow = submit(pair.one, 3, split(condition, M))
    states = []
    for _ in range(4):
        states.append(outcome(pair.one, slow)["state"])
        pair.pass_ms(3_000)
    assert states == ["STATE_NEW", "STATE_EXECUTED", "STATE_MINED", "STATE_CONFIRMED"]
    pair.local.control("faults", {"scope": "engine", "kind": "relay_busy", "times": 1})
    busy = submit(pair.one, 3, split(condition, M))
    assert (busy.status, busy.json["error"].startswith("wallet busy")) == (400, True)
    pair.local.control("faults", {"scope": "engine", "kind": "relay_failed", "times": 1})
    assert outcome(pair.one, submit(pair.one, 3, split(condition, M)))["state"] == "STATE_FAILED"
    assert holding(pair.one, 3, "cash") == 999 * M


def test_relayer_keys_are_checked_when_shown_and_demanded_when_asked(pair: Pair) -> None:
    made = pair.one.ask("POST", "/auth/builder-api-key").json
    at, raw = str(pair.local.now_ms // 1000), b'{"type":"WALLET-CREATE","from":"' + b"0x" + b"11" * 20 + b'"}'
    headers = {
        "POLY_BUILDER_API_KEY": made["key"],
        "POLY_BUILDER_PASSPHRASE": made["passphrase"],
        "POLY_BUILDER_TIMESTAMP": at,
        "POLY_BUILDER_SIGNATURE": hmac_signature(made["secret"], timestamp=at, method="POST", path="/submit", body=raw),
    }
    assert pair.local.ask("POST", "/relayer/submit", raw, headers).status == 200
    assert pair.local.ask("POST", "/relayer/submit", raw + b" ", headers).status == 401
    pair.local.control("standing", {"relayer_auth": True})
    assert pair.local.ask("POST", "/relayer/submit", raw).status == 401
    assert pair.local.ask("POST", "/relayer/submit", raw, {"RELAYER_API_KEY": "k"}).status == 200


# Signed transactions of a plain key -------------------------------------------------------------------


def raw_transaction(trader: Trader, made: TransactionCall, nonce: int, **more: Any) -> str:
    fields = {"to": made.to, "value": 0, "data": made.data, "gas": 200_000, "gasPrice": 1, "nonce": nonce}
    signed = trader.account.sign_transaction({**fields, "chainId": 137, **more})
    return "0x" + signed.raw_transaction.hex()


def rpc(pair: Pair, method: str, *params: Any) -> Any:
    answer = pair.local.ask("POST", "/rpc", {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).json
    return answer["result"] if "result" in answer else answer["error"]["message"]


def test_transactions_wait_for_their_nonce_and_never_run_twice(pair: Pair) -> None:
    address, condition = pair.one.account.address, pair.market().condition_id
    second = raw_transaction(pair.one, split(condition, 2 * M), 1)
    waiting = rpc(pair, "eth_sendRawTransaction", second)
    assert rpc(pair, "eth_getTransactionReceipt", waiting) is None
    assert rpc(pair, "eth_getTransactionByHash", waiting)["blockNumber"] is None
    assert rpc(pair, "eth_sendRawTransaction", second) == "already known"
    other = raw_transaction(pair.one, split(condition, 5 * M), 1)
    assert rpc(pair, "eth_sendRawTransaction", other) == "replacement transaction underpriced"
    first = rpc(pair, "eth_sendRawTransaction", raw_transaction(pair.one, split(condition, M), 0))
    for made in (first, waiting):
        assert rpc(pair, "eth_getTransactionReceipt", made)["status"] == "0x1"
    assert holding(pair.one, 0, "cash") == 997 * M
    assert rpc(pair, "eth_getTransactionCount", address, "latest") == "0x2"
    assert rpc(pair, "eth_sendRawTransaction", raw_transaction(pair.one, split(condition, M), 0, gas=9)) == (
        "nonce too low"
    )
    wrong = raw_transaction(pair.one, split(condition, M), 2, chainId=1)
    assert rpc(pair, "eth_sendRawTransaction", wrong) == "invalid chain id for signer"
    assert holding(pair.one, 0, "cash") == 997 * M


def test_a_receipt_comes_late_or_says_reverted_under_a_fault(pair: Pair) -> None:
    condition = pair.market().condition_id
    pair.local.control("faults", {"scope": "engine", "kind": "relay_slow", "latency_ms": 4_000, "times": 1})
    made = rpc(pair, "eth_sendRawTransaction", raw_transaction(pair.one, split(condition, M), 0))
    assert rpc(pair, "eth_getTransactionReceipt", made) is None
    pair.pass_ms(4_000)
    assert rpc(pair, "eth_getTransactionReceipt", made)["status"] == "0x1"
    pair.local.control("faults", {"scope": "engine", "kind": "relay_failed", "times": 1})
    failed = rpc(pair, "eth_sendRawTransaction", raw_transaction(pair.one, split(condition, M), 1))
    assert rpc(pair, "eth_getTransactionReceipt", failed)["status"] == "0x0"
    assert holding(pair.one, 0, "cash") == 999 * M


def test_the_chain_knows_the_transactions_of_trades(pair: Pair) -> None:
    market = pair.market()
    place(pair.two, market, price="0.5", outcome=1)
    trade_id = place(pair.one, market, price="0.5").json["tradeIDs"][0]
    pair.settle()
    (trade,) = pair.one.ask("GET", f"/data/trades?id={trade_id}").json["data"]
    assert rpc(pair, "eth_getTransactionReceipt", trade["transaction_hash"])["status"] == "0x1"
