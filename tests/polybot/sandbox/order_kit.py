"""Signed orders of every wallet type for tests that post them over HTTP: amounts are decimal text, as at the desk."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any

from eth_account import Account

from polybot.sandbox.catalogue import Market
from polybot.sandbox.eip712 import ORDER_TYPE, SignedOrder, nested_digest, order_digest, order_struct_hash
from polybot.sandbox.order_intake import order_domain
from polybot.sandbox.wallets import wallets_of
from tests.polybot.sandbox.app_kit import Answer, Local, Trader

CASH_SIDE = {"BUY": "maker", "SELL": "taker"}
_salts = count(1)


def wallet_for(address: str, kind: int) -> str:
    """Return the first wallet of that signature type that the key at `address` owns."""
    return next(wallet for wallet, owned in wallets_of(address).items() if owned == kind)


def post_body(
    trader: Trader,
    market: Market,
    *,
    side: str = "BUY",
    price: str = "0.5",
    size: str = "10",
    kind: int = 0,
    outcome: int = 0,
    order_type: str = "GTC",
    post_only: bool = False,
    dollars: str | None = None,
    wallet: str | None = None,
    key: Any = None,
    **changes: Any,
) -> dict[str, Any]:
    """Return the body of POST /order. `changes` replace fields after signing; `dollars` overrides price x size."""
    shares = int(Decimal(size) * 1_000_000)
    cash = int(Decimal(dollars) * 1_000_000) if dollars is not None else int(Decimal(price) * shares)
    address = trader.account.address
    maker = wallet or wallet_for(address, kind)
    order = SignedOrder(
        salt=next(_salts), maker=maker, signer=maker if kind == 3 else address,
        token_id=int(market.token_ids[outcome]), maker_amount=cash if side == "BUY" else shares,
        taker_amount=shares if side == "BUY" else cash, side=0 if side == "BUY" else 1, signature_type=kind,
        timestamp=trader.local.now_ms, metadata=bytes(32), builder=bytes(32), signature=b"",
    )  # fmt: skip
    order = replace(order, signature=sign(order, key or trader.account, neg_risk=market.neg_risk))
    fields = {
        "salt": order.salt, "maker": order.maker, "signer": order.signer, "tokenId": str(order.token_id),
        "makerAmount": str(order.maker_amount), "takerAmount": str(order.taker_amount), "side": side,
        "expiration": "0", "signatureType": kind, "timestamp": str(order.timestamp), "metadata": "0x" + "00" * 32,
        "builder": "0x" + "00" * 32, "signature": "0x" + order.signature.hex(),
    }  # fmt: skip
    top = {"owner": trader.creds["apiKey"], "orderType": order_type, "deferExec": False, "postOnly": post_only}
    unknown = set(changes) - set(fields) - set(top)
    assert not unknown, unknown
    return {
        "order": {**fields, **{k: v for k, v in changes.items() if k in fields}},
        **top,
        **{k: v for k, v in changes.items() if k in top},
    }


def sign(order: SignedOrder, key: Any, *, neg_risk: bool) -> bytes:
    _, domain = order_domain(order.token_id, neg_risk=neg_risk)
    if order.signature_type != 3:
        return bytes(key.unsafe_sign_hash(order_digest(order, domain)).signature)
    inner = bytes(key.unsafe_sign_hash(nested_digest(order, domain, chain_id=137)).signature)
    return inner + domain + order_struct_hash(order) + ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")


def place(trader: Trader, market: Market, **words: Any) -> Answer:
    return trader.ask("POST", "/order", post_body(trader, market, **words))


class Pair:
    """Two traders on one quiet exchange, and an emptied market to meet in."""

    def __init__(self, **options: Any) -> None:
        self.local = Local(rate=0.0, **options)
        self.one, self.two = Trader(self.local, 0xA11CE), Trader(self.local, 0xB0B0)

    def market(self, *, neg_risk: bool = False, version: str = "v1", **facts: Any) -> Market:
        exchange = self.local.app.exchange
        market = next(
            m
            for m in exchange.markets()
            if m.tick == 10_000
            and m.end_ms - self.local.now_ms > 86_400_000
            and m.neg_risk is neg_risk
            and m.version == version
            and all(getattr(m, name) == value for name, value in facts.items())
        )
        engine: Any = exchange._core.engines[market.condition_id]
        for order_id in list(engine.book.orders):
            engine.book.remove(order_id)
        exchange._execution.announce_books(market, traded=False)
        return market

    def settle(self, ms: int = 3_000) -> None:
        self.pass_ms(ms)
        self.pass_ms(1)

    def pass_ms(self, ms: int) -> None:
        self.local.now_ms += ms
        self.local.step()

    def position(self, trader: Trader, market: Market, *, kind: int = 0, outcome: int = 0) -> int:
        return self.local.app.exchange.chain_balance(
            wallet_for(trader.account.address, kind), market.token_ids[outcome]
        )


def stranger(number: int = 0xDEAD) -> Any:
    return Account.from_key(f"0x{number:064x}")
