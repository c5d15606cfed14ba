from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from alerts.models import AuditEvent
from markets.domain.answers import AnswerKind
from markets.domain.instruments import Side
from markets.domain.trading import CancelAnswer
from markets.models import Market, Outcome
from markets.venues.base import VenueUnavailable
from orders.models import Account, Order, OrderSubmission, SendAttempt
from orders.services import kill
from orders.services.execution import order_cancel_request, order_submit
from orders.services.invariants import check_invariants
from orders.services.submission import unknown
from orders.services.submission.stages import running_clock
from orders.services.submission.tend import lease_expire, tend
from tests.factories.orders import MANUAL
from tests.live_desk import LiveDesk
from tests.orders.services.submission.conftest import Line, answer

pytestmark = pytest.mark.django_db
K = AnswerKind


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def row_of(order: Order) -> OrderSubmission:
    return OrderSubmission.objects.get(pk=order.pk)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def round_at(at: datetime) -> None:
    tend(at, running_clock(at))


def lost(desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime, **values: object) -> Order:
    """Return an order whose request was lost on its way: unknown here, never seen there."""
    order = desk.order(account, outcome, now=now, **values)  # type: ignore[arg-type]
    line.answers = [answer(K.UNKNOWN, "timed_out")]
    order_submit(order.pk, now)
    assert fresh(order).state == "unknown"
    return order


