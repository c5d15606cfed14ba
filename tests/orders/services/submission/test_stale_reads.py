"""A reading that was held up says nothing about an order that the venue got meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from markets.domain.answers import AnswerKind
from markets.models import Outcome
from orders.models import Account, Order, OrderSubmission
from orders.services.attach import order_found
from orders.services.execution import order_cancel_request, order_submit
from orders.services.states import order_lock
from orders.services.submission import unknown
from orders.services.submission_rows import milliseconds
from tests.live_desk import LiveDesk
from tests.orders.services.submission.conftest import Line, answer

pytestmark = pytest.mark.django_db


@pytest.fixture
def resting(desk: LiveDesk, account: Account, outcome: Outcome, line: Line) -> tuple[Order, datetime]:
    """Return an order that five readings did not find before the venue took a second copy of it, and the moment."""
    now = timezone.now().replace(microsecond=0)
    order = desk.order(account, outcome, now=now)
    line.answers = [answer(AnswerKind.UNKNOWN, "timed_out")]
    order_submit(order.pk, now)
    OrderSubmission.objects.filter(pk=order.pk).update(reads=5)
    order_found(order_lock(order.pk), now=now + timedelta(seconds=30))
    order_cancel_request(order.pk, "changed my mind", "ada", now + timedelta(seconds=40))
    OrderSubmission.objects.filter(pk=order.pk).update(next_read_ms=milliseconds(now + timedelta(seconds=40)))
    return order, now


def not_seen(order: Order, at: datetime) -> str:
    unknown._after_read(order.pk, listed=False, traded=False, result=unknown.Resolved(), now=at)
    order.refresh_from_db()
    return order.state


def test_a_reading_from_before_it_was_there_ends_nothing(resting: tuple[Order, datetime]) -> None:
    order, now = resting
    assert not_seen(order, now + timedelta(seconds=20)) == "live"
    assert OrderSubmission.objects.get(pk=order.pk).reads == 0


def test_only_readings_since_it_was_found_add_up_to_its_end(resting: tuple[Order, datetime]) -> None:
    order, now = resting
    at = now + timedelta(seconds=40)
    for _ in range(unknown.QUIET_READS - 1):
        assert not_seen(order, at) == "live"
        assert not_seen(order, at) == "live"  # the same reading by a second worker counts once
        at = datetime.fromtimestamp((OrderSubmission.objects.get(pk=order.pk).next_read_ms or 0) / 1000, tz=at.tzinfo)
    assert at >= now + timedelta(seconds=75)
    assert not_seen(order, at) == "canceled"
