"""Each question about live accounts finds what it asks for, and is silent about a healthy order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from markets.domain.instruments import Side
from orders.domain.lifecycle import OrderState
from orders.models import KillSwitch, Order, OrderSubmission, SendAttempt
from orders.services import kill
from orders.services.invariants import check_invariants
from orders.services.invariants_live import changed_requests
from orders.services.states import order_advance, order_lock
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, account_make, order_make
from tests.factories.venue import sandbox_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    """An order of a sandbox account, sent and unknown, with everything as it should be."""
    kill.kill_install()
    made = order_make(sandbox_account("1000"), outcome_make(fee_rate_ppm=0), price="0.40", size="10")
    Order.objects.filter(pk=made.pk).update(venue_order_id="0x01")
    OrderSubmission.objects.create(
        order=made, order_hash="0x01", exchange="standard", chain_id=137, body="{}", salt=1, timestamp_ms=1,
        tick=Decimal("0.01"), signed_at=AT, attempt=1, unknown_since_ms=int(AT.timestamp() * 1000),
    )  # fmt: skip
    row = order_lock(made.pk)
    order_advance(row, OrderState.SENDING, now=AT, sent_at=AT)
    order_advance(row, OrderState.UNKNOWN, now=AT)
    SendAttempt.objects.create(order=made, kind="post", number=1, claimed_at=AT, first_byte_at=AT)
    return Order.objects.get(pk=made.pk)


def broken() -> set[str]:
    return {violation.invariant for violation in check_invariants()}


def test_a_healthy_unknown_order_breaks_nothing(order: Order) -> None:
    assert check_invariants() == []


DAMAGE: dict[str, tuple[str, Callable[[Order], object]]] = {
    "another id than its request": ("I1", lambda o: Order.objects.filter(pk=o.pk).update(venue_order_id="0x02")),
    "no request stored": ("I2", lambda o: OrderSubmission.objects.filter(pk=o.pk).update(body="", signed_at=None)),
    "a byte before the request was stored": (
        "I2", lambda o: SendAttempt.objects.filter(order=o).update(first_byte_at=AT - timedelta(seconds=1)),
    ),
    "an attempt that no claim allowed": ("I2", lambda o: SendAttempt.objects.filter(order=o).update(number=2)),
    "too little set aside": ("I5", lambda o: Order.objects.filter(pk=o.pk).update(reserved=Decimal("3.99"))),
    "a paper id": ("I11", lambda o: Order.objects.filter(pk=o.pk).update(venue_order_id="paper-1")),
    "a request of a paper account": (
        "I11", lambda o: OrderSubmission.objects.filter(pk=o.pk).update(order=order_make(account_make("9"), o.outcome)),
    ),
    "a state nobody told": ("I16", lambda o: Order.objects.filter(pk=o.pk).update(state="quarantined")),
    "a claim long after the kill": (
        "I13", lambda o: KillSwitch.objects.update(killed=True, at=AT - timedelta(seconds=60)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(order: Order, name: str) -> None:
    invariant, damage = DAMAGE[name]
    damage(order)
    assert invariant in broken()


def test_a_replacement_sent_beside_an_unknown_order_is_found(order: Order) -> None:
    other = order_make(order.account, order.outcome, price="0.41", size="5")
    assert (other.side, other.origin_id) == (Side.BUY, order.origin_id)
    Order.objects.filter(pk=other.pk).update(sent_at=AT + timedelta(seconds=1))
    assert "I5" in broken()


def test_a_submission_after_the_kill_is_found_by_the_journals_order(order: Order) -> None:
    kill.kill_set("drill", "ann", AT + timedelta(days=1))  # by the clock it would be later
    assert "I13" not in broken()
    late = order_make(order.account, outcome_make(fee_rate_ppm=0), price="0.41", size="5")
    order_advance(order_lock(late.pk), OrderState.SENDING, now=AT, sent_at=AT)
    assert "I13" in broken()


def test_a_request_that_was_changed_is_found_by_its_recomputed_id(order: Order) -> None:
    (said,) = changed_requests()
    assert f"order {order.pk}" in said
