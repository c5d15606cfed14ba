"""Coarser candles are made whole from finer ones; a repeated or interrupted run changes nothing."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from markets import tasks
from markets.models import Candle
from markets.services.compaction import candles_compact, compacted_until
from tests.factories.markets import outcome_make

pytestmark = pytest.mark.django_db
DAY = datetime(2026, 11, 18, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def minutes_make(outcome_id: int, start: datetime, closes: Iterable[int], *, every: int = 1) -> None:
    """One-minute candles from `start`, each closing at so many cents and opening at the close before."""
    rows, before = [], None
    for n, close in enumerate(closes):
        opened = close if before is None else before
        rows.append(
            Candle(
                outcome_id=outcome_id,
                opens_at=start + timedelta(minutes=n * every),
                open=cents(opened),
                high=cents(max(opened, close)),
                low=cents(min(opened, close)),
                close=cents(close),
                volume=n,
                trades=1,
            )
        )
        before = close
    Candle.objects.bulk_create(rows)


def cents(value: int) -> Decimal:
    return Decimal(value) / 100


def candles(period_s: int) -> list[tuple[Any, ...]]:
    fields = ("outcome_id", "opens_at", "open", "high", "low", "close", "volume", "trades")
    return list(Candle.objects.filter(period_s=period_s).order_by("outcome_id", "opens_at").values_list(*fields))


def test_five_minutes_worked_out_by_hand() -> None:
    outcome = outcome_make()
    minutes_make(outcome.pk, DAY, [50, 55, 41, 47, 49, 60])
    assert candles_compact(now=NOW) == 2 + 1 + 1
    assert candles(300) == [
        (outcome.pk, DAY, cents(50), cents(55), cents(41), cents(49), Decimal(10), 5),
        (outcome.pk, DAY + timedelta(minutes=5), cents(49), cents(60), cents(49), cents(60), Decimal(5), 1),
    ]
    (hour,), (day,) = candles(3_600), candles(86_400)
    assert hour == day == (outcome.pk, DAY, cents(50), cents(60), cents(41), cents(60), Decimal(15), 6)


def test_the_running_period_waits_until_it_is_over() -> None:
    outcome = outcome_make()
    minutes_make(outcome.pk, NOW - timedelta(minutes=20), [50] * 20)
    candles_compact(now=NOW)
    assert [row[1] for row in candles(300)] == [NOW - timedelta(minutes=m) for m in (20, 15, 10)]
    assert not candles(3_600) and not candles(86_400)


def test_random_weeks_equal_a_plain_rebuild_however_often_it_runs() -> None:
    rng = random.Random(7)
    ids = [outcome_make().pk for _ in range(3)]
    for outcome_id in ids:
        start = DAY - timedelta(days=rng.randint(3, 9), minutes=rng.randint(0, 1440))
        minutes_make(outcome_id, start, (rng.randint(1, 99) for _ in range(400)), every=rng.choice((1, 3, 17)))
    candles_compact(now=NOW)
    for period_s in (300, 3_600, 86_400):
        groups: dict[tuple[int, datetime], list[tuple[Any, ...]]] = {}
        for row in candles(60):
            opens = datetime.fromtimestamp(row[1].timestamp() // period_s * period_s, tz=UTC)
            groups.setdefault((row[0], opens), []).append(row)
        assert candles(period_s) == [
            (i, at, rows[0][2], max(r[3] for r in rows), min(r[4] for r in rows), rows[-1][5], sum(r[6] for r in rows),
             sum(r[7] for r in rows))
            for (i, at), rows in groups.items() if at + timedelta(seconds=period_s) <= NOW - timedelta(minutes=5)
        ]  # fmt: skip
    assert candles_compact(now=NOW) == 0


def test_an_interrupted_run_goes_on_where_it_ended() -> None:
    outcome = outcome_make()
    minutes_make(outcome.pk, DAY - timedelta(days=4), range(1, 90), every=60)
    said: list[str] = []
    runs = 0
    while candles_compact(now=NOW, progress=said.append, until=lambda: len(said) % 3 == 0):
        runs += 1
        assert runs < 50
    assert len(candles(300)) == 89 and len(candles(3_600)) == 89 and len(candles(86_400)) == 4
    assert runs > 2 and said[0].startswith("candles of 5 min up to 2026-11-14 06:00")


def test_minutes_that_came_late_are_taken_in() -> None:
    outcome = outcome_make()
    minutes_make(outcome.pk, DAY, [50])
    candles_compact(now=NOW)
    minutes_make(outcome.pk, DAY + timedelta(minutes=1), [70])
    assert candles_compact(now=NOW) == 3
    assert candles(300)[0][3:] == (cents(70), cents(50), cents(70), Decimal(0), 2)


def test_nothing_is_safe_to_delete_before_it_was_compacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    outcome = outcome_make()
    minutes_make(outcome.pk, DAY, [50])
    assert compacted_until() is None
    tasks.compact_candles()
    assert compacted_until() == DAY - timedelta(days=2)
