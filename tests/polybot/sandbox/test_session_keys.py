"""Session keys on the local exchange: who may grant, for how long, and what happens to an order without a grant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from polymarket._internal.wallet import wrap_deposit_wallet_session_signer_signature

from polybot.sandbox.auth import hmac_signature
from polybot.sandbox.eip712 import batch_digest
from polybot.sandbox.session_api import AUTHORIZE
from polybot.sandbox.sessions import Grant, Sessions
from tests.polybot.sandbox.app_kit import Answer, Trader
from tests.polybot.sandbox.order_kit import Pair, post_body, stranger, wallet_for

DAY_S = 24 * 3600


@pytest.fixture
def pair() -> Pair:
    return Pair()


def builder_headers(trader: Trader, path: str, body: bytes) -> dict[str, str]:
    made = trader.ask("POST", "/auth/builder-api-key", None).json
    timestamp = str(trader.local.now_ms // 1000)
    return {
        "POLY_BUILDER_API_KEY": made["key"],
        "POLY_BUILDER_PASSPHRASE": made["passphrase"],
        "POLY_BUILDER_TIMESTAMP": timestamp,
        "POLY_BUILDER_SIGNATURE": hmac_signature(
            made["secret"], timestamp=timestamp, method="POST", path=path, body=body
        ),
    }


def authorize(owner: Trader, session: str, *, days: int = 100, key: Any = None, **changes: Any) -> Answer:
    now_s = owner.local.now_ms // 1000
    wallet, until, deadline = wallet_for(owner.account.address, 3), now_s + days * DAY_S, now_s + 600
    data = AUTHORIZE + encode(["address", "uint256"], [session, until])
    nonce = int(
        owner.local.get(f"/relayer/v1/account/transactions/params?address={owner.account.address}&type=WALLET")["nonce"]
    )
    digest = batch_digest(wallet=wallet, nonce=nonce, deadline=deadline, calls=[(wallet, 0, data)], chain_id=137)
    body = {
        "deadline": str(deadline), "nonce": str(nonce), "scopes": ["ALL"], "sessionSignerAddress": session,
        "signature": "0x" + (key or owner.account).unsafe_sign_hash(digest).signature.hex(),
        "validUntil": str(until), "walletAddress": wallet,
    } | changes  # fmt: skip
    path = "/v1/session-signers/authorizations"
    raw = json.dumps(body).encode()
    return owner.local.ask("POST", f"/relayer{path}", raw, builder_headers(owner, path, raw))


def order_of(session: Trader, owner: Trader, pair: Pair, *, named: str = "", wrapped: bool = True) -> Answer:
    """Let the session key sign an order of the owner's wallet, wrapped as the official client does it."""
    wallet = wallet_for(owner.account.address, 3)
    body = post_body(session, pair.market(), price="0.01", kind=3, wallet=wallet)
    if wrapped:
        plain = body["order"]["signature"]
        address = named or session.account.address
        body["order"]["signature"] = wrap_deposit_wallet_session_signer_signature(address, plain)  # type: ignore[arg-type]
    return session.ask("POST", "/order", body)


def test_only_an_allowed_key_places_orders_for_the_wallet(pair: Pair) -> None:
    owner, session = pair.one, pair.two
    assert order_of(session, owner, pair).status == 400
    answer = authorize(owner, session.account.address)
    assert (answer.status, answer.json["status"]) == (200, "REGISTERED")
    assert order_of(session, owner, pair).json["success"] is True
    assert order_of(session, owner, pair, wrapped=False).status == 400
    assert order_of(session, owner, pair, named=owner.account.address).json["error"] == "invalid signature"
    assert order_of(owner, owner, pair).status == 400  # the owner signs without a session's envelope
    listed = owner.ask("GET", "/v1/user/session-signers", None).json
    assert [row["address"] for row in listed["signers"]] == [session.account.address.lower()]


def test_a_grant_needs_the_owner_a_known_scope_and_a_date_within_180_days(pair: Pair) -> None:
    owner, address = pair.one, pair.two.account.address
    assert "does not belong" in authorize(owner, address, key=stranger()).json["error"]
    assert "180 days" in authorize(owner, address, days=181).json["error"]
    assert "non-empty" in authorize(owner, address, scopes=[]).json["error"]
    assert "cannot be combined" in authorize(owner, address, scopes=["ALL", "CLOB"]).json["error"]
    assert order_of(pair.two, owner, pair).status == 400


def test_a_grant_of_another_scope_or_a_past_one_does_not_trade(tmp_path: Path) -> None:
    kept = Sessions(tmp_path)
    kept.grant(Grant(wallet="0xw", signer="0xs", scopes=("COMBOSRFQ",), valid_until_s=100))
    assert not kept.may_trade("0xw", "0xs", now_s=50)
    kept.grant(Grant(wallet="0xw", signer="0xs", scopes=("CLOB",), valid_until_s=100))
    assert Sessions(tmp_path).may_trade("0xw", "0xs", now_s=50)  # survives a restart
    assert not kept.may_trade("0xw", "0xs", now_s=100)
    assert kept.revoke("0xw", "0xs") and not kept.revoke("0xw", "0xs")
    assert Sessions(tmp_path).wallet_of("0xs", now_s=50) is None
