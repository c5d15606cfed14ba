"""What tests of the trading gateway share: an account at the local exchange and orders it can place."""

from __future__ import annotations

import itertools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

from markets.domain.instruments import Side
from markets.domain.units import micro_from_decimal
from markets.venues.polymarket.connection import HttpPool
from markets.venues.polymarket.credentials import (
    ApiCredentials,
    level_1_headers,
    level_2_headers,
    read_credentials,
)
from markets.venues.polymarket.gateway import PolymarketGateway
from markets.venues.polymarket.maker import PolymarketMaker
from markets.venues.polymarket.signing import EXCHANGES, ExchangeKind, OrderFields, SigningKey
from markets.venues.polymarket.wallets import WalletKind, wallets_of
from markets.venues.trading import Heard, OrderTerms, Unsigned, WalletFacts

T = TypeVar("T")
SALT_KEY = b"an installation key for the tests"
MAKER = PolymarketMaker()
_KEYS = itertools.count(0xDEC0DE)
_CLIENT_KEYS = itertools.count(1)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def soon() -> int:
    return now_ms() + 10_000


def call(
    url: str, body: Mapping[str, object] | None = None, *, method: str = "", headers: Mapping[str, str] = {}
) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    if method:
        request.method = method
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@dataclass(frozen=True)
class Market:
    condition_id: str
    token_ids: tuple[str, str]
    neg_risk: bool
    tick: int
    bid: int
    ask: int


@dataclass
class Desk:
    """One wallet with its own gateway."""

    urls: Mapping[str, str]
    key: SigningKey
    credentials: ApiCredentials
    wallet: WalletFacts
    gateway: PolymarketGateway

    def prepare(self, terms: OrderTerms) -> tuple[Unsigned, bytes]:
        unsigned = MAKER.prepare(terms, self.wallet, salt_key=SALT_KEY)
        fields = unsigned.fields
        assert isinstance(fields, OrderFields)
        signature = self.key.sign_order(fields, EXCHANGES[unsigned.chain_id, ExchangeKind(unsigned.exchange)])
        return unsigned, MAKER.body(unsigned, signature, terms, self.wallet)

    def send(self, terms: OrderTerms, **options: Any) -> tuple[str, Any]:
        unsigned, body = self.prepare(terms)
        return unsigned.order_id, self.resend(unsigned.order_id, body, **options)

    def resend(self, order_id: str, body: bytes, *, unknown_attempts: int = 0, within_ms: int = 10_000) -> Any:
        return self.gateway.send(
            body, order_id=order_id, unknown_attempts=unknown_attempts, deadline_ms=now_ms() + within_ms
        )


def authoriser(key: SigningKey, credentials: ApiCredentials) -> Callable[[str, str, bytes], Mapping[str, str]]:
    def authorise(method: str, path: str, body: bytes) -> Mapping[str, str]:
        return level_2_headers(
            credentials, address=key.address, timestamp_s=int(time.time()), method=method, path=path, body=body
        )

    return authorise


def desk(
    urls: Mapping[str, str],
    kind: WalletKind = WalletKind.EOA,
    *,
    heard: Heard | None = None,
    key: SigningKey | None = None,
) -> Desk:
    key = key or SigningKey(f"0x{next(_KEYS):064x}")
    headers = level_1_headers(key, timestamp_s=int(time.time()), chain_id=137)
    try:
        answer = call(f"{urls['clob']}/auth/api-key", {}, headers=headers)
    except urllib.error.HTTPError:
        answer = call(f"{urls['clob']}/auth/derive-api-key", headers=headers)
    credentials = read_credentials(json.dumps(answer).encode())
    wallet = WalletFacts(
        wallet_address=wallets_of(key.address)[kind], signer_address=key.address, wallet_kind=kind.value,
        chain_id=137, api_key=credentials.api_key,
    )  # fmt: skip
    gateway = PolymarketGateway(
        wallet, authoriser(key, credentials), clob=HttpPool(urls["clob"]), data=HttpPool(urls["data"]), heard=heard
    )
    return Desk(urls, key, credentials, wallet, gateway)


def markets(urls: Mapping[str, str], *, neg_risk: bool | None = None, positions: bool = False) -> list[Market]:
    """Return open markets with a two-sided book and room between 0.2 and 0.8."""
    found = []
    version = "v2" if positions else "v1"
    for row in call(f"{urls['gamma']}/markets?limit=100&order=liquidityNum&ascending=false&version={version}"):
        fits = neg_risk is None or row["negRisk"] is neg_risk
        if not (fits and row["acceptingOrders"] and 0.2 <= row["bestBid"] < row["bestAsk"] <= 0.8):
            continue
        yes, no = json.loads(row["positionIds" if positions else "clobTokenIds"])
        tick = micro_from_decimal(Decimal(str(row["orderPriceMinTickSize"])))
        book = call(f"{urls['clob']}/book?token_id={yes}")
        if not book["bids"] or not book["asks"]:
            continue
        bid, ask = (micro_from_decimal(Decimal(book[side][-1]["price"])) for side in ("bids", "asks"))
        found.append(Market(row["conditionId"], (yes, no), row["negRisk"], tick, bid, ask))
    assert found, "no market to trade"
    return found


def terms(market: Market, **changes: Any) -> OrderTerms:
    """Return a resting buy far below the market, unless `changes` say otherwise."""
    price = max(market.tick, (market.bid // 3) // market.tick * market.tick)
    plain = OrderTerms(
        client_key=f"key-{next(_CLIENT_KEYS)}", created_ms=now_ms(), condition_id=market.condition_id,
        token_id=market.token_ids[0], neg_risk=market.neg_risk, tick=market.tick, side=Side.BUY, price=price,
        size=10_000_000, order_type="gtc",
    )  # fmt: skip
    return replace(plain, **changes)


def crossing(market: Market, **changes: Any) -> OrderTerms:
    """Return a buy at the highest price: it trades at once whatever the book does meanwhile."""
    top = (1_000_000 - market.tick) // market.tick * market.tick
    return terms(market, price=top, order_type="fak", **changes)


def fault(urls: Mapping[str, str], **rule: object) -> None:
    call(f"{urls['control']}/faults", rule)


def healed(urls: Mapping[str, str]) -> None:
    call(f"{urls['control']}/faults", method="DELETE")
    call(f"{urls['control']}/mode", {"mode": "normal"})


def until(read: Callable[[], T], accept: Callable[[T], bool], *, within_s: float = 8) -> T:
    end = time.monotonic() + within_s
    while not accept(found := read()):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found
