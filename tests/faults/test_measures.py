"""Two promises measured: nothing is sent after a kill, and eight processes never overshoot one limit.

`python -m tests.faults.measures kill` and `… race` run them at length and print the figures.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.db.models import Sum
from django.utils import timezone

from alerts.models import AuditEvent
from markets.domain.views import BookStatus, BookView
from orders.domain.intents import Origin, OriginKind
from orders.domain.lifecycle import OPEN, OrderState
from orders.models import Account, KillSwitch, Order, SendAttempt
from orders.selectors import conditions
from orders.services import kill, ownership
from orders.services import sweep as sweeps
from orders.services.invariants import check_invariants
from orders.services.submission.senders import Senders
from risk.selectors import picture
from risk.services import profiles
from risk.services.gate import GateDesk, placements_review
from tests.factories.markets import AT, book_make, outcome_make
from tests.factories.orders import account_make, placement
from tests.live_desk import LiveDesk

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
LONG = os.environ.get("POLYBOT_MEASURE") == "1"
WORKERS = 8
TRIES = 60 if LONG else 12
PACE_HZ = 100
LIMIT = Decimal(100)  # of the conservative profile, in one market


def _race_worker(account_id: int, outcome_id: int, number: int, approved: Any) -> None:
    """One process: asks the gate for orders that together are far above the limit."""
    from markets.models import Outcome

    outcome = Outcome.objects.get(pk=outcome_id)
    origin = Origin(kind=OriginKind.STRATEGY, id=number + 1, label=f"racer {number}")
    for turn in range(TRIES):
        desk = GateDesk(account_id=account_id, origin=origin, clock=lambda: AT)
        wanted = placement(outcome, price=f"0.{40 + (number + turn) % 9}", size="20", origin=origin, key=str(uuid4()))
        placements_review(desk, [wanted], now=AT)
        with approved.get_lock():
            approved.value += len(desk.order_ids)
    connections.close_all()


def test_eight_processes_never_overshoot_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    kill.kill_install()
    profiles.install()
    account, outcome = account_make("1000"), outcome_make(fee_rate_ppm=0)
    profiles.profile_assign(account.pk, "conservative")
    monkeypatch.setattr(picture, "books_read", lambda ids: {i: book_make(i) for i in ids})
    connections.close_all()
    context = multiprocessing.get_context("fork")
    approved = context.Value("i", 0)
    workers = [context.Process(target=_race_worker, args=(account.pk, outcome.pk, n, approved)) for n in range(WORKERS)]
    began = time.monotonic()
    for worker in workers:
        worker.start()
    highest, looks = Decimal(0), 0
    while any(worker.is_alive() for worker in workers):  # every committed state counts, not only the last one
        highest = max(highest, _set_aside(account))
        looks += 1
    for worker in workers:
        worker.join(60)
    took = time.monotonic() - began
    print(
        f"race: {WORKERS} processes, {WORKERS * TRIES} wishes in {took:.1f} s, {approved.value} approved, "
        f"highest of {looks} looks ${highest} of ${LIMIT}"
    )
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    assert highest <= LIMIT
    assert LIMIT * Decimal("0.9") < _set_aside(account) <= LIMIT  # the limit was reached, so it was raced for
    assert Order.objects.count() == approved.value
    assert check_invariants([account.pk]) == []


def _set_aside(account: Account) -> Decimal:
    rows = Order.objects.filter(account=account, state__in=OPEN)
    return rows.aggregate(total=Sum("reserved"))["total"] or Decimal(0)


class _FreshBooks:
    def books_get(self, outcome_ids: Any) -> dict[int, BookView]:
        now_ms = time.time_ns() // 1_000_000
        return {i: BookView(outcome_id=i, confirmed_ms=now_ms, status=BookStatus.LIVE) for i in outcome_ids}


def test_nothing_is_sent_after_a_kill(live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "get_tickstore", _FreshBooks)
    account = live_desk.account("eoa", cash="5000")
    outcome = live_desk.outcome(7)
    wanted = 400 if LONG else 120
    orders = [live_desk.order(account, outcome, price="0.01", size="5").pk for _ in range(wanted)]
    ownership.take(account.pk)
    live_desk.all_well(account)
    pool = Senders()
    pool.start()
    feeding = threading.Event()

    def feed() -> None:
        due = time.monotonic()
        for order_id in orders:
            if feeding.is_set():
                break
            pool.submit(account.pk, [order_id])
            due += 1 / PACE_HZ
            time.sleep(max(0.0, due - time.monotonic()))
        connections.close_all()

    feeder = threading.Thread(target=feed)
    began = time.monotonic()
    feeder.start()
    sends = SendAttempt.objects.filter(order__account=account, kind="post")
    while sends.count() < wanted // 2 and time.monotonic() - began < 30:
        time.sleep(0.02)
    before_s = time.monotonic()
    rate = sends.count() / (before_s - began)
    kill.kill_set("measured", "a test", timezone.now())
    committed = time.monotonic()
    feeder.join(30)
    try:
        _check_kill(live_desk, account, rate=rate, commit_s=committed - before_s, committed=committed)
    finally:
        feeding.set()
        pool.stop(drain_s=5)
        kill.kill_release("measured", "a test", timezone.now())


def _check_kill(desk: LiveDesk, account: Account, *, rate: float, commit_s: float, committed: float) -> None:
    gateway = desk.gateway(account)
    empty_s = confirmed_s = None
    while time.monotonic() - committed < (80 if LONG else 30):
        sweeps.kill_enforce(timezone.now())
        if empty_s is None and not gateway.open_orders():
            empty_s = time.monotonic() - committed
        if KillSwitch.objects.get(pk=1).confirmed_at is not None:
            confirmed_s = time.monotonic() - committed
        if empty_s is not None and (confirmed_s is not None or not LONG):
            break
        time.sleep(1.0)
    event = AuditEvent.objects.filter(kind="risk.killed").latest("id")
    late = AuditEvent.objects.filter(kind="order.submitted", id__gt=event.pk).count()
    sent = SendAttempt.objects.filter(order__account=account, kind="post").count()
    print(
        f"kill: {rate:.0f} sends/s before it, switch committed in {commit_s * 1000:.0f} ms, {late} sends committed "
        f"after it, {sent} sent in all, exchange empty after {empty_s} s, confirmed after {confirmed_s} s"
    )
    assert late == 0
    assert [v for v in check_invariants([account.pk]) if v.invariant == "I13"] == []
    assert empty_s is not None and empty_s <= 30
    assert Order.objects.filter(account=account, state=OrderState.SENDING, attempts=0).count() == 0
    if LONG:
        assert confirmed_s is not None and confirmed_s <= 75
