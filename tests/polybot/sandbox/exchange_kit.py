"""A quiet exchange for tests: no order flow, one emptied market, a clock that moves when told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from markets.domain.instruments import Side
from markets.domain.units import micro_from_text
from markets.venues.simulated.matching import OrderType
from polybot.sandbox.catalogue import Market
from polybot.sandbox.engines import LiveEngine
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.messages import ExchangeEvent, MarketEvent, NewOrder, PlaceResult, UserEvent
from polybot.sandbox.options import ExchangeOptions

START_MS = 1_790_000_000_000
ALICE, BOB = "0x" + "aA" * 20, "0x" + "bb" * 20
_numbers = count(1)


class Desk:
    """An exchange, its clock and everything it said."""

    def __init__(self, *, seed: int = 4, rate: float = 0.0, state_dir: Path | None = None, **options: Any) -> None:
        self.now = START_MS
        self.exchange = Exchange(
            ExchangeOptions(seed=seed, rate=rate, state_dir=state_dir, **options), clock=lambda: self.now
        )
        self.events: list[ExchangeEvent] = []
        self.exchange.listen(self.events.append)

    def pass_ms(self, passed: int) -> None:
        self.now += passed
        self.exchange.step(self.now)

    def market(self, *, where: Callable[[Market], bool] = lambda m: True, empty: bool = True) -> Market:
        """Return the first coarse-tick market that stays open for days, emptied of house orders."""
        market = next(
            m
            for m in self.exchange.markets()
            if m.tick == 10_000 and m.end_ms - self.now > 86_400_000 and m.fee is not None and where(m)
        )
        if empty:
            engine = self.exchange._core.engines[market.condition_id]
            assert isinstance(engine, LiveEngine)
            for order_id in list(engine.book.orders):
                engine.book.remove(order_id)
            self.exchange._execution.announce_books(market, traded=False)
            self.events.clear()
        return market

    def place(self, order: NewOrder) -> PlaceResult:
        return self.exchange.place(order)

    def limit(self, who: str, token: str, side: Side, price: str, size: str, **more: Any) -> PlaceResult:
        return self.place(limit(who, token, side, price, size, **more))

    def public(self, kind: str) -> list[dict[str, Any]]:
        return [e.body for e in self.events if isinstance(e, MarketEvent) and e.body["event_type"] == kind]

    def told(self, owner: str) -> list[tuple[str, str]]:
        """Return (type or trade status, order id or trade id) of what one API key was told."""
        return [
            (e.body["type"] if e.body["event_type"] == "order" else e.body["status"], e.body["id"])
            for e in self.events
            if isinstance(e, UserEvent) and e.owner == owner
        ]

    def conserved(self) -> None:
        """Every dollar and share is somewhere, to the millionth."""
        core = self.exchange._core
        accounts = core.accounts
        assert accounts.total_cash() + sum(accounts.collateral.values()) == accounts.funded
        for market in self.exchange.markets():
            yes, no = (accounts.total_shares(token) for token in market.token_ids)
            if market.payouts is None:
                assert yes == no == accounts.collateral[market.condition_id]
        for wallet in accounts.wallets.values():
            assert all(amount >= 0 for amount in wallet.ledger.values()), wallet.address
            assert all(amount >= 0 for amount in wallet.reserved.values()), wallet.address


def order_id() -> str:
    return "0x" + hashlib.sha256(str(next(_numbers)).encode()).hexdigest()


def owner_of(who: str) -> str:
    return f"key-{who[2:6].lower()}"


def limit(who: str, token: str, side: Side, price: str, size: str, **more: Any) -> NewOrder:
    shares = micro_from_text(size, field="size")
    dollars = micro_from_text(price, field="price") * shares // 1_000_000
    return amounts(who, token, side, dollars, shares, **more)


def amounts(who: str, token: str, side: Side, dollars: int, shares: int, **more: Any) -> NewOrder:
    buys = side is Side.BUY
    values: dict[str, Any] = {"order_type": OrderType.GTC, "order_id": order_id(), **more}
    return NewOrder(
        owner=owner_of(who),
        maker=who,
        token_id=token,
        side=side,
        maker_amount=dollars if buys else shares,
        taker_amount=shares if buys else dollars,
        **values,
    )
