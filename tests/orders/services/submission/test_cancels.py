from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

import pytest
from django.utils import timezone

from markets.domain.trading import CancelAnswer
from markets.models import Market, Outcome
from orders.models import Account, KillSwitch, Order, OrderSubmission, SendAttempt
from orders.services import keyholder, kill
from orders.services.execution import cancel_all, cancel_market, order_cancel_request, orders_submit
from orders.services.invariants import check_invariants
from orders.services.submission import killing
from orders.services.submission.stages import running_clock
from orders.services.submission.tend import tend
from orders.services.sweep import orders_sweep
from tests.live_desk import LiveDesk
from tests.orders.services.submission.conftest import Line, dear_outcomes

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def resting(desk: LiveDesk, account: Account, outcome: Outcome, now: datetime) -> list[Order]:
    orders = [desk.order(account, outcome, price=f"0.0{n}", size="20", now=now) for n in (3, 4, 5)]
    assert orders_submit([order.pk for order in orders], now) == 3
    return orders


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def hashes(orders: list[Order]) -> list[str]:
    return [OrderSubmission.objects.get(pk=order.pk).order_hash for order in orders]


def round_at(at: datetime) -> None:
    tend(at, running_clock(at))


def later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def test_a_confirmed_cancel_ends_the_order_only_when_reads_agree(
    resting: list[Order], account: Account, line: Line, now: datetime
) -> None:
    order = resting[0]
    order_cancel_request(order.pk, "changed", "ada", now)
    round_at(later(now, 1))
    assert line.cancels == [hashes([order])]
    assert (fresh(order).state, OrderSubmission.objects.get(pk=order.pk).ending) == ("live", "canceled")
    assert fresh(order).reserved > 0, "what it matched before its cancel is not known yet"
    for at_s in (2, 8, 19, 30):
        round_at(later(now, at_s))
    assert fresh(order).reserved > 0, "a venue may show a trade half a minute late"
    round_at(later(now, 40))
    assert (fresh(order).state, fresh(order).reserved) == ("canceled", 0)
    assert len(line.cancels) == 1, "a confirmed cancel is not repeated"
    assert check_invariants() == []


def test_many_orders_are_cancelled_in_one_request(
    resting: list[Order], account: Account, line: Line, now: datetime
) -> None:
    assert cancel_all(account.pk, "stop", "ada", now) == 3
    assert cancel_all(account.pk, "stop", "ada", now) == 0
    round_at(later(now, 1))
    assert line.cancels == [hashes(resting)]
    assert line.inner.open_orders() == []
    attempts = SendAttempt.objects.filter(kind="cancel").values_list("order_id", "number", "answer")
    assert sorted(attempts) == [(order.pk, 1, "canceled") for order in resting]


def test_the_orders_of_one_market_are_cancelled_and_no_others(
    desk: LiveDesk, resting: list[Order], account: Account, line: Line, now: datetime
) -> None:
    _, other = islice(dear_outcomes(desk), 2)
    elsewhere = desk.order(account, other, price="0.03", size="20", now=now)
    orders_submit([elsewhere.pk], now)
    assert cancel_market(account.pk, resting[0].market_id, "leave", "ada", now) == 3
    round_at(later(now, 1))
    assert [theirs.order_id for theirs in line.inner.open_orders()] == hashes([elsewhere])


def test_a_cancel_without_an_answer_is_repeated_with_a_growing_pause(
    resting: list[Order], line: Line, now: datetime
) -> None:
    order = resting[0]
    line.cancel_answers = [CancelAnswer(unknown=True, code="timed_out")] * 2
    order_cancel_request(order.pk, "changed", "ada", now)
    for at_s in (1, 1.5, 2.2, 3, 4.5, 5):
        round_at(later(now, at_s))
    assert len(line.cancels) == 3
    numbered = SendAttempt.objects.filter(order=order, kind="cancel").order_by("number")
    assert list(numbered.values_list("number", "answer")) == [(1, "unknown"), (2, "unknown"), (3, "canceled")]


