"""Ticks on change: who is woken by what, thresholds, gaps, and one tick in flight."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from markets.domain.views import Wake
from markets.tickstore import Batch, TickstoreWriter
from orders.models import Order
from strategies.domain.base import WakeKind
from strategies.models import Decision, StrategyConfig
from strategies.services import runner, states
from strategies.services.runner import TickReport
from strategies.services.waker import Subscriptions, Waker, subscriptions_read
from tests.factories.strategies import desk_make, live_market, pair_publish, strategy_make

BOOK, TRADE = WakeKind.BOOK, WakeKind.TRADE


def _wake(outcome: int, kind: str = "book", mid: int | None = None) -> Wake:
    return Wake(outcome_id=outcome, kind=kind, mid=mid)


def test_a_strategy_is_woken_by_the_kinds_and_outcomes_it_asked_for() -> None:
    wanted = Subscriptions(by_outcome={(5, BOOK): [(1, 0), (2, 0)], (5, TRADE): [(3, 0)]})
    assert wanted.woken([_wake(5)], {}) == {1: BOOK, 2: BOOK}
    assert wanted.woken([_wake(5, "trade")], {}) == {3: TRADE}
    assert wanted.woken([_wake(6), _wake(5, "weather")], {}) == {}


def test_a_book_wakes_only_when_it_moved_by_the_threshold_since_the_last_time() -> None:
    wanted = Subscriptions(by_outcome={(5, BOOK): [(1, 10_000)]})
    last: dict[int, dict[int, int]] = {}
    moves = [500_000, 505_000, 509_000, 510_000, 511_000, 500_000]
    assert [bool(wanted.woken([_wake(5, mid=mid)], last)) for mid in moves] == [True, False, False, True, False, True]


def test_what_arrives_within_the_gap_is_ticked_once_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[int], WakeKind]] = []

    def tick(ids: list[int], *, now: Any, trigger: WakeKind) -> TickReport:
        seen.append((ids, trigger))
        return TickReport(ticked=len(ids))

    monkeypatch.setattr(runner, "tick", tick)
    waker = Waker()
    for clock in (10.0, 10.1, 10.2, 10.3):
        waker._waiting[1] = BOOK
        waker._tick_waiting(clock)
    assert seen == [([1], BOOK), ([1], BOOK)]  # at 10.0 and, for all that came since, at 10.3


def test_one_that_is_being_ticked_elsewhere_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = [{1}, set()]
    monkeypatch.setattr(runner, "tick", lambda ids, **_: TickReport(busy=busy.pop(0)))
    waker = Waker()
    waker._waiting = {1: BOOK, 2: BOOK}
    waker._tick_waiting(10.0)
    assert waker._waiting == {1: BOOK}
    waker._tick_waiting(11.0)
    assert waker._waiting == {}


@pytest.mark.django_db
@pytest.mark.usefixtures("clean")
def test_subscriptions_follow_universes_and_what_strategies_declare() -> None:
    now = timezone.now()
    market = live_market(now=now)
    maker, idle = strategy_make("market_making"), strategy_make("idle")
    for config in (maker, idle):
        states.strategy_start(config.pk, by="test", now=now)
    found = subscriptions_read(now=now)
    yes, no = market.outcomes.order_by("index")
    assert {key for key in found.by_outcome if key[1] is BOOK} == {(yes.pk, BOOK), (no.pk, BOOK)}
    assert found.by_outcome[yes.pk, BOOK] == [(maker.pk, 5_000)]
    assert found.on_fill == {maker.pk}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clean")
def test_a_moved_book_is_answered_with_orders_within_a_second() -> None:
    now = timezone.now()
    market = live_market(now=now)
    pair_publish(market, "0.48", "0.52", now=now)
    parameters = {"half_spread": "0.02", "fair_value": "mid", "volatility_factor": "0"}
    config: StrategyConfig = strategy_make(
        "market_making", account=desk_make(), parameters=parameters, interval_s=3600, now=now
    )
    states.strategy_start(config.pk, by="test", now=now)
    writer = TickstoreWriter(settings.TICKSTORE_URL)
    waker = Waker()
    waker.start()
    try:
        _until(lambda: connection.cursor().execute("SELECT 1") and _leads())
        writer.publish(Batch(wakes=[_wake(market.outcomes.get(index=0).pk, mid=500_000)]))
        _until(lambda: Order.objects.filter(state="sending").count() == 2)
    finally:
        waker.stop()
    assert Decision.objects.get(strategy=config).trigger == "book"
    assert waker.ticks == 1


def _leads() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 0 AND granted")
        return bool(cursor.fetchone()[0])


def _until(true: Any, *, within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if true():
            time.sleep(0.05)
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")
