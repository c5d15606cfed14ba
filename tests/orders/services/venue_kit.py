"""Orders of a live desk sent without the submission machinery, so that tests of what comes back stand alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.utils import timezone

from markets.domain.instruments import Side
from markets.models import Outcome
from markets.venues.trading import Sent
from orders.domain.lifecycle import TERMINAL, OrderState
from orders.models import Account, Order, OrderSubmission
from orders.services.states import order_advance, order_lock
from tests.live_desk import LiveDesk


def send(  # noqa: PLR0917
    desk: LiveDesk,
    account: Account,
    outcome: Outcome,
    side: Side = Side.BUY,
    price: str = "0.05",
    size: str = "10",
    order_type: str = "gtc",
    *,
    answered: OrderState | None = OrderState.LIVE,
) -> tuple[Order, Sent]:
    """Reserve, sign, store and post an order; `answered` is what the answer makes of it, None: it is lost."""
    order = desk.order(account, outcome, side, price, size, order_type)
    body, unsigned = desk.signed(account, outcome, side, price, size, order_type, client_key=str(order.client_key))
    now = timezone.now()
    OrderSubmission.objects.create(
        order=order,
        order_hash=unsigned.order_id,
        exchange=unsigned.exchange,
        chain_id=unsigned.chain_id,
        body=body.decode(),
        salt=unsigned.salt,
        timestamp_ms=unsigned.timestamp_ms,
        tick=Decimal(desk.facts(outcome).tick) / 1_000_000,
        signed_at=now,
    )
    Order.objects.filter(pk=order.pk).update(venue_order_id=unsigned.order_id)
    _advance(order, OrderState.SIGNED)
    _advance(order, OrderState.SENDING)
    sent = desk.post(account, body, unsigned)
    if answered is not None:
        _advance(order, answered)
    return Order.objects.get(pk=order.pk), sent


def _advance(order: Order, state: OrderState) -> None:
    from django.db import transaction

    with transaction.atomic():
        locked = order_lock(order.pk)
        if locked.state in TERMINAL:
            return  # its fills were faster than the answer
        order_advance(locked, state, now=timezone.now(), sent_at=timezone.now(), acknowledged_at=timezone.now())


def until(condition: Callable[[], Any], *, seconds: float = 8.0, every: float = 0.1) -> Any:
    """Return the first true answer. Fails when there is none in time."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if found := condition():
            return found
        time.sleep(every)
    raise AssertionError("it did not happen in time")
