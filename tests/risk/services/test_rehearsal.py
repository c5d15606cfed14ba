"""The kill path is walked on one account and timed; real money is only counted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts.models import AuditEvent
from markets.models import Outcome
from orders.models import Account, Order
from orders.selectors.portfolio import account_get
from orders.services import kill
from risk.models import Halt
from risk.services.rehearsal import rehearsal_run, rehearse
from tests.factories.markets import AT
from tests.factories.orders import order_make, sent_order, venue_account_make

pytestmark = pytest.mark.django_db


class Clock:
    def __init__(self) -> None:
        self.now = AT

    def __call__(self):  # type: ignore[no-untyped-def]
        self.now += timedelta(milliseconds=10)
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def test_everything_ends_and_the_account_is_let_go(account: Account, outcome: Outcome) -> None:
    order_make(account, outcome)
    clock = Clock()
    done = rehearse(account.pk, by="ada", clock=clock, sleep=clock.sleep)
    assert (done.passed, done.open_before, done.open_after, done.sent_after) == (True, 1, 0, 0)
    assert done.committed_at < done.empty_at and done.steps[0]["what"] == "1 open orders"
    assert account_get(account.pk).trading_state == "active" and not Halt.objects.filter(lifted_at=None).exists()
    assert not kill.killed()
    assert AuditEvent.objects.get(kind="risk.rehearsed").severity == "info"


def test_an_order_that_does_not_end_fails_the_rehearsal(account: Account, outcome: Outcome) -> None:
    sent_order(account, outcome)  # nobody plays the venue here: the cancel is never confirmed
    clock = Clock()
    done = rehearse(account.pk, by="ada", clock=clock, sleep=clock.sleep)
    assert (done.passed, done.open_after, done.empty_at) == (False, 1, None)
    assert "1 orders still open after 30 s" in [s["what"] for s in done.steps]
    assert account_get(account.pk).trading_state == "active"
    assert AuditEvent.objects.get(kind="risk.rehearsed").severity == "critical"


def test_an_order_that_leaves_after_the_stop_fails_it(account: Account, outcome: Outcome) -> None:
    order = order_make(account, outcome)
    clock = Clock()

    def leave(seconds: float) -> None:
        clock.sleep(seconds)
        Order.objects.filter(pk=order.pk).update(sent_at=clock.now)

    Order.objects.filter(pk=order.pk).update(state="sending")
    done = rehearse(account.pk, by="ada", clock=clock, sleep=leave, limit_s=1)
    assert done.sent_after == 1 and done.passed is False


def test_real_money_is_counted_and_never_touched() -> None:
    live = venue_account_make("live")
    done = rehearse(live.pk, by="ada", clock=Clock())
    assert done.dry_run and done.passed and not Halt.objects.exists()
    assert any("none was touched" in step["what"] for step in done.steps)


def test_a_rehearsal_runs_once(account: Account) -> None:
    clock = Clock()
    done = rehearse(account.pk, by="ada", clock=clock, sleep=clock.sleep)
    assert rehearsal_run(done.pk, clock=clock).finished_at == done.finished_at
    assert AuditEvent.objects.filter(kind="risk.rehearsed").count() == 1
