from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError

from alerts.models import AuditEvent
from markets.domain.instruments import Side
from orders.domain.lifecycle import OPEN, OrderState, TradingState, TransitionError
from orders.models import Account, KillSwitch, Order
from orders.services import execution, kill
from orders.services.accounts import trading_state_set
from orders.services.execution import cancel_all, cancel_origin, order_cancel_request, order_submit
from orders.services.invariants import check_invariants
from orders.services.states import order_advance, order_lock
from orders.services.submission.cancels import cancels_due
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, MANUAL, account_make, order_make, sent_order
from tests.factories.venue import live_order, sandbox_account

pytestmark = pytest.mark.django_db


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def reserved(account: Account) -> int:
    return int(Account.objects.get(pk=account.pk).reserved_cash)


def test_a_submitted_order_is_sending_under_a_lease() -> None:
    order = sent_order(account_make(), outcome_make())
    assert (order.state, order.attempts, order.sent_at) == ("sending", 1, AT)
    assert order.lease_until == AT + timedelta(seconds=20)


def test_submitting_again_does_nothing() -> None:
    order = sent_order(account_make(), outcome_make())
    assert order_submit(order.pk, AT) is False
    assert fresh(order).attempts == 1


def test_nothing_leaves_while_the_kill_switch_is_set() -> None:
    account, outcome = account_make(), outcome_make()
    order = order_make(account, outcome)
    kill.kill_set("drill", "ada", AT)
    assert order_submit(order.pk, AT) is False
    assert (fresh(order).state, fresh(order).state_reason) == ("abandoned", "the kill switch is set")
    assert reserved(account) == 0


def test_a_kill_switch_that_is_missing_counts_as_set() -> None:
    order = order_make(account_make(), outcome_make())
    KillSwitch.objects.all().delete()
    assert kill.killed() is True
    assert order_submit(order.pk, AT) is False


def test_a_killed_desk_stays_killed_until_released() -> None:
    assert kill.kill_set("drill", "ada", AT) is True
    assert kill.kill_set("again", "bob", AT) is False
    kill.kill_install()  # what every migration runs
    assert kill.killed() is True
    assert kill.kill_release("drill over", "ada", AT) is True
    assert kill.killed() is False
    assert list(AuditEvent.objects.filter(kind__startswith="risk.").values_list("kind", flat=True)) == [
        "risk.killed",
        "risk.released",
    ]


