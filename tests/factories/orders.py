"""Accounts, orders, paper orders and trades of the execution stage, in as few words as a test needs."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model

from markets.domain.instruments import FeeSchedule, Side
from markets.domain.units import Price, Shares, Usd, micro_from_text
from markets.models import Outcome
from orders.domain.intents import OpenOrder, OrderType, Origin, OriginKind, Placement, Quote
from orders.domain.keys import new_key
from orders.domain.ledger import Fill, Position
from orders.models import Account, Order, PaperOrder, PaperTrade
from orders.services.accounts import account_lock, account_open
from orders.services.execution import order_submit
from orders.services.placement import order_create

_numbers = itertools.count(1)
_bits = random.Random(7)
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ORIGIN = Origin(kind=OriginKind.STRATEGY, id=1, label="maker 1")
MANUAL = Origin(kind=OriginKind.MANUAL, id=1, label="ada")
FEE = FeeSchedule(rate_ppm=40_000)


def micro(text: str | int) -> int:
    """Return "0.48" as 480,000: tests write money as people do."""
    return micro_from_text(str(text), field="amount")


# Values ---------------------------------------------------------------------------------


def fill(side: Side, size: str, price: str, *, fee: str = "0", outcome_id: int = 1, confirmed: bool = True) -> Fill:
    return Fill(
        outcome_id=outcome_id,
        side=side,
        price=Price(micro(price)),
        size=Shares(micro(size)),
        fee=Usd(micro(fee)),
        confirmed=confirmed,
    )


def buy(size: str, price: str, **values: Any) -> Fill:
    return fill(Side.BUY, size, price, **values)


def sell(size: str, price: str, **values: Any) -> Fill:
    return fill(Side.SELL, size, price, **values)


def position(size: str = "0", cost: str = "0", *, outcome_id: int = 1) -> Position:
    return Position(
        outcome_id=outcome_id,
        market_id=1,
        size=Shares(micro(size)),
        confirmed=Shares(micro(size)),
        cost=Usd(micro(cost)),
    )


def quote(side: Side, price: str, size: str = "10", *, outcome_id: int = 1, level: int = 0) -> Quote:
    return Quote(outcome_id=outcome_id, side=side, price=Price(micro(price)), size=Shares(micro(size)), level=level)


def open_order(order_id: int, side: Side, price: str, size: str = "10", **values: Any) -> OpenOrder:
    fields: dict[str, Any] = {
        "key": f"key-{order_id}",
        "market_id": 1,
        "outcome_id": 1,
        "filled": Shares(0),
        "order_type": OrderType.GTC,
        "post_only": True,
        "state": "live",
        "origin": ORIGIN,
        "created_at": AT,
    }
    return OpenOrder(
        order_id=order_id, side=side, price=Price(micro(price)), size=Shares(micro(size)), **{**fields, **values}
    )


def placement(
    outcome: Outcome, side: Side = Side.BUY, price: str = "0.48", size: str = "10", **values: Any
) -> Placement:
    fields: dict[str, Any] = {
        "key": new_key(now=AT, bits=_bits),
        "order_type": OrderType.GTC,
        "post_only": False,
        "origin": ORIGIN,
        "created_at": AT,
    }
    return Placement(
        market_id=outcome.market_id,
        outcome_id=outcome.pk,
        side=side,
        price=Price(micro(price)),
        size=Shares(micro(size)),
        **{**fields, **values},
    )


# Rows -----------------------------------------------------------------------------------


def account_make(cash: str = "1000", *, name: str = "", owner: Any = None) -> Account:
    n = next(_numbers)
    owner = owner or get_user_model().objects.create_user(username=f"owner{n}")
    return account_open(name=name or f"paper {n}", owner=owner, cash=Usd(micro(cash)), now=AT)


def order_make(account: Account, outcome: Outcome, *, now: datetime = AT, **values: Any) -> Order:
    """Create an approved order as the gate would; it waits in RESERVED."""
    from django.db import transaction

    wanted = placement(outcome, **{"created_at": now, **values})
    with transaction.atomic():
        order_id = order_create(
            account=account_lock(account.pk), placement=wanted, size=wanted.size, verdict_id=1, now=now
        )
    return Order.objects.get(pk=order_id)


def sent_order(account: Account, outcome: Outcome, *, now: datetime = AT, **values: Any) -> Order:
    """Create an order and submit it: SENDING, waiting for the venue."""
    order = order_make(account, outcome, now=now, **values)
    assert order_submit(order.pk, now)
    return Order.objects.get(pk=order.pk)


def paper_order(order: Order, *, state: str = PaperOrder.State.LIVE, filled: str = "0", reason: str = "") -> PaperOrder:
    """Write what the simulated venue would hold of `order`."""
    return PaperOrder.objects.update_or_create(
        venue_order_id=order.venue_order_id,
        defaults={
            "account_id": order.account_id,
            "outcome_id": order.outcome_id,
            "side": order.side,
            "price": order.price,
            "size": order.size,
            "filled": Decimal(filled),
            "order_type": order.order_type,
            "post_only": order.post_only,
            "state": state,
            "reason": reason,
            "placed_at": AT,
            "cursor": "1-1",
        },
    )[0]


def paper_trade(
    order: Order, size: str, price: str | None = None, *, fee: str = "0", role: str = "maker", trade_id: str = ""
) -> PaperTrade:
    """Write a trade that the simulated venue made with `order`."""
    n = next(_numbers)
    return PaperTrade.objects.create(
        trade_id=trade_id or f"{order.venue_order_id}:1-{n}:0",
        order_id=order.venue_order_id,
        account_id=order.account_id,
        role=role,
        price=Decimal(price) if price else order.price,
        size=Decimal(size),
        fee=Decimal(fee),
        at=AT + timedelta(seconds=1),
    )


def venue_account_make(environment: str = "sandbox", **values: Any) -> Account:
    """Return a connected account without money or keys: for whatever asks about it, not for what it sends."""
    n = next(_numbers)
    fields = {
        "name": f"{environment} {n}",
        "owner": get_user_model().objects.create_user(username=f"owner{n}"),
        "venue": "polymarket",
        "environment": environment,
        "connection": "ready",
        "reconciled_at": AT,
    }
    return Account.objects.create(**{**fields, **values})
