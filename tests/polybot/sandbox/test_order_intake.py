"""A posted order: only what the key's own wallets signed, for the right exchange, gets through."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account

from markets.domain.instruments import Side
from polybot.sandbox.auth import ApiKey
from polybot.sandbox.catalogue import Market
from polybot.sandbox.eip712 import (
    ORDER_TYPE,
    SignedOrder,
    exchange_domain,
    nested_digest,
    order_digest,
    order_struct_hash,
)
from polybot.sandbox.http_core import ApiError
from polybot.sandbox.order_intake import read_order
from polybot.sandbox.wallets import EXCHANGE_V2, NEG_RISK_EXCHANGE_V2, deposit_wallets
from tests.polybot.sandbox.app_kit import Local

KEY = Account.from_key("0x" + "07" * 32)
OTHER = Account.from_key("0x" + "08" * 32)
API = ApiKey(key="k", secret="s", passphrase="p", address=KEY.address.lower(), nonce=0)


@pytest.fixture(scope="module")
def local() -> Local:
    return Local()


def market(local: Local, *, neg_risk: bool = False) -> Market:
    return next(m for m in local.app.exchange.markets() if m.neg_risk is neg_risk)


def body(
    listed: Market, *, kind: int = 0, wallet: str = KEY.address, signer: Any = KEY, contract: str = "", **changes: Any
) -> dict[str, Any]:
    order = SignedOrder(
        salt=7, maker=wallet, signer=wallet, token_id=int(listed.token_ids[0]), maker_amount=500_000,
        taker_amount=10_000_000, side=0, signature_type=kind, timestamp=1_800_000_000_000, metadata=bytes(32),
        builder=bytes(32), signature=b"",
    )  # fmt: skip
    domain = exchange_domain("2", 137, contract or (NEG_RISK_EXCHANGE_V2 if listed.neg_risk else EXCHANGE_V2))
    signed = order_digest(order, domain) if kind != 3 else nested_digest(order, domain, chain_id=137)
    signature = bytes(signer.unsafe_sign_hash(signed).signature)
    if kind == 3:
        signature += domain + order_struct_hash(order) + ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")
    order = replace(order, signature=signature)
    fields = {
        "salt": order.salt, "maker": wallet, "signer": wallet, "tokenId": str(order.token_id),
        "makerAmount": "500000", "takerAmount": "10000000", "side": "BUY", "expiration": "0", "signatureType": kind,
        "timestamp": str(order.timestamp), "metadata": "0x" + "00" * 32, "builder": "0x" + "00" * 32,
        "signature": "0x" + signature.hex(),
    }  # fmt: skip
    top = {"owner": "k", "orderType": "GTC", "deferExec": False, "postOnly": False}
    return {"order": {**fields, **{k: v for k, v in changes.items() if k in fields}}, **top, **{
        k: v for k, v in changes.items() if k in top
    }}  # fmt: skip


def refusal(posted: Any, local: Local) -> str:
    with pytest.raises(ApiError) as caught:
        read_order(posted, API, local.app.exchange)
    assert caught.value.status == 400
    return caught.value.text


@pytest.mark.parametrize("neg_risk", [False, True])
def test_the_orders_id_is_its_digest_under_the_markets_exchange(local: Local, neg_risk: bool) -> None:
    listed = market(local, neg_risk=neg_risk)
    order = read_order(body(listed), API, local.app.exchange)
    assert (order.side, order.maker_amount, order.taker_amount) == (Side.BUY, 500_000, 10_000_000)
    assert order.spender == (NEG_RISK_EXCHANGE_V2 if neg_risk else EXCHANGE_V2).lower()
    assert len(order.order_id) == 66


@pytest.mark.parametrize("form", [0, 1], ids=["beacon", "uups"])
def test_both_deposit_wallets_of_a_key_may_trade(local: Local, form: int) -> None:
    wallet = deposit_wallets(API.address)[form]
    order = read_order(body(market(local), kind=3, wallet=wallet), API, local.app.exchange)
    assert order.maker == wallet


def test_text_or_number_is_fine_where_clients_differ(local: Local) -> None:
    posted = body(market(local))
    posted["order"].update(salt="7", timestamp=1_800_000_000_000, makerAmount=500_000)
    del posted["postOnly"], posted["deferExec"]
    assert read_order(posted, API, local.app.exchange).post_only is False


def test_a_signature_for_another_exchange_or_by_another_key_is_refused(local: Local) -> None:
    listed = market(local)
    assert refusal(body(listed, contract=NEG_RISK_EXCHANGE_V2), local) == "invalid signature"
    assert refusal(body(listed, signer=OTHER), local) == "invalid signature"
    assert refusal(body(listed, takerAmount="10000001"), local) == "invalid signature"
    wallet = deposit_wallets(API.address)[0]
    assert refusal(body(listed, kind=3, wallet=wallet, signer=OTHER), local) == "invalid signature"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"owner": "someone"}, "the order owner has to be the owner of the API KEY"),
        ({"wallet": OTHER.address}, "the order signer address has to be the address of the API KEY"),
        ({"kind": 3}, "the order signer address has to be the address of the API KEY"),
        ({"kind": 1}, "maker address not allowed, please use the deposit wallet flow"),  # not the key's proxy
        ({"kind": 2}, "maker address not allowed, please use the deposit wallet flow"),  # not the key's Safe
        ({"kind": 4}, "Invalid signature_type"),
        ({"signatureType": "0"}, "Invalid signature_type"),
        ({"side": "HOLD"}, "Invalid side"),
        ({"tokenId": "12"}, "Invalid token id"),
        ({"tokenId": 12}, "Invalid token id"),
        ({"orderType": "IOC"}, "Invalid order payload"),
        ({"makerAmount": "-5"}, "Invalid order payload"),
        ({"makerAmount": "1.5"}, "Invalid order payload"),
        ({"makerAmount": str(1 << 256)}, "Invalid order payload"),
        ({"salt": True}, "Invalid order payload"),
        ({"maker": "0x12"}, "Invalid order payload"),
        ({"metadata": "0x00"}, "Invalid order payload"),
        ({"signature": "xyz"}, "Invalid order payload"),
        ({"signature": "0x"}, "invalid signature"),
        ({"postOnly": "yes"}, "Invalid order payload"),
    ],
)
def test_one_wrong_field_is_named_in_the_venues_words(local: Local, changes: dict[str, Any], text: str) -> None:
    assert refusal(body(market(local), **changes), local) == text


@pytest.mark.parametrize("posted", [None, [], {}, {"order": []}, {"order": {}, "owner": "k"}])
def test_a_body_without_an_order_is_refused(local: Local, posted: Any) -> None:
    assert refusal(posted, local) in ("Invalid order payload", "Invalid side")


def test_a_protocol_two_position_is_refused_by_version(local: Local) -> None:
    position = (1 << 248) + 1
    assert "order_version_mismatch" in refusal(body(market(local), tokenId=str(position)), local)
