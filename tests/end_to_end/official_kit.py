"""What the journeys of the official clients share: where they go, keys, plain reads, a market worth trading."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

import py_clob_client_v2 as v2
from eth_account import Account
from polymarket import SecureClient
from polymarket._internal.environment import PRODUCTION_CONFIG, create_environment
from polymarket.auth import BuilderApiKey
from polymarket.environments import Environment
from polymarket.errors import RequestRejectedError
from py_clob_client_v2.exceptions import PolyApiException

from polybot.sandbox.wallets import deposit_wallets

T = TypeVar("T")
MOVED_AWAY = ("no orders found to match", "couldn't be fully filled")
KEYS = iter(f"0x{n:064x}" for n in range(0xA11CE, 0xA11CE + 1000))  # a fresh wallet for every journey


@dataclass(frozen=True)
class Tradable:
    condition_id: str
    token_ids: tuple[str, str]
    tick: Decimal
    bid: Decimal
    ask: Decimal

    @property
    def token_id(self) -> str:
        return self.token_ids[0]


def environment_of(urls: dict[str, str]) -> Environment:
    """Return what points the successor client at that exchange."""
    config = replace(
        PRODUCTION_CONFIG,
        clob_url=urls["clob"],
        clob_market_ws_url=urls["ws_market"],
        clob_user_ws_url=urls["ws_user"],
        relayer_url=urls["relayer"],
        gamma_url=urls["gamma"],
        data_url=urls["data"],
        rpc_url=urls["rpc"],
    )
    return create_environment(name="local", config=config)


def builder_key(key: str, wallet: str, environment: Environment) -> BuilderApiKey:
    """Have the exchange make a builder's key, which the relayer asks for."""
    with SecureClient.create(private_key=key, wallet=wallet, environment=environment) as client:
        made = client.create_builder_api_key()
    return BuilderApiKey(key=made.key, secret=made.secret, passphrase=made.passphrase)


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def pick(urls: dict[str, str], *, neg_risk: bool, tick: str = "0.01", spread: int = 1) -> Tradable:
    """Return an open market with a two-sided book, far from 0 and 1 and deep enough to take ten dollars.

    `spread` is the least number of ticks between its best prices.
    """
    for market in get(f"{urls['gamma']}/markets?limit=100&order=liquidityNum&ascending=false"):
        if market["negRisk"] is not neg_risk or Decimal(str(market["orderPriceMinTickSize"])) != Decimal(tick):
            continue
        if not (0.25 <= market["bestBid"] < market["bestAsk"] <= 0.75) or not market["acceptingOrders"]:
            continue
        yes, no = json.loads(market["clobTokenIds"])
        book = get(f"{urls['clob']}/book?token_id={yes}")
        bids, asks = book["bids"], book["asks"]
        if not bids or not asks or sum(Decimal(level["size"]) for level in asks[-3:]) < 100:
            continue
        bid, ask = Decimal(bids[-1]["price"]), Decimal(asks[-1]["price"])
        if ask - bid >= spread * Decimal(tick):
            return Tradable(market["conditionId"], (yes, no), Decimal(tick), bid, ask)
    raise AssertionError(f"no tradable market with neg_risk={neg_risk}, tick={tick}")


def until(read: Callable[[], T], accept: Callable[[T], bool], *, within_s: float = 10) -> T:
    deadline = time.monotonic() + within_s
    while True:
        found = read()
        if accept(found) or time.monotonic() > deadline:
            assert accept(found), found
            return found
        time.sleep(0.1)


def taken(order: Callable[[], T], *, tries: int = 10) -> T:
    """Return the answer of a market order; price it again when the living book moved away before it arrived."""
    for _ in range(tries - 1):
        try:
            return order()
        except (PolyApiException, RequestRejectedError) as error:
            if not any(words in str(error) for words in MOVED_AWAY):
                raise
            time.sleep(0.3)
    return order()


def v2_client(urls: dict[str, str], *, deposit: bool = False) -> v2.ClobClient:
    key = next(KEYS)
    if deposit:
        funder = deposit_wallets(Account.from_key(key).address.lower())[0]
        client = v2.ClobClient(urls["clob"], 137, key=key, signature_type=3, funder=funder)
    else:
        client = v2.ClobClient(urls["clob"], 137, key=key)
    client.set_api_creds(client.create_or_derive_api_key())
    return client
