"""Counters: kept in memory, written together, never lost by a failed write."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from strategies.domain.trace import TraceEntry
from strategies.models import GateCount, StrategyConfig, StrategyRun
from strategies.services import counts
from strategies.services.counts import TickCounts, Ticked
from strategies.services.states import strategy_start
from tests.factories.markets import AT
from tests.factories.strategies import strategy_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean")]
STALE = (TraceEntry("book_stale", False), TraceEntry("quoting", True))


def _started() -> tuple[StrategyConfig, int]:
    config = strategy_make("idle")
    return config, strategy_start(config.pk, by="test", now=AT)


def test_many_ticks_are_written_in_three_statements() -> None:
    (one, run_one), (two, run_two) = _started(), _started()
    kept = TickCounts()
    for second in range(5):
        at = AT + timedelta(seconds=second)
        kept.ticks_add([Ticked(one.pk, run_one, "quiet", STALE, unchanged=True)], now=at)
        kept.ticks_add([Ticked(two.pk, run_two, lambda: "in words", (), failed=second == 0)], now=at)
    with CaptureQueriesContext(connection) as queries:
        kept.flush(AT)
    assert len([q for q in queries if q["sql"].split()[0] in ("INSERT", "UPDATE")]) == 3
    run = StrategyRun.objects.get(pk=run_one)
    assert (run.ticks, run.unchanged, run.errors) == (5, 5, 0)
    assert StrategyRun.objects.get(pk=run_two).errors == 1
    two.refresh_from_db()
    assert (two.ticked_at, two.last_outcome) == (AT + timedelta(seconds=4), "in words")
    assert list(GateCount.objects.values_list("gate", "count")) == [("book_stale", 5)]


def test_counts_of_one_hour_add_up() -> None:
    config, run = _started()
    kept = TickCounts()
    for hour in (0, 0, 1):
        kept.ticks_add([Ticked(config.pk, run, "", STALE)], now=AT + timedelta(hours=hour))
        kept.flush(AT)
    assert list(GateCount.objects.order_by("hour").values_list("count", flat=True)) == [2, 1]


def test_they_are_written_at_most_every_ten_seconds() -> None:
    config, run = _started()
    kept = TickCounts()
    flushed = []
    for second in range(25):
        at = AT + timedelta(seconds=second)
        kept.ticks_add([Ticked(config.pk, run, "", ())], now=at)
        flushed.append(kept.flush_if_due(at))
    assert [second for second, done in enumerate(flushed) if done] == [10, 20]
    assert StrategyRun.objects.get(pk=run).ticks == 21


def test_a_failed_write_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    config, run = _started()
    kept = TickCounts()
    kept.ticks_add([Ticked(config.pk, run, "", STALE)], now=AT)

    def fail(taken: object) -> None:
        raise DatabaseError("gone")

    write = counts._write
    monkeypatch.setattr(counts, "_write", fail)
    with pytest.raises(DatabaseError):
        kept.flush(AT)
    monkeypatch.setattr(counts, "_write", write)
    kept.ticks_add([Ticked(config.pk, run, "", STALE)], now=AT)
    kept.flush(AT)
    assert StrategyRun.objects.get(pk=run).ticks == 2
    assert GateCount.objects.get().count == 2


def test_a_deleted_strategy_stops_nobody_elses_counts() -> None:
    (gone, gone_run), (config, run) = _started(), _started()
    kept = TickCounts()
    kept.ticks_add([Ticked(gone.pk, gone_run, "", STALE), Ticked(config.pk, run, "", STALE)], now=AT)
    gone.delete()
    kept.flush(AT)
    assert StrategyRun.objects.get(pk=run).ticks == 1
    assert GateCount.objects.get().strategy_id == config.pk
