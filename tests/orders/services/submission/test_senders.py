"""The pool: ticks hand over and go on, orders that wait together leave together, and a shutdown loses nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from markets.domain.answers import AnswerKind
from markets.models import Outcome
from orders.models import Account, Order
from orders.services.execution import orders_submit
from orders.services.submission import senders
from tests.live_desk import LiveDesk
from tests.orders.services.submission.conftest import Line, answer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pool(desk: LiveDesk) -> Iterator[senders.Senders]:
    yield senders.start()
    senders.stop(5)


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    until = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_the_caller_does_not_wait_for_the_venue(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, pool: senders.Senders
) -> None:
    gate = threading.Event()
    line.before_send = lambda: gate.wait(10) and None
    orders = [desk.order(account, outcome, price=f"0.0{n}", size="20") for n in (3, 4, 5)]
    assert orders_submit([order.pk for order in orders], timezone.now()) == 3
    assert eventually(lambda: {fresh(order).state for order in orders} == {"sending"})
    assert pool.load().posting == 3, "three requests are under way side by side"
    gate.set()
    assert eventually(lambda: {fresh(order).state for order in orders} == {"live"})
    assert eventually(lambda: pool.load() == senders.Load(waiting=0, posting=0, answers=0, refused=0))


def test_an_order_that_was_put_back_goes_again_by_itself(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, pool: senders.Senders
) -> None:
    line.answers = [answer(AnswerKind.NOT_SENT, "connect_failed")]
    order = desk.order(account, outcome)
    orders_submit([order.pk], timezone.now())
    assert eventually(lambda: fresh(order).state == "live")
    assert len(line.sends) == 2


def test_what_is_claimed_is_finished_before_the_pool_ends_and_the_rest_waits_in_its_row(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, pool: senders.Senders
) -> None:
    gate = threading.Event()
    line.before_send = lambda: gate.wait(10) and None
    first, second = desk.order(account, outcome, price="0.03"), desk.order(account, outcome, price="0.04")
    orders_submit([first.pk], timezone.now())
    assert eventually(lambda: fresh(first).state == "sending")
    threading.Timer(0.3, gate.set).start()
    senders.stop(10)
    assert fresh(first).state == "live"
    assert pool.submit(account.pk, [second.pk]) == 0
    assert fresh(second).state == "reserved"


def test_what_waits_is_bounded_and_what_is_too_much_stays_in_its_row(account: Account) -> None:
    small = senders.Senders(most_waiting=2)  # not started: nothing is taken out
    assert small.submit(account.pk, [1, 2, 2, 3, 4]) == 2
    assert small.load() == senders.Load(waiting=2, posting=0, answers=0, refused=2)
