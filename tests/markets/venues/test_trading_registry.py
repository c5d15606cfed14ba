"""Whose account may go where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from markets.domain.instruments import Venue
from markets.venues import trading_registry
from markets.venues.polymarket.order_payload import PayloadError
from markets.venues.trading import WalletFacts
from markets.venues.trading_registry import NotForThisHost, check_host, gateway_open

OURS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
WALLET = WalletFacts(
    wallet_address=OURS, signer_address=OURS, wallet_kind="eoa", chain_id=137,
    api_key="00000000-0000-4000-8000-000000000001",
)  # fmt: skip


def authorise(method: str, path: str, body: bytes) -> Mapping[str, str]:
    return {}


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("http://127.0.0.1:8100", "sandbox"),
        ("http://127.0.0.1:8100", "live"),
        ("http://[::1]:8100", "sandbox"),
        ("http://sandbox:8100/data-api", "sandbox"),
        ("http://192.168.1.5", "sandbox"),
        ("https://exchange.example", "sandbox"),
        ("https://clob.polymarket.com", "live"),
    ],
)
def test_who_may_go_where(url: str, environment: str) -> None:
    check_host(url, environment)


@pytest.mark.parametrize(
    ("url", "environment", "word"),
    [
        ("https://clob.polymarket.com", "sandbox", "must not reach"),
        ("https://CLOB.Polymarket.com.", "sandbox", "must not reach"),
        ("https://polymarket.com", "sandbox", "must not reach"),
        ("http://clob.polymarket.com", "live", "over https only"),
        ("http://exchange.example", "sandbox", "over https only"),
        ("http://8.8.8.8", "live", "over https only"),
        ("http://127.0.0.1:8100", "paper", "no trading gateway"),
        ("http://127.0.0.1:8100", "", "no trading gateway"),
    ],
)
def test_who_may_not(url: str, environment: str, word: str) -> None:
    with pytest.raises(NotForThisHost, match=word):
        check_host(url, environment)


def test_a_gateway_is_checked_before_it_is_made(settings: Any) -> None:
    gateway_open("polymarket", "sandbox", WALLET, authorise).close()
    with pytest.raises(NotForThisHost):
        gateway_open("polymarket", "paper", WALLET, authorise)
    settings.POLYMARKET = {**settings.POLYMARKET, "data": "https://data-api.polymarket.com"}
    with pytest.raises(NotForThisHost, match="data-api"):
        gateway_open("polymarket", "sandbox", WALLET, authorise)


def test_a_venue_without_a_trading_side_and_unknown_wallets_are_refused() -> None:
    with pytest.raises(KeyError):
        trading_registry.order_maker(Venue.KALSHI)
    with pytest.raises(KeyError):
        gateway_open(Venue.KALSHI, "sandbox", WALLET, authorise)
    with pytest.raises(PayloadError, match="wallet"):
        bad = WalletFacts(wallet_address="", signer_address=OURS, wallet_kind="eoa", chain_id=137, api_key="")
        gateway_open(Venue.POLYMARKET, "sandbox", bad, authorise)
