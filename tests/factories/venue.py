"""Orders of the live path and what a venue says of them, in as few words as a test needs."""

from __future__ import annotations

import itertools
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model

from markets.domain.instruments import Side
from markets.domain.trading import OrderWord, Role, TradeStage, VenueLeg, VenueOrder
from markets.domain.units import Usd
from markets.models import Outcome
from orders.domain.ledger import entries_for_opening
from orders.domain.lifecycle import OrderState
from orders.models import Account, Order, OrderSubmission
from orders.services.books import transaction_record
from orders.services.states import order_advance, order_lock
from tests.factories.orders import AT, micro, order_make

_numbers = itertools.count(1)
AT_MS = int(AT.timestamp() * 1000)


def sandbox_account(cash: str = "1000", **values: Any) -> Account:
    """Return a connected account of the local exchange; its keys are the test's business."""
    n = next(_numbers)
    fields: dict[str, Any] = {
        "name": f"sandbox {n}",
        "venue": "polymarket",
        "environment": "sandbox",
        "connection": "ready",
        "wallet_address": f"0x{n:040x}",
        "cash": Decimal(cash),
        "opening_cash": Decimal(cash),
        "peak_equity": Decimal(cash),
        **values,
    }
    owner = fields.pop("owner", None) or get_user_model().objects.create_user(username=f"trader{n}")
    account = Account.objects.create(owner=owner, **fields)
    if Decimal(cash):
        transaction_record(
            account_id=account.pk,
            kind="opening",
            reference="opening",
            entries=entries_for_opening(Usd(micro(cash))),
            at=AT,
        )
    return Account.objects.get(pk=account.pk)


def live_order(
    account: Account,
    outcome: Outcome,
    *,
    state: OrderState = OrderState.LIVE,
    now: datetime = AT,
    **values: Any,
) -> Order:
    """Return an order that was signed and sent, in the state that its answer made of it."""
    order = order_make(account, outcome, now=now, **values)
    order_hash = f"0x{next(_numbers):064x}"
    OrderSubmission.objects.create(
        order=order,
        order_hash=order_hash,
        exchange="standard",
        chain_id=137,
        body="{}",
        salt=1,
        timestamp_ms=AT_MS,
        tick=Decimal("0.01"),
        signed_at=now,
    )
    Order.objects.filter(pk=order.pk).update(venue_order_id=order_hash)
    locked = order_lock(order.pk)
    for step in (OrderState.SIGNED, OrderState.SENDING, state):
        if locked.state != step:
            order_advance(locked, step, now=now, sent_at=now, acknowledged_at=now if step is state else None)
    return Order.objects.get(pk=order.pk)


def leg(order: Order, trade: str, size: str, stage: TradeStage = TradeStage.MATCHED, **values: Any) -> VenueLeg:
    """Return our part of one trade at one stage, as maker at the order's own price unless said otherwise."""
    price = micro(values.pop("price", str(order.price)))
    fields: dict[str, Any] = {
        "trade_id": trade,
        "order_id": order.venue_order_id,
        "role": Role.MAKER,
        "condition_id": order.market.condition_id,
        "token_id": order.outcome.token_id,
        "side": Side(order.side),
        "price": price,
        "size": micro(size),
        "stage": stage,
        "fee_rate_bps": None,
        "matched_ms": AT_MS + 1_000,
        "updated_ms": None,
        "dollars": price * micro(size) // 1_000_000,
    }
    return VenueLeg(**{**fields, **values})


def venue_order(
    order: Order, word: OrderWord = OrderWord.LIVE, *, matched: str | None = "0", **values: Any
) -> VenueOrder:
    """Return the order as the venue lists it."""
    fields: dict[str, Any] = {
        "order_id": order.venue_order_id,
        "word": word,
        "reason": "",
        "condition_id": order.market.condition_id,
        "token_id": order.outcome.token_id,
        "side": Side(order.side),
        "price": micro(str(order.price)),
        "size": micro(str(order.size)),
        "matched": None if matched is None else micro(matched),
        "order_type": order.order_type.upper(),
        "expires_at_ms": None,
        "created_ms": AT_MS,
    }
    return VenueOrder(**{**fields, **values})
