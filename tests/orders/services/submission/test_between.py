"""What changes between two steps of a submission: another trader, another end, a venue that does not answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from alerts.models import AuditEvent
from markets.domain.answers import AnswerKind, OrderAnswer
from markets.models import Outcome
from markets.venues.base import VenueUnavailable
from orders.domain.lifecycle import OrderState
from orders.models import Account, AccountLease, KillSwitch, Order, OrderSubmission, VenueCondition
from orders.services.execution import order_cancel_request, order_submit
from orders.services.states import StateConflict, order_lock
from orders.services.submission import posting, stages, unknown
from orders.services.submission.answers import answers_store
from orders.services.submission.claim import Claimed
from orders.services.submission.obstacles import Gathered, condition_obstacle
from orders.services.submission.signing import NotReady, make_ready
from orders.services.submission.tend import lease_expire
from orders.services.submission_rows import submission_of, submission_store
from tests.live_desk import LiveDesk
from tests.orders.services.submission.conftest import Line, answer

pytestmark = pytest.mark.django_db
K = AnswerKind


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def row_of(order: Order) -> OrderSubmission:
    return OrderSubmission.objects.get(pk=order.pk)


def reserved(account: Account) -> bool:
    return Account.objects.get(pk=account.pk).reserved_cash > 0


def lost(desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime, **values: Any) -> Order:
    """Return an order whose request was lost on its way: unknown here, never seen there."""
    order = desk.order(account, outcome, now=now, **values)
    line.answers = [answer(K.UNKNOWN, "timed_out")]
    order_submit(order.pk, now)
    assert fresh(order).state == "unknown"
    return order


def resting(desk: LiveDesk, account: Account, outcome: Outcome, now: datetime, **values: Any) -> Order:
    order = desk.order(account, outcome, now=now, **values)
    assert order_submit(order.pk, now)
    assert fresh(order).state == "live"
    return order


def claims(orders: list[Order], now: datetime) -> list[Claimed]:
    made = stages.claims_make(orders[0].account_id, [order.pk for order in orders], lambda: now)
    assert len(made.claimed) == len(orders)
    return made.claimed


def sent(claimed: Claimed, said: OrderAnswer, now: datetime) -> posting.Posted:
    at = int(now.timestamp() * 1000)
    return posting.Posted(claimed=claimed, sent=posting.Sent(answer=said, first_byte_ms=at, answered_ms=at))


# The claim ------------------------------------------------------------------------------


def test_an_account_that_another_trader_has_taken_is_not_sent_for(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    first, second = desk.order(account, outcome, now=now), lost(desk, account, outcome, line, now, price="0.04")
    AccountLease.objects.filter(pk=account.pk).update(owner="elsewhere:1:1")
    assert order_submit(first.pk, now) is False
    assert (fresh(first).state, len(line.sends)) == ("reserved", 1)
    done = unknown.account_resolve(account.pk, later(now, 5), order_ids=[second.pk])
    assert (done.read, done.claimed) == (1, []), "it may look, and sends nothing again"
    assert (fresh(second).state, row_of(second).attempt) == ("unknown", 1)


def test_at_the_last_moment_of_its_age_an_order_is_neither_sent_nor_dropped_yet(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = desk.order(account, outcome, now=later(now, -60))
    assert stages.claims_make(account.pk, [order.pk], lambda: now).claimed == []
    assert (fresh(order).state, reserved(account)) == ("reserved", True)
    stages.claims_make(account.pk, [order.pk], lambda: later(now, 0.001))
    assert (fresh(order).state, reserved(account), line.sends) == ("abandoned", False, [])


def test_an_order_whose_conditions_were_not_read_waits(desk: LiveDesk, account: Account, outcome: Outcome) -> None:
    order = desk.order(account, outcome)
    nothing = Gathered(conditions={}, permits={}, terms={})
    assert condition_obstacle(order, nothing, now=timezone.now()) == "the state of the venue was not read"
    ready = make_ready(account, [order], {})[order.pk]
    assert ready == NotReady(order_id=order.pk, reason=f"outcome {outcome.pk} is not in the catalogue")


def test_stored_bytes_that_are_no_order_at_all_stop_everything(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = lost(desk, account, outcome, line, now)
    OrderSubmission.objects.filter(pk=order.pk).update(body="{")
    done = unknown.account_resolve(account.pk, later(now, 5), order_ids=[order.pk])
    assert (done.claimed, len(line.sends)) == ([], 1)
    switch = KillSwitch.objects.get()
    assert switch.killed and "the stored request has the id none (" in switch.reason
    assert (fresh(order).state, reserved(account)) == ("unknown", True)


def test_a_step_from_an_attempt_that_is_over_changes_nothing(
    desk: LiveDesk, account: Account, outcome: Outcome, now: datetime
) -> None:
    order = resting(desk, account, outcome, now)
    row = row_of(order)
    OrderSubmission.objects.filter(pk=order.pk).update(attempt=F("attempt") + 1)
    with transaction.atomic():
        locked = order_lock(order.pk)
        before = submission_of(locked, row)
        with pytest.raises(StateConflict, match=f"order {order.pk}: attempt 1 is over already"):
            submission_store(locked, row, before, before, now=now)


# Answers --------------------------------------------------------------------------------


def test_a_second_refusal_of_the_whole_account_pages_nobody_again(
    desk: LiveDesk, account: Account, outcome: Outcome, now: datetime
) -> None:
    one, two = claims([desk.order(account, outcome, price=p, size="20", now=now) for p in ("0.03", "0.04")], now)
    refused = answer(K.NOT_PROCESSED, "unauthorized", said="Unauthorized", halts_account=True)
    for claimed in (one, two):
        answers_store(account.pk, [sent(claimed, refused, now)], now=now)
    assert Account.objects.get(pk=account.pk).trading_state == "halted"
    assert AuditEvent.objects.filter(kind="account.refused_by_venue").count() == 1


def test_one_answer_that_cannot_be_stored_keeps_none_of_the_others_back(
    desk: LiveDesk, account: Account, outcome: Outcome, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [desk.order(account, outcome, price=p, size="20", now=now) for p in ("0.03", "0.04")]
    made = claims(orders, now)
    sizes: list[int] = []

    def store(account_id: int, posted: Any, **more: Any) -> Any:
        sizes.append(len(posted))
        if len(posted) > 1:
            raise ValueError("a strange answer")
        return answers_store(account_id, posted, **more)

    monkeypatch.setattr(stages, "answers_store", store)
    said = [answer(K.NOT_PROCESSED, "rate_limited"), answer(K.LIVE)]
    stored = stages.answers_keep(
        account.pk, [sent(claimed, what, now) for claimed, what in zip(made, said, strict=True)], lambda: now
    )
    assert sizes == [2, 1, 1]
    assert list(stored.retry) == [orders[0].pk]
    assert [fresh(order).state for order in orders] == ["signed", "live"]


@pytest.mark.parametrize("trouble", [ValueError("strange"), OperationalError("the database went away")])
def test_a_lone_answer_or_the_databases_own_trouble_leaves_the_order_to_its_lease(  # noqa: PLR0917
    desk: LiveDesk, account: Account, outcome: Outcome, now: datetime, monkeypatch: pytest.MonkeyPatch, trouble: Any
) -> None:
    order = desk.order(account, outcome, now=now)
    posted = [sent(claimed, answer(K.LIVE), now) for claimed in claims([order], now)]
    if isinstance(trouble, OperationalError):
        posted *= 2

    def store(*_: Any, **__: Any) -> Any:
        raise trouble

    monkeypatch.setattr(stages, "answers_store", store)
    with pytest.raises(type(trouble)):
        stages.answers_keep(account.pk, posted, lambda: now)
    assert fresh(order).state == "sending"
    assert lease_expire(order.pk, later(now, 21))
    assert (fresh(order).state, reserved(account)) == ("unknown", True)


def test_balances_that_the_venue_does_not_refresh_hold_nothing_up(  # noqa: PLR0917
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(token_id: str = "") -> None:
        raise VenueUnavailable("busy")

    monkeypatch.setattr(line, "balances_refresh", refuse, raising=False)
    order = desk.order(account, outcome, now=now)
    line.answers = [answer(K.REJECTED, "balance")]
    order_submit(order.pk, now)
    assert fresh(order).state == "signed"
    order_submit(order.pk, later(now, 2))
    assert fresh(order).state == "live"


def test_a_venue_that_takes_orders_again_is_back_to_normal(
    desk: LiveDesk, account: Account, outcome: Outcome, now: datetime
) -> None:
    VenueCondition.objects.update(mode="cancel_only", mode_until=later(now, -1))
    resting(desk, account, outcome, now)
    assert VenueCondition.objects.get().mode == "normal"


def test_the_mode_is_looked_at_once_a_moment(
    desk: LiveDesk, account: Account, outcome: Outcome, now: datetime, settings: Any
) -> None:
    settings.READ_AHEAD_S = 60
    stages._looked.clear()
    resting(desk, account, outcome, now)
    VenueCondition.objects.update(mode="cancel_only", mode_until=later(now, -1))
    resting(desk, account, outcome, now, price="0.04")
    assert VenueCondition.objects.get().mode == "cancel_only", "asked a moment ago"
    stages._looked.clear()


# Unknown outcomes -----------------------------------------------------------------------


def test_an_order_that_is_cancelled_while_its_bytes_are_read_back_does_not_go_again(  # noqa: PLR0917
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = lost(desk, account, outcome, line, now)
    real = unknown.read_back

    def read(*asked: Any) -> Any:
        order_cancel_request(order.pk, "changed", "ada", now)
        return real(*asked)

    monkeypatch.setattr(unknown, "read_back", read)
    assert unknown.account_resolve(account.pk, later(now, 5), order_ids=[order.pk]).claimed == []
    assert (row_of(order).attempt, len(line.sends)) == (1, 1)


def test_an_order_that_was_found_meanwhile_is_neither_quarantined_nor_released(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = resting(desk, account, outcome, now)
    assert unknown._quarantine(order.pk, now=later(now, 700)) is False
    assert unknown._release(order.pk, line, now=later(now, 700)) is False  # type: ignore[arg-type]
    assert (fresh(order).state, reserved(account)) == ("live", True)


def test_a_venue_that_does_not_tell_its_balances_releases_nothing(  # noqa: PLR0917
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = lost(desk, account, outcome, line, now)
    Order.objects.filter(pk=order.pk).update(state=OrderState.QUARANTINED)
    long_ago = int(now.timestamp() * 1000) - 700_000
    OrderSubmission.objects.filter(pk=order.pk).update(empty_reads=3, last_claim_ms=long_ago, next_read_ms=None)

    def refuse(tokens: Any) -> Any:
        raise VenueUnavailable("busy")

    with monkeypatch.context() as patch:
        patch.setattr(line, "balances", refuse, raising=False)
        assert unknown._release(order.pk, line, now=now) is False  # type: ignore[arg-type]
    assert (fresh(order).state, reserved(account)) == ("quarantined", True)
    assert unknown._release(order.pk, line, now=now) is True  # type: ignore[arg-type]
    assert (fresh(order).state, reserved(account)) == ("canceled", False)
