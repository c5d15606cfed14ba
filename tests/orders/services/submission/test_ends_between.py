"""What changes between two steps of a cancel, a kill and the round: ends that came first, budgets, silent venues."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from markets.domain.trading import CancelAnswer
from markets.models import Outcome
from markets.venues.base import VenueUnavailable
from orders.domain.lifecycle import OrderState
from orders.models import Account, KillSwitch, Order, SendAttempt
from orders.services import keyholder, kill, rate_budget
from orders.services.execution import order_cancel_request, order_submit, orders_submit
from orders.services.invariants import check_invariants
from orders.services.submission import cancels, killing, stages
from orders.services.submission.tend import lease_expire, tend
from tests.live_desk import LiveDesk
from tests.orders.services.submission.conftest import Line
from tests.orders.services.submission.test_between import fresh, later, reserved, resting, row_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    return timezone.now()


# Cancels --------------------------------------------------------------------------------


def test_nobody_asks_for_the_end_of_an_order_without_a_reason_or_twice_in_a_moment(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = resting(desk, account, outcome, now)
    assert cancels.cancel_claim(account.pk, [order.pk], now=now) == []
    (asked,) = cancels.cancel_claim(account.pk, [order.pk], now=now, reason="its market closes")
    assert (fresh(order).cancel_reason, asked.numbers) == ("its market closes", {order.pk: 1})
    assert cancels.cancel_claim(account.pk, [order.pk], now=later(now, 0.5)) == []
    assert SendAttempt.objects.filter(kind="cancel").count() == 1
    assert line.cancels == []


def test_a_gateway_that_breaks_leaves_the_cancel_to_be_asked_again(  # noqa: PLR0917
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = resting(desk, account, outcome, now)
    order_cancel_request(order.pk, "changed", "ada", now)

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broke")

    with monkeypatch.context() as patch:
        patch.setattr(line, "cancel", broken)
        done = cancels.cancel_now(account.pk, [order.pk], now=later(now, 1))
    assert (done.unknown, done.canceled, fresh(order).state) == (1, 0, "live")
    assert SendAttempt.objects.get(kind="cancel").code == "gateway_failed"
    assert cancels.cancels_due(later(now, 3)) == {account.pk: [order.pk]}


def test_an_order_that_ended_while_its_cancel_travelled_stays_as_it_ended(
    desk: LiveDesk, account: Account, outcome: Outcome, now: datetime
) -> None:
    order = resting(desk, account, outcome, now)
    (asked,) = cancels.cancel_claim(account.pk, [order.pk], now=now, reason="changed")
    Order.objects.filter(pk=order.pk).update(state=OrderState.EXPIRED, reserved=0)
    done = cancels.cancel_store(asked, CancelAnswer(canceled=set(asked.hashes.values())), now=now)  # type: ignore[arg-type]
    assert (done.canceled, done.orders) == (1, [])
    assert (fresh(order).state, row_of(order).ending) == ("expired", "")
    assert SendAttempt.objects.get(kind="cancel").answer == "canceled"


def test_a_confirmed_cancel_proves_that_an_unknown_order_existed(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = desk.order(account, outcome, now=now)
    line.lose_answers, line.blind = 1, True
    order_submit(order.pk, now)
    assert fresh(order).state == "unknown"
    done = cancels.cancel_now(account.pk, [order.pk], now=later(now, 25), reason="nobody knows")
    assert done.canceled == 1
    assert (fresh(order).state, row_of(order).ending, reserved(account)) == ("live", "canceled", True)
    assert fresh(order).state_reason == "the venue cancelled it"
    assert check_invariants() == []


def test_cancels_beyond_the_rate_budget_wait_and_are_not_put_on_record(  # noqa: PLR0917
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [desk.order(account, outcome, price=p, size="20", now=now) for p in ("0.03", "0.04")]
    orders_submit([order.pk for order in orders], now)
    waits = iter([0.0, 3.0])
    monkeypatch.setattr(rate_budget, "take", lambda *_, **__: next(waits))
    monkeypatch.setattr(cancels, "MOST_AT_ONCE", 1)
    asked = cancels.cancel_claim(account.pk, [order.pk for order in orders], now=now, reason="stop")
    assert [list(each.hashes) for each in asked] == [[orders[0].pk]]
    assert list(SendAttempt.objects.filter(kind="cancel").values_list("order_id", flat=True)) == [orders[0].pk]
    assert fresh(orders[1]).cancel_requested_at is not None, "it is wanted all the same"


# The kill at the venues, and the round ----------------------------------------------------


def test_an_account_without_a_key_here_or_without_an_answer_is_not_known_to_be_empty(
    desk: LiveDesk, account: Account, line: Line, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert killing.account_clear(account.pk, now) is True

    def broken(*_: Any, **__: Any) -> Any:
        raise VenueUnavailable("busy")

    with monkeypatch.context() as patch:
        patch.setattr(line, "open_orders", broken, raising=False)
        assert killing.account_clear(account.pk, now) is None
        assert killing.accounts_clear([account.pk], now) is False
    keyholder.install()
    assert killing.account_clear(account.pk, now) is None


def test_a_kill_notes_only_orders_that_are_still_open(
    desk: LiveDesk, account: Account, outcome: Outcome, now: datetime
) -> None:
    open_, over = (resting(desk, account, outcome, now, price=p, size="20") for p in ("0.03", "0.04"))
    Order.objects.filter(pk=over.pk).update(state=OrderState.EXPIRED, reserved=0)
    assert killing.account_clear(account.pk, now) is True
    assert [row_of(order).ending for order in (open_, over)] == ["canceled", ""]


def test_the_round_goes_on_past_an_account_that_cannot_be_tended(  # noqa: PLR0917
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = desk.account()
    orders = [desk.order(each, outcome, now=now) for each in (account, other)]
    real = keyholder.gateway
    trouble: list[Exception] = []

    def gateway(account_id: int) -> Any:
        if account_id == account.pk:
            raise trouble[0]
        return real(account_id)

    monkeypatch.setattr(keyholder, "gateway", gateway)
    done = []
    for error in (keyholder.KeyRefused("no key"), keyholder.NotInThisProcess("elsewhere"), DatabaseError("broke")):
        trouble[:] = [error]
        done.append(tend(later(now, 4), stages.running_clock(later(now, 4))))
    assert [(each.submitted, each.failed) for each in done] == [(1, 1), (0, 0), (0, 1)]
    assert [fresh(order).state for order in orders] == ["reserved", "live"]


def test_an_order_that_was_never_signed_has_no_lease_to_end(
    desk: LiveDesk, account: Account, outcome: Outcome, now: datetime
) -> None:
    order = desk.order(account, outcome, now=now)
    assert lease_expire(order.pk, later(now, 60)) is False
    assert fresh(order).state == "reserved"


def test_a_kill_that_stands_and_is_confirmed_asks_the_venue_no_more(
    desk: LiveDesk, account: Account, line: Line, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orders.services import sweep

    kill.kill_set("drill", "ada", now)
    asked: list[datetime] = []
    real = sweep.accounts_clear

    def clear(accounts: Any, at: datetime) -> bool:
        asked.append(at)
        return real(accounts, at)

    monkeypatch.setattr(sweep, "accounts_clear", clear)
    for at_s in (1, 16, 32, 40):
        sweep.kill_enforce(later(now, at_s))
    assert kill.kill_confirmed()
    assert asked == [later(now, at_s) for at_s in (1, 16, 32)]
    kill.kill_release("over", "ada", now)
    kill.kill_set("again", "ada", now)
    keyholder.install()  # a process without keys leaves clearing and counting to the trader
    assert sweep.kill_enforce(later(now, 41)) == 0
    assert (len(asked), KillSwitch.objects.get().empty_reads) == (3, 0)
