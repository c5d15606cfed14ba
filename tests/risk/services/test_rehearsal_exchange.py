# ruff: noqa: F811 (fixtures are imported by name)
"""Doctor and kill rehearsal of a sandbox account, with the local exchange's own word for what is open."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from markets.domain.instruments import Side
from markets.models import Outcome
from orders.domain.checkup import Health
from orders.domain.lifecycle import OPEN
from orders.models import Account, Order
from orders.services.doctor import run_request
from orders.services.execution import order_submit
from orders.services.submission.stages import running_clock
from orders.services.submission.tend import tend
from risk.selectors import picture
from risk.services import doctor, profiles
from risk.services.rehearsal import rehearse
from tests.factories.markets import book_make
from tests.factories.strategies import books_publish
from tests.live_desk import LiveDesk, live_desk, local_exchange  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch) -> Account:
    def fresh(ids: Any) -> dict[int, Any]:
        at = int(timezone.now().timestamp() * 1000)
        return {i: book_make(i, venue_ms=at, received_ms=at, confirmed_ms=at) for i in ids}

    monkeypatch.setattr(picture, "books_read", fresh)
    books_publish(*fresh(Outcome.objects.values_list("pk", flat=True)).values())
    profiles.install()
    account = live_desk.account()
    profiles.profile_assign(account.pk, "conservative")
    return account


class Beat:
    """Be the trader's round, every two seconds of a clock that jumps instead of sleeping."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self, seconds: float) -> None:
        self.slept += seconds
        if self.slept % 2 == 0:
            now = timezone.now() + timedelta(seconds=self.slept)
            tend(now, running_clock(now))


def test_the_venue_itself_shows_no_open_order_after_the_stop(live_desk: LiveDesk, account: Account) -> None:
    for number in (6, 7):
        order_submit(live_desk.order(account, live_desk.outcome(number), Side.BUY, "0.01", "100").pk, timezone.now())
    assert len(live_desk.gateway(account).open_orders()) == 2
    done = rehearse(account.pk, by="ada", sleep=Beat())
    assert (done.passed, done.open_before, done.open_after, done.sent_after) == (True, 2, 0, 0), done.steps
    assert live_desk.gateway(account).open_orders() == []
    told = next(step for step in done.steps if step["what"] == "the venue's own list shows none open")
    assert int(str(told["ms"])) < 30_000


def test_a_venue_that_cannot_be_read_is_not_empty(live_desk: LiveDesk, account: Account) -> None:
    live_desk.exchange.control("faults", kind="status", status=500, path="/data/*")
    done = rehearse(account.pk, by="ada", sleep=lambda _: None, limit_s=0.5)
    assert not done.passed and done.open_after == 1
    assert any(str(step["what"]).startswith("the venue could not be read") for step in done.steps)


def test_a_deep_examination_places_and_ends_one_free_order(live_desk: LiveDesk, account: Account) -> None:
    run = run_request(account.pk, user=account.owner, deep=True, by="ada", now=timezone.now())
    findings = doctor.doctor_run(run.pk, sleep=Beat())
    run.refresh_from_db()
    free = {f.label: f for f in findings if f.area == "free order"}
    assert run.state == "done" and free["Placed"].health is free["Cancelled"].health is Health.OK, free
    assert run.story and not Order.objects.filter(account=account, state__in=OPEN).exists()
    assert live_desk.gateway(account).open_orders() == []
