"""Who is due: every interval once, missed seconds made up for once, repeated messages ignored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from strategies import tasks
from strategies.services import dispatch, runner, states
from strategies.services.dispatch import chunks, due_ids
from tests.factories.markets import AT
from tests.factories.orders import account_make
from tests.factories.strategies import strategy_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean")]


def _running(**values: Any) -> int:
    config = strategy_make("idle", **values)
    states.strategy_start(config.pk, by="test", now=AT)
    return int(config.pk)


@pytest.mark.parametrize("interval_s", [1, 2, 5])
def test_each_interval_comes_exactly_once(interval_s: int) -> None:
    pk = _running(interval_s=interval_s)
    due_ids(now=AT)
    found = [due_ids(now=AT + timedelta(seconds=second)) for second in range(1, 10 * interval_s + 1)]
    assert sum(ids == [pk] for ids in found) == 10
    assert sum(ids == [] for ids in found) == 10 * (interval_s - 1)


def test_equal_intervals_are_spread_over_time() -> None:
    pks = [_running(interval_s=5) for _ in range(10)]
    due_ids(now=AT)
    found = [due_ids(now=AT + timedelta(seconds=second)) for second in range(1, 6)]
    assert [len(ids) for ids in found] == [2] * 5
    assert sorted(pk for ids in found for pk in ids) == pks


def test_a_beat_that_is_a_little_early_or_late_skips_nobody() -> None:
    pk = _running(interval_s=1)
    beats = [0.01, 0.99, 2.01, 3.4, 4.02, 4.98]
    assert [due_ids(now=AT + timedelta(seconds=beat)) for beat in beats] == [[pk]] * 6


def test_a_repeated_message_finds_nothing_due() -> None:
    pk = _running(interval_s=1)
    assert due_ids(now=AT) == [pk]
    assert due_ids(now=AT + timedelta(milliseconds=100)) == []
    assert due_ids(now=AT - timedelta(seconds=1)) == []


def test_missed_seconds_are_made_up_for_with_one_tick() -> None:
    pk = _running(interval_s=1)
    due_ids(now=AT)
    assert due_ids(now=AT + timedelta(minutes=10)) == [pk]


def test_losing_redis_costs_one_second_at_most(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pk = _running(interval_s=1)
    due_ids(now=AT)
    dispatch._client(settings.STRATEGIES_REDIS_URL).flushdb()
    assert due_ids(now=AT + timedelta(seconds=1)) == [pk]
    nowhere = dispatch.reads.connection("unix:///nowhere.sock")
    monkeypatch.setattr(dispatch, "_client", lambda url: nowhere)
    assert due_ids(now=AT + timedelta(seconds=2)) == [pk]
    assert due_ids(now=AT + timedelta(seconds=2)) == []


def test_only_what_runs_or_observes_is_due() -> None:
    running = _running(interval_s=1)
    strategy_make("idle", interval_s=1)
    stopped = _running(interval_s=1)
    states.strategy_stop(stopped, by="test", now=AT)
    assert due_ids(now=AT) == [running]


def test_a_pause_that_is_over_ticks_again() -> None:
    pk = _running(interval_s=1)
    states.strategy_pause(pk, by="test", now=AT, until=AT + timedelta(seconds=3))
    assert [due_ids(now=AT + timedelta(seconds=s)) for s in (1, 2, 3)] == [[], [], [pk]]


@pytest.mark.parametrize("mode", ["scrape", "backtest", "server"])
def test_modes_without_strategies_dispatch_nothing(settings: Any, mode: str) -> None:
    _running(interval_s=1)
    settings.POLYBOT_MODE = mode
    assert due_ids(now=AT) == []


def test_ids_share_tasks() -> None:
    assert [len(ids) for ids in chunks(list(range(1200)))] == [500, 500, 200]
    assert chunks([]) == []


def test_the_dispatcher_hands_ids_to_the_tick_task(monkeypatch: pytest.MonkeyPatch) -> None:
    pk, seen = _running(interval_s=1, account=account_make()), []
    monkeypatch.setattr(runner, "tick", lambda ids, **_: seen.append(ids))
    tasks.dispatch_due()
    assert seen == [[pk]]