def test_a_refused_cancel_ends_nothing_and_makes_the_order_read(
    resting: list[Order], line: Line, now: datetime
) -> None:
    order = resting[0]
    line.cancel_answers = [CancelAnswer(refused={hashes([order])[0]: "already canceled or matched"})]
    order_cancel_request(order.pk, "changed", "ada", now)
    round_at(later(now, 1))
    assert fresh(order).state == "live"
    assert OrderSubmission.objects.get(pk=order.pk).next_read_ms is not None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tick": "0.001"}, "the market's tick changed"),
        ({"state": "closed"}, "the market closes"),
        ({"closes_at": "soon"}, "the market closes"),
    ],
)
def test_what_a_market_leaves_behind_is_taken_off(
    resting: list[Order], line: Line, now: datetime, change: dict[str, object], reason: str
) -> None:
    Market.objects.filter(pk=resting[0].market_id).update(closes_at=later(now, 7_200))
    assert orders_sweep(later(now, 1)).stopped == 0
    changed = {name: later(now, 50) if value == "soon" else value for name, value in change.items()}
    Market.objects.filter(pk=resting[0].market_id).update(**changed)
    assert orders_sweep(later(now, 2)).stopped == 3
    assert {fresh(order).cancel_reason for order in resting} == {reason}
    assert line.inner.open_orders() == []


def test_a_kill_takes_everything_off_and_is_confirmed_by_three_empty_reads_over_half_a_minute(
    desk: LiveDesk, resting: list[Order], account: Account, line: Line, now: datetime
) -> None:
    foreign, _ = desk.post_foreign(account, resting[0].outcome, price="0.02", size="50")
    kill.kill_set("drill", "ada", now)
    assert orders_sweep(later(now, 1)).killed == 3
    assert line.inner.open_orders() == [], f"the foreign order {foreign} went too"
    for at_s in (11, 21, 29):
        orders_sweep(later(now, at_s))
        assert kill.kill_confirmed() is False
    orders_sweep(later(now, 41))
    assert kill.kill_confirmed() is True
    assert KillSwitch.objects.get().empty_reads >= 3
    assert {fresh(order).state for order in resting} == {"canceled"}


def test_a_kill_is_not_confirmed_while_an_order_may_still_arrive(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, now: datetime
) -> None:
    from orders.services.submission.stages import claims_make

    order = desk.order(account, outcome, now=now)
    assert claims_make(account.pk, [order.pk], lambda: now).claimed
    kill.kill_set("drill", "ada", now)
    for at_s in (1, 11, 21, 31, 41, 51):
        orders_sweep(later(now, at_s))
    assert fresh(order).state == "unknown"
    assert kill.kill_confirmed() is False


def test_an_account_of_another_exchange_is_not_asked_and_holds_no_kill_up(
    desk: LiveDesk, resting: list[Order], account: Account, line: Line, now: datetime
) -> None:
    Order.objects.filter(pk=resting[0].pk).update(state="unknown")
    OrderSubmission.objects.update(unknown_since_ms=1, next_read_ms=1)
    Account.objects.filter(pk=account.pk).update(connection="away", connection_note="elsewhere")
    keyholder.forget(account.pk)  # a desk that moves to another exchange starts anew
    kill.kill_set("drill", "ada", now)
    for at_s in (1, 11, 21, 32):
        orders_sweep(later(now, at_s))
    assert kill.kill_confirmed() is True
    assert (line.cancels, fresh(resting[0]).state) == ([], "unknown")
    with pytest.raises(keyholder.KeyRefused, match="away: elsewhere"):
        keyholder.gateway(account.pk)


def test_an_account_whose_venue_hangs_takes_nothing_from_the_others(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    time, asked = [now], list[tuple[int, float]]()

    def clear(account_id: int, at: datetime) -> bool | None:
        asked.append((account_id, (at - now).total_seconds()))
        time[0] = later(time[0], 15)
        return None if account_id == 1 else True

    monkeypatch.setattr(killing, "account_clear", clear)
    monkeypatch.setattr(killing, "running_clock", lambda _: lambda: time[0])
    assert killing.accounts_clear([1, 2, 3], now) is False
    assert asked == [(1, 0), (2, 15)]
    now = time[0] = later(now, 60)
    asked.clear()
    assert killing.accounts_clear([1, 2, 3], now) is False
    assert asked == [(3, 0), (1, 15)]