def test_an_order_whose_answer_was_lost_is_found_by_its_hash(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = desk.order(account, outcome)
    line.lose_answers = 1
    order_submit(order.pk, now)
    assert fresh(order).state == "unknown"
    round_at(later(now, 1))
    assert fresh(order).state == "unknown", "the first read comes two seconds after"
    round_at(later(now, 2.5))
    assert fresh(order).state == "live"
    assert len(line.sends) == 1
    assert row_of(order).next_read_ms is None
    assert check_invariants() == []


def test_an_order_whose_request_was_lost_goes_again_with_the_same_bytes(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = lost(desk, account, outcome, line, now)
    round_at(later(now, 2.5))
    assert line.bodies[0] == line.bodies[1]
    assert fresh(order).state == "live"
    row = row_of(order)
    assert (row.attempt, row.reposts) == (2, 1)
    assert list(SendAttempt.objects.filter(order=order).order_by("number").values_list("answer", flat=True)) == [
        "unknown",
        "live",
    ]
    assert check_invariants() == []


def test_the_same_order_twice_at_the_venue_is_one_order(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = desk.order(account, outcome)
    line.lose_answers, line.blind = 1, True  # it arrived, and reads lag behind
    order_submit(order.pk, now)
    round_at(later(now, 2.5))
    assert len(line.sends) == 2
    assert (fresh(order).state, row_of(order).last_code) == ("live", "duplicated")
    line.blind = False
    assert len([o for o in line.inner.open_orders() if o.order_id == row_of(order).order_hash]) == 1


def test_a_refusal_of_the_second_copy_proves_nothing_about_the_first(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = lost(desk, account, outcome, line, now)
    line.answers = [answer(K.REJECTED, "too_small")]
    round_at(later(now, 2.5))
    assert fresh(order).state == "unknown"
    assert Account.objects.get(pk=account.pk).reserved_cash > 0
    assert SendAttempt.objects.get(order=order, number=2).answer == "rejected"


@pytest.mark.parametrize("why", ["fok", "cancelled", "halted", "resolved", "tick", "old", "killed"])
def test_what_is_not_wanted_any_more_never_goes_again(  # noqa: PLR0917
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime, why: str
) -> None:
    values = {"order_type": "fok"} if why == "fok" else {}
    order = lost(desk, account, outcome, line, now, **values)
    match why:
        case "cancelled":
            order_cancel_request(order.pk, "changed", "ada", now)
        case "halted":
            Account.objects.filter(pk=account.pk).update(trading_state="halted")
        case "resolved":
            Market.objects.filter(pk=outcome.market_id).update(state="resolved")
        case "tick":
            Market.objects.filter(pk=outcome.market_id).update(tick="0.001")
        case "old":
            Order.objects.filter(pk=order.pk).update(created_at=later(now, -700))
        case "killed":
            kill.kill_set("drill", "ada", now)
    line.blind = True
    row = OrderSubmission.objects.select_related("order__account", "order__market").get(pk=order.pk)
    assert unknown.is_wanted(row.order, row, now=later(now, 2.5)) is (why == "killed")
    for at_s in (2.5, 6, 11, 21, 30, 41):
        round_at(later(now, at_s))
    assert len(line.sends) == 1
    assert line.cancels, "its end is asked for instead"
    assert fresh(order).state == "unknown", "a venue that knows nothing of it proves nothing"
    assert Account.objects.get(pk=account.pk).reserved_cash > 0


def test_an_order_that_a_newer_one_replaces_is_not_wanted(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = lost(desk, account, outcome, line, now)
    row = OrderSubmission.objects.select_related("order__account", "order__market").get(pk=order.pk)
    assert unknown.is_wanted(row.order, row, now=later(now, 2)) is True
    newer = desk.order(account, outcome, price="0.06")
    assert unknown.is_wanted(row.order, row, now=later(now, 2)) is False
    assert order_submit(newer.pk, later(now, 3)) is False  # nothing leaves beside an unknown one
    assert unknown.is_wanted(row.order, row, now=later(now, 4)) is True


def test_no_cancel_overtakes_a_copy_that_may_still_be_under_way(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = lost(desk, account, outcome, line, now)
    order_cancel_request(order.pk, "changed", "ada", later(now, 1))
    round_at(later(now, 6))
    assert line.cancels == []
    round_at(later(now, 21))
    assert line.cancels == [[row_of(order).order_hash]]


def test_a_kill_does_not_wait_for_copies(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = lost(desk, account, outcome, line, now)
    kill.kill_set("drill", "ada", now)
    order_cancel_request(order.pk, "kill switch", "ada", later(now, 1))
    round_at(later(now, 1.5))
    assert line.cancels == [[row_of(order).order_hash]]


def test_a_read_that_failed_is_no_read(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = lost(desk, account, outcome, line, now)
    line.broken = VenueUnavailable("nobody home")
    round_at(later(now, 2.5))
    assert (row_of(order).reads, len(line.sends)) == (0, 1)
    line.broken = None
    round_at(later(now, 8))
    assert fresh(order).state == "live"


def test_what_is_found_nowhere_is_quarantined_and_keeps_its_money(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = lost(desk, account, outcome, line, now, order_type="fok")
    line.blind = True
    for at_s in (2.5, 6, 11, 21, 41, 72, 102, 121):
        round_at(later(now, at_s))
    assert fresh(order).state == "quarantined"
    assert Account.objects.get(pk=account.pk).reserved_cash > 0
    event = AuditEvent.objects.get(kind="order.quarantined")
    assert event.severity == "critical"


def test_a_quarantined_order_is_released_long_after_its_last_byte_when_every_balance_is_explained(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = quarantined(desk, account, outcome, line, now)
    for at_s in (601, 632, 663):
        assert fresh(order).state == "quarantined"
        round_at(later(now, at_s))
    assert fresh(order).state == "canceled"
    assert Account.objects.get(pk=account.pk).reserved_cash == 0
    assert check_invariants() == []


def test_a_gap_in_the_balances_keeps_it(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = quarantined(desk, account, outcome, line, now)
    desk.exchange.control("faucet", address=account.wallet_address, amount="1")
    for at_s in (601, 632, 663, 694):
        round_at(later(now, at_s))
    assert fresh(order).state == "quarantined"


def test_a_quarantined_order_that_shows_up_after_all_is_ours_again(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = desk.order(account, outcome, now=now)
    line.lose_answers, line.blind = 1, True
    order_submit(order.pk, now)
    order_cancel_request(order.pk, "changed", "ada", now)
    line.cancel_answers = [CancelAnswer(unknown=True)] * 20
    for at_s in (2.5, 6, 11, 21, 41, 72, 102, 121):
        round_at(later(now, at_s))
    assert fresh(order).state == "quarantined"
    line.blind, line.cancel_answers = False, []
    round_at(later(now, 160))
    assert fresh(order).state == "live"


def test_the_fills_of_an_unknown_order_are_booked_and_end_it(desk: LiveDesk, account: Account, line: Line) -> None:
    now = timezone.now()
    outcome = takeable(desk)
    price = desk.book(outcome)[1][0][0]
    order = desk.order(account, outcome, Side.BUY, f"{price / 1e6:.4f}".rstrip("0"), "10", "fok", now=now)
    line.lose_answers = 1
    order_submit(order.pk, now)
    assert fresh(order).state == "unknown"
    round_at(later(now, 2.5))
    assert fresh(order).filled_size > 9
    assert fresh(order).state in ("filled", "matched")
    assert len(line.sends) == 1
    assert check_invariants() == []


def test_a_silent_sender_makes_the_order_unknown_after_its_lease(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    from orders.services.submission.stages import claims_make

    order = desk.order(account, outcome, now=now)
    assert len(claims_make(account.pk, [order.pk], lambda: now).claimed) == 1
    assert lease_expire(order.pk, later(now, 19)) is False
    round_at(later(now, 20.5))
    assert (fresh(order).state, fresh(order).state_reason) == ("unknown", "no answer within the lease")
    assert order_submit(order.pk, later(now, 21)) is False
    assert line.sends == []


def test_an_unsent_order_is_sent_by_the_round(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    order = desk.order(account, outcome, now=now, origin=MANUAL)
    round_at(later(now, 1))
    assert fresh(order).state == "reserved", "the process that approved it has its chance first"
    round_at(later(now, 4))
    assert fresh(order).state == "live"


def quarantined(desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime) -> Order:
    order = lost(desk, account, outcome, line, now, order_type="fok")
    for at_s in (2.5, 6, 11, 21, 41, 72, 102, 121):
        round_at(later(now, at_s))
    assert fresh(order).state == "quarantined"
    return order


def takeable(desk: LiveDesk) -> Outcome:
    """Return an outcome with an ask that may be taken."""
    for outcome in desk.outcomes():
        bids, asks = desk.book(outcome)
        if bids and asks and 200_000 < asks[0][0] < 800_000 and asks[0][1] >= 20_000_000:
            return outcome
    raise AssertionError("no book to trade in")
