"""The official clients with every wallet they know: proxy, Safe, deposit and plain, on ordinary tokens and positions.

The exchange of these journeys also lists Protocol V2 events, whose orders are signed for Exchange V3.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import py_clob_client_v2 as v2
import pytest
from eth_account import Account
from polymarket import SecureClient
from polymarket.environments import Environment
from polymarket.errors import RequestRejectedError

from polybot.sandbox.wallets import wallets_of
from tests.end_to_end.official_kit import KEYS, Tradable, builder_key, environment_of, get, post, taken, until
from tests.local_exchange import running_exchange

WALLETS = ["eoa", "proxy", "safe", "deposit"]


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    seed = os.environ.get("POLYBOT_TEST_SEED", "11")
    with running_exchange("--seed", seed, "--rate", "40", "--protocol-v2") as found:
        yield found


@pytest.fixture(scope="module")
def environment(urls: dict[str, str]) -> Environment:
    return environment_of(urls)


def tradable(urls: dict[str, str], version: str, *, neg_risk: bool | None = None) -> Tradable:
    """Return an open market of that protocol version, with prices on both sides well inside 0 and 1."""
    for market in get(f"{urls['gamma']}/markets?limit=100&order=liquidityNum&ascending=false&version={version}"):
        if neg_risk not in (None, market["negRisk"]) or market["orderPriceMinTickSize"] != 0.01:
            continue
        tokens = json.loads(market["positionIds" if version == "v2" else "clobTokenIds"])
        book = get(f"{urls['clob']}/book?token_id={tokens[0]}")
        if not book["bids"] or not book["asks"] or sum(Decimal(a["size"]) for a in book["asks"][-3:]) < 60:
            continue
        bid, ask = Decimal(book["bids"][-1]["price"]), Decimal(book["asks"][-1]["price"])
        if Decimal("0.1") <= bid < ask <= Decimal("0.9"):
            return Tradable(market["conditionId"], (tokens[0], tokens[1]), Decimal("0.01"), bid, ask)
    raise AssertionError(f"no tradable market of version {version}, neg_risk={neg_risk}")


def wallet_of(key: str, kind: str) -> str:
    owner = Account.from_key(key).address
    return next(wallet for wallet, found in wallets_of(owner).items() if found == WALLETS.index(kind))


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("wallet", WALLETS)
def test_v2_client_trades_with_every_wallet(urls: dict[str, str], wallet: str, version: str) -> None:
    key, market = next(KEYS), tradable(urls, version)
    client = v2.ClobClient(
        urls["clob"], 137, key=key, signature_type=WALLETS.index(wallet), funder=wallet_of(key, wallet)
    )
    client.set_api_creds(client.create_or_derive_api_key())
    asset = {"token_id" if version == "v1" else "position_id": market.token_id}
    order = v2.OrderArgs(**asset, price=float(market.tick * 2), size=10, side="BUY")
    placed = client.create_and_post_order(order)
    assert (placed["success"], placed["status"]) == (True, "live")
    (shown,) = client.get_open_orders()
    assert (shown["id"], shown["maker_address"].lower()) == (placed["orderID"], wallet_of(key, wallet))
    assert client.cancel_all()["canceled"] == [placed["orderID"]]
    # Room above the ask: at some prices this client's rounding offers a hair less than the price it means to pay.
    worst = float(market.ask + market.tick * 5)
    bought = taken(
        lambda: client.create_and_post_market_order(
            v2.MarketOrderArgs(**asset, amount=5, side="BUY", price=worst, order_type="FAK"), order_type="FAK"
        )
    )
    assert bought["status"] == "matched" and all(h.startswith("0x") for h in bought["transactionsHashes"])
    until(
        lambda: client.get_trades(v2.TradeParams(market=market.condition_id)),
        lambda found: {t["status"] for t in found} == {"TRADE_STATUS_CONFIRMED"},
    )
    kind = "CONDITIONAL-V2" if version == "v2" else "CONDITIONAL"
    held = v2.BalanceAllowanceParams(asset_type=kind, token_id=market.token_id)
    client.update_balance_allowance(held)
    assert Decimal(client.get_balance_allowance(held)["balance"]).scaleb(-6) == Decimal(bought["takingAmount"])


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("wallet", WALLETS)
def test_unified_client_trades_with_every_wallet(
    urls: dict[str, str], environment: Environment, wallet: str, version: str
) -> None:
    key, market = next(KEYS), tradable(urls, version)
    with SecureClient.create(private_key=key, wallet=wallet_of(key, wallet), environment=environment) as client:
        assert client.wallet_type == {"eoa": "EOA", "proxy": "POLY_PROXY", "safe": "GNOSIS_SAFE"}.get(
            wallet, "DEPOSIT_WALLET"
        )
        assert client.get_trading_approvals_state().is_fully_approved
        resting = client.place_limit_order(asset_id=market.token_id, price=market.tick, size=10, side="BUY")
        assert resting.ok and resting.status == "live"
        assert client.cancel_order(order_id=resting.order_id).canceled == (resting.order_id,)
        filled = taken(lambda: client.place_market_order(asset_id=market.token_id, side="BUY", amount=5))
        assert filled.ok and filled.status == "matched"
        assert client.wait_for_order_fill_settlement(filled, timeout_s=10)
        sold = taken(
            lambda: client.place_market_order(
                asset_id=market.token_id,
                side="SELL",
                shares=filled.taking_amount.quantize(Decimal("0.01"), "ROUND_DOWN"),
            )
        )
        assert sold.ok and sold.status == "matched"


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("wallet", WALLETS)
def test_unified_client_splits_merges_and_redeems(
    urls: dict[str, str], environment: Environment, wallet: str, version: str
) -> None:
    key, market = next(KEYS), tradable(urls, version)
    owned = wallet_of(key, wallet)
    builder = builder_key(key, owned, environment)

    def holdings() -> Any:
        return get(f"{urls['control']}/wallet/{owned}")

    with SecureClient.create(private_key=key, wallet=owned, environment=environment, api_key=builder) as client:
        client.split_position(condition_id=market.condition_id, amount=20_000_000).wait()
        assert holdings() == {"cash": "980", "holdings": dict.fromkeys(sorted(market.token_ids), "20")}
        client.merge_positions(condition_id=market.condition_id, amount=5_000_000).wait()
        assert holdings() == {"cash": "985", "holdings": dict.fromkeys(sorted(market.token_ids), "15")}
        post(f"{urls['control']}/resolve", {"market": market.condition_id, "winner": 0})
        client.redeem_positions(condition_id=market.condition_id).wait()
        assert holdings() == {"cash": "1000", "holdings": {}}
        kinds = {activity.type for activity in client.list_activity().iter_items()}
        assert kinds >= {"SPLIT", "MERGE", "REDEEM"}


def test_both_clients_keep_the_dead_man_switch_quiet_until_they_stop(
    urls: dict[str, str], environment: Environment
) -> None:
    key, market = next(KEYS), tradable(urls, "v1")
    with SecureClient.create(private_key=key, wallet=Account.from_key(key).address, environment=environment) as client:
        assert client.place_limit_order(asset_id=market.token_id, price=market.tick, size=10, side="BUY").ok
        first = client.send_order_heartbeat()
        second = client.send_order_heartbeat(heartbeat_id=first.heartbeat_id)
        with pytest.raises(RequestRejectedError, match="Invalid Heartbeat ID"):
            client.send_order_heartbeat(heartbeat_id=first.heartbeat_id)
        other = v2.ClobClient(urls["clob"], 137, key=key)
        other.set_api_creds(other.create_or_derive_api_key())
        assert other.post_heartbeat(second.heartbeat_id)["heartbeat_id"]
        begun = time.monotonic()
        until(lambda: list(client.list_open_orders().iter_items()), lambda found: not found, within_s=13)
        assert time.monotonic() - begun > 9


def test_the_unified_client_names_the_venues_restrictions(urls: dict[str, str], environment: Environment) -> None:
    key, market = next(KEYS), tradable(urls, "v1")
    with SecureClient.create(private_key=key, wallet=Account.from_key(key).address, environment=environment) as client:

        def restriction() -> Any:
            with pytest.raises(RequestRejectedError) as caught:
                client.place_limit_order(asset_id=market.token_id, price=market.tick, size=10, side="BUY")
            return caught.value.restriction

        try:
            post(f"{urls['control']}/restart", {"down_s": 60, "post_only_s": 60})
            assert str(restriction()) == "restarting"
            post(f"{urls['control']}/mode", {"mode": "post_only", "seconds": 60})
            assert str(restriction()) == "post_only"
            post(f"{urls['control']}/mode", {"mode": "cancel_only"})
            assert str(restriction()) == "cancel_only"
        finally:
            post(f"{urls['control']}/mode", {"mode": "normal"})


def test_the_unified_client_sees_a_delayed_order_through(urls: dict[str, str], environment: Environment) -> None:
    key, market = next(KEYS), tradable(urls, "v1", neg_risk=True)
    with SecureClient.create(private_key=key, wallet=Account.from_key(key).address, environment=environment) as client:
        post(f"{urls['control']}/market", {"market": market.condition_id, "seconds_delay": 1})
        try:
            taken = client.place_limit_order(
                asset_id=market.token_id, price=market.ask + 2 * market.tick, size=10, side="BUY"
            )
            assert taken.ok and taken.status == "delayed"
            assert taken.order_id not in client.cancel_order(order_id=taken.order_id).canceled
            trades = until(lambda: list(client.list_account_trades().iter_items()), bool, within_s=5)
            assert sum(trade.size for trade in trades) <= 10
        finally:
            post(f"{urls['control']}/market", {"market": market.condition_id, "seconds_delay": 0})