@pytest.mark.parametrize("mode", ["monitor", "scrape", "backtest"])
def test_nothing_leaves_in_a_mode_that_only_looks(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setattr(settings, "POLYBOT_MODE", mode)
    order = order_make(account_make(), outcome_make())
    assert order_submit(order.pk, AT) is False
    assert mode in fresh(order).state_reason


@pytest.mark.parametrize(
    ("state", "sent"), [(TradingState.ACTIVE, True), (TradingState.REDUCE_ONLY, False), (TradingState.HALTED, False)]
)
def test_the_account_s_trading_state_is_read_at_the_last_moment(state: TradingState, sent: bool) -> None:
    account, outcome = account_make(), outcome_make()
    order = order_make(account, outcome)
    trading_state_set(account_id=account.pk, state=state, reason="drill", by="ada", now=AT)
    assert order_submit(order.pk, AT) is sent


def test_an_order_older_than_its_age_limit_is_dropped_not_sent_late() -> None:
    account = account_make()
    order = order_make(account, outcome_make())
    assert order_submit(order.pk, AT + timedelta(seconds=61)) is False
    assert fresh(order).state_reason == "61 s old, and it may be sent within 60 s"
    assert reserved(account) == 0


def test_a_cancel_before_sending_ends_the_order_at_once() -> None:
    account = account_make()
    order = order_make(account, outcome_make())
    assert order_cancel_request(order.pk, "not wanted", "ada", AT) is True
    assert fresh(order).state == "abandoned"
    assert order_submit(order.pk, AT) is False


def test_a_cancel_after_sending_is_a_request_that_keeps_the_reservation() -> None:
    account = account_make()
    order = sent_order(account, outcome_make(), price="0.50", size="10", post_only=True)
    assert order_cancel_request(order.pk, "not wanted", "ada", AT) is True
    assert order_cancel_request(order.pk, "not wanted", "ada", AT) is False
    assert (fresh(order).state, fresh(order).cancel_reason) == ("sending", "not wanted")
    assert reserved(account) == 5
    assert AuditEvent.objects.filter(kind="order.cancel_requested").count() == 1


def test_cancel_all_asks_every_open_order_of_one_account_once() -> None:
    account, other, outcome = account_make(), account_make(), outcome_make()
    mine = [sent_order(account, outcome, size="5") for _ in range(3)]
    sent_order(other, outcome, size="5")
    assert cancel_all(account.pk, "stop", "ada", AT) == 3
    assert cancel_all(account.pk, "stop", "ada", AT) == 0
    assert all(fresh(order).cancel_requested_at for order in mine)
    assert Order.objects.filter(account=other, cancel_requested_at=None).count() == 1


def test_the_orders_of_one_origin_are_cancelled_without_touching_manual_ones() -> None:
    account, outcome = account_make(), outcome_make()
    sent_order(account, outcome, size="5")
    manual = sent_order(account, outcome, size="5", origin=MANUAL)
    asked = cancel_origin(account.pk, origin_kind="strategy", origin_id=1, reason="stop", by="ada", now=AT)
    assert asked == 1
    assert fresh(manual).cancel_requested_at is None


@pytest.mark.parametrize("end", [OrderState.CANCELED, OrderState.EXPIRED])
def test_an_ended_order_gives_back_all_it_had_set_aside(end: OrderState) -> None:
    account = account_make()
    order = sent_order(account, outcome_make())
    locked = order_lock(order.pk)
    order_advance(locked, OrderState.LIVE, now=AT)
    order_advance(locked, end, now=AT, reason="done")
    assert (fresh(order).state, fresh(order).reserved, reserved(account)) == (end, 0, 0)
    assert fresh(order).ended_at == AT
    assert check_invariants() == []


def test_an_unknown_order_keeps_its_reservation() -> None:
    account = account_make()
    order = sent_order(account, outcome_make(), price="0.50", size="10", post_only=True)
    order_advance(order_lock(order.pk), OrderState.UNKNOWN, now=AT)
    assert reserved(account) == 5
    assert OrderState.UNKNOWN in OPEN


def test_a_step_outside_the_table_is_refused_and_writes_nothing() -> None:
    order = sent_order(account_make(), outcome_make())
    events = AuditEvent.objects.count()
    with pytest.raises(TransitionError, match="cannot go from sending to expired"):
        order_advance(order_lock(order.pk), OrderState.EXPIRED, now=AT)
    assert (fresh(order).state, AuditEvent.objects.count()) == ("sending", events)


def test_every_step_of_an_order_is_in_the_journal_once() -> None:
    account = account_make()
    order = sent_order(account, outcome_make(), side=Side.BUY)
    locked = order_lock(order.pk)
    order_advance(locked, OrderState.LIVE, now=AT)
    order_advance(locked, OrderState.CANCELED, now=AT)
    rows = AuditEvent.objects.filter(subject_kind="order", subject_id=str(order.pk)).order_by("seq")
    assert [row.kind for row in rows] == ["order.approved", "order.submitted", "order.live", "order.canceled"]
    assert {row.stream for row in rows} == {f"account:{account.pk}"}


def test_a_kill_switch_that_cannot_be_read_counts_as_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> list[tuple[bool]]:
        raise DatabaseError("the connection is gone")

    assert kill.killed() is False
    monkeypatch.setattr(kill, "rows_read", gone)
    assert kill.killed() is True


def test_a_switch_that_is_not_set_cannot_be_released() -> None:
    kill.kill_install()
    assert kill.kill_release("drill over", "ada", AT) is False
    assert not AuditEvent.objects.filter(kind="risk.released").exists()


def test_an_order_that_somebody_cancels_at_the_same_moment_is_not_counted_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account, outcome = account_make(), outcome_make()
    first, second = sent_order(account, outcome), sent_order(account, outcome)

    def lock(order_id: int) -> Order:
        if order_id == first.pk:
            Order.objects.filter(pk=first.pk).update(cancel_requested_at=AT, cancel_reason="by somebody")
        return order_lock(order_id)

    monkeypatch.setattr(execution, "order_lock", lock)
    assert cancel_all(account.pk, "by hand", "ada", AT) == 1
    assert [fresh(order).cancel_reason for order in (first, second)] == ["by somebody", "by hand"]


def test_a_cancel_that_no_sender_takes_stays_wanted_on_its_row(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no sender")

    monkeypatch.setattr(execution.senders, "cancels_send", broken)
    order = live_order(sandbox_account("100"), outcome_make(fee_rate_ppm=0), price="0.50", size="10")
    with django_capture_on_commit_callbacks(execute=True):
        assert order_cancel_request(order.pk, "changed", "ada", AT) is True
    assert (fresh(order).cancel_reason, fresh(order).state) == ("changed", "live")
    assert cancels_due(AT) == {order.account_id: [order.pk]}
