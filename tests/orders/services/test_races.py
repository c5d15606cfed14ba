"""Eight workers on one account: the database decides, so nothing is spent twice (I12) or booked twice (I7)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connections, transaction

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, Usd
from markets.models import Outcome
from orders.models import Account, Fill, Order, Position
from orders.services import kill
from orders.services.accounts import account_lock
from orders.services.execution import order_submit
from orders.services.fills import fill_record
from orders.services.invariants import check_invariants
from orders.services.placement import ReservationError, order_create
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, account_make, micro, order_make, placement, sent_order

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 8


def race(work: Callable[[int], int]) -> list[int]:
    """Run `work` in eight threads that start together; return what each counted."""
    barrier = threading.Barrier(WORKERS)
    counts: list[int] = []
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            barrier.wait(10)
            counts.append(work(number))
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]
    return counts


def attempt(account: Account, outcome: Outcome, side: Side, *, locked: bool) -> bool:
    wanted = placement(outcome, side, "0.50", "5")
    try:
        with transaction.atomic():
            row = account_lock(account.pk) if locked else account
            order_create(account=row, placement=wanted, size=wanted.size, verdict_id=1, now=AT)
    except ReservationError:
        return False
    return True


@pytest.mark.parametrize("locked", [True, False], ids=["under the account's lock", "by the conditional update alone"])
def test_eight_workers_never_reserve_more_cash_than_there_is(locked: bool) -> None:
    account, outcome = account_make("50"), outcome_make(fee_rate_ppm=0)  # enough for 20 orders of 2.50
    made = race(lambda n: sum(attempt(account, outcome, Side.BUY, locked=locked) for _ in range(5)))
    assert sum(made) == Order.objects.count() == 20
    assert Account.objects.get(pk=account.pk).reserved_cash == 50
    assert check_invariants([account.pk]) == []


def test_eight_workers_never_promise_more_shares_than_are_held() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    order = sent_order(account, outcome, price="0.50", size="40")
    record(order, "t1", "40")
    made = race(lambda n: sum(attempt(account, outcome, Side.SELL, locked=True) for _ in range(3)))
    assert sum(made) == 8  # 40 shares, 5 each
    assert Position.objects.get().reserved_size == 40
    assert check_invariants([account.pk]) == []


def test_eight_workers_book_one_trade_once() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    order = sent_order(account, outcome, price="0.50", size="40")
    made = race(lambda n: sum(record(order, f"t{trade}", "5") for trade in range(8)))
    assert sum(made) == Fill.objects.count() == 8
    assert Order.objects.get().state == "filled"
    assert Position.objects.get().size == 40
    assert check_invariants([account.pk]) == []


def test_eight_workers_send_one_order_once() -> None:
    account, outcome = account_make("100"), outcome_make()
    order = order_make(account, outcome)
    made = race(lambda n: order_submit(order.pk, AT))
    assert sum(made) == 1
    assert Order.objects.get().attempts == 1


def record(order: Order, trade_id: str, size: str) -> bool:
    return fill_record(
        order_id=order.pk,
        venue_trade_id=trade_id,
        role="maker",
        price=Price(micro("0.50")),
        size=Shares(micro(size)),
        fee=Usd(0),
        venue_at=AT,
        now=AT,
    ).created


def test_no_order_is_sent_after_the_kill_switch_was_committed() -> None:
    """Ten rounds of senders against one kill (I13): what is SENDING when the kill returns is all there ever is."""
    account, outcome = account_make("1000"), outcome_make(fee_rate_ppm=0)
    for number in range(10):
        ids = [order_make(account, outcome, price="0.10", size="5").pk for _ in range(16)]
        at_kill: list[int] = []

        def work(worker: int, ids: list[int] = ids, at_kill: list[int] = at_kill, number: int = number) -> int:
            if worker == 0:
                time.sleep(0.002 * number)
                kill.kill_set("drill", "ada", AT)
                at_kill.append(Order.objects.filter(pk__in=ids, state="sending").count())
                return 0
            return sum(order_submit(order_id, AT) for order_id in ids[worker - 1 :: 7])

        sent = sum(race(work))
        assert at_kill == [sent]
        assert Order.objects.filter(pk__in=ids, state="abandoned").count() == 16 - sent
        kill.kill_release("drill over", "ada", AT)
    assert check_invariants([account.pk]) == []
