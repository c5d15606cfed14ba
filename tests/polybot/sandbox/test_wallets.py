"""Wallet addresses: what we compute from the protocol's text is what the official clients derive."""

from __future__ import annotations

import random

import pytest
from eth_account import Account
from polymarket._internal import wallet as official
from polymarket._internal.environment import PRODUCTION_CONFIG
from polymarket._internal.protocol import decode_v2_outcome_position_id, is_v2_position_id

from polybot.sandbox import wallets
from polybot.sandbox.invention import position_identity, token_number
from polybot.sandbox.order_intake import is_position_id, order_domain
from tests.polybot.sandbox.order_kit import Pair, place, post_body, stranger, wallet_for

DERIVATION = PRODUCTION_CONFIG.wallet_derivation


def test_five_addresses_of_a_key_are_those_the_official_client_derives() -> None:
    rng = random.Random(17)
    for _ in range(200):
        owner = Account.from_key(rng.getrandbits(255).to_bytes(32, "big")).address
        expected = {
            owner.lower(): 0,
            official.derive_proxy_wallet_address(owner, DERIVATION).lower(): 1,
            official.derive_safe_wallet_address(owner, DERIVATION).lower(): 2,
            official.derive_beacon_deposit_wallet_address(owner, DERIVATION).lower(): 3,
            official.derive_uups_deposit_wallet_address(owner, DERIVATION).lower(): 3,
        }
        assert wallets.wallets_of(owner) == expected


def test_position_ids_are_told_from_tokens_by_the_clients_rule() -> None:
    for number in range(200):
        neg_risk = number % 2 == 1
        condition, positions = position_identity(3, number, neg_risk=neg_risk)
        for index, position in enumerate(positions):
            assert is_position_id(int(position)) and is_v2_position_id(position)
            decoded = decode_v2_outcome_position_id(position)
            assert (decoded.condition_id, decoded.outcome_index) == (condition[:-2], index)
        assert int(condition[2:4], 16) == (2 if neg_risk else 1)
        token = token_number(3, number)
        assert is_position_id(int(token)) is is_v2_position_id(token) is False


def test_positions_are_signed_for_exchange_v3_whatever_the_market_says() -> None:
    position = int(position_identity(1, 0, neg_risk=True)[1][0])
    assert order_domain(position, neg_risk=True) == order_domain(position, neg_risk=False)
    contract, domain = order_domain(position, neg_risk=True)
    assert contract == wallets.EXCHANGE_V3
    assert domain.hex() == "466c63910185bbd55e8679264200c4e0abdcbb0c6264eb3d41d13326022e095b"


@pytest.fixture(scope="module")
def pair() -> Pair:
    return Pair(protocol_v2=True)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("neg_risk", [False, True], ids=["binary", "neg-risk"])
@pytest.mark.parametrize("kind", [0, 1, 2, 3], ids=["eoa", "proxy", "safe", "deposit"])
def test_every_wallet_type_trades_on_every_exchange(pair: Pair, kind: int, neg_risk: bool, version: str) -> None:
    market = pair.market(neg_risk=neg_risk, version=version)
    before = pair.position(pair.one, market, kind=kind)
    resting = place(pair.two, market, side="BUY", price="0.4", size="10", outcome=1)
    assert resting.json["status"] == "live"
    taken = place(pair.one, market, side="BUY", price="0.6", size="10", kind=kind)
    assert (taken.status, taken.json["status"]) == (200, "matched"), taken.raw
    pair.settle()
    assert pair.position(pair.one, market, kind=kind) == before + 10_000_000
    asset_type = "CONDITIONAL-V2" if version == "v2" else "CONDITIONAL"
    path = f"/balance-allowance?asset_type={asset_type}&token_id={market.token_ids[0]}&signature_type={kind}"
    assert kind == 3 or int(pair.one.ask("GET", path).json["balance"]) == before + 10_000_000
    wrong = "CONDITIONAL" if version == "v2" else "CONDITIONAL-V2"
    assert pair.one.ask("GET", path.replace(f"={asset_type}&", f"={wrong}&")).json == {"error": "Invalid token id"}


@pytest.mark.parametrize("kind", [1, 2])
def test_a_proxy_or_safe_order_needs_its_own_key(pair: Pair, kind: int) -> None:
    market = pair.market()
    forged = pair.one.ask("POST", "/order", post_body(pair.one, market, kind=kind, key=stranger()))
    assert (forged.status, forged.json) == (400, {"error": "invalid signature"})
    theirs = wallet_for(pair.two.account.address, kind)
    stolen = place(pair.one, market, kind=kind, wallet=theirs)
    assert stolen.json == {"error": "maker address not allowed, please use the deposit wallet flow"}


def test_protocol_two_is_listed_only_when_asked_for(pair: Pair) -> None:
    assert not [m for m in Pair().local.app.exchange.markets() if m.version == "v2"]
    usual = pair.local.get("/gamma-api/markets?limit=100&closed=false")
    assert {m["version"] for m in usual} == {"v1"}
    asked = pair.local.get("/gamma-api/markets?limit=100&version=v2")
    assert {m["version"] for m in asked} == {"v2"} and all(m["clobTokenIds"] == "[]" for m in asked)
