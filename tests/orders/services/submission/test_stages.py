from __future__ import annotations

import pytest
from django.utils import timezone

from markets.domain.instruments import Side
from orders.models import Order, OrderSubmission, SendAttempt
from orders.services.execution import order_submit
from orders.services.invariants import check_invariants
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


@pytest.mark.parametrize("kind", ["eoa", "proxy", "safe", "deposit_beacon", "deposit_uups"])
def test_an_order_of_every_wallet_rests_at_the_venue_under_its_own_hash(desk: LiveDesk, kind: str) -> None:
    account, outcome = desk.account(kind), desk.outcome()
    order = desk.order(account, outcome, Side.BUY, "0.05", "10", post_only=True)
    assert order.venue_order_id is None
    assert order_submit(order.pk, timezone.now())
    row = OrderSubmission.objects.get(pk=order.pk)
    assert (fresh(order).state, fresh(order).venue_order_id) == ("live", row.order_hash)
    theirs = desk.gateway(account).order(row.order_hash)
    assert theirs is not None and theirs.size == 10_000_000
    attempt = SendAttempt.objects.get(order=order)
    assert (attempt.kind, attempt.number, attempt.answer) == ("post", 1, "live")
    assert attempt.first_byte_at is not None
    assert check_invariants() == []
