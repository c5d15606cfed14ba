"""History past its time goes in bounded batches; what must be kept for ever stays."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from markets import tasks
from markets.models import Candle, MarketSnapshot, TradePrint
from markets.services import retention
from markets.services.compaction import candles_compact
from markets.services.retention import history_prune
from tests.factories.markets import AT, outcome_make

pytestmark = pytest.mark.django_db
NOW = AT


def days(count: float) -> datetime:
    return NOW - timedelta(days=count)


def trade_at(outcome_id: int, at: datetime) -> None:
    TradePrint.objects.create(
        outcome_id=outcome_id, at=at, side="BUY", price="0.5", size=1, digest=f"{outcome_id}{at.timestamp()}"
    )


def minute_at(outcome_id: int, at: datetime, period_s: int = 60) -> None:
    Candle.objects.create(
        outcome_id=outcome_id, opens_at=at, period_s=period_s, open="0.5", high="0.5", low="0.5", close="0.5"
    )


def test_each_kind_goes_when_its_time_is_over() -> None:
    outcome = outcome_make().pk
    for age in (89, 91, 400):
        trade_at(outcome, days(age))
    for age in (1, 364, 366):
        minute_at(outcome, days(age))
        MarketSnapshot.objects.create(outcome_id=outcome, at=days(age))
    candles_compact(now=NOW)
    assert history_prune(now=NOW) == {"trades": 2, "one-minute candles": 1, "snapshots": 1}
    assert history_prune(now=NOW) == {"trades": 0, "one-minute candles": 0, "snapshots": 0}
    assert TradePrint.objects.get().at == days(89)
    assert Candle.objects.filter(period_s=60).count() == 2
    assert Candle.objects.filter(period_s=300).count() == 3  # kept for ever


def test_minutes_that_no_coarser_candle_holds_are_kept_however_old() -> None:
    outcome = outcome_make().pk
    minute_at(outcome, days(500))
    assert history_prune(now=NOW) == {"trades": 0, "snapshots": 0}
    assert Candle.objects.count() == 1


def test_compaction_after_retention_makes_nothing_smaller() -> None:
    outcome = outcome_make().pk
    for age in (370, 366, 3):
        minute_at(outcome, days(age))
    candles_compact(now=NOW)
    before = list(Candle.objects.exclude(period_s=60).order_by("pk").values())
    history_prune(now=NOW)
    candles_compact(now=NOW)
    assert list(Candle.objects.exclude(period_s=60).order_by("pk").values()) == before


def test_it_works_in_batches_says_how_far_it_is_and_stops_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    outcome = outcome_make().pk
    for n in range(5):
        trade_at(outcome, days(100 + n))
    said: list[str] = []
    assert history_prune(now=NOW, progress=said.append, until=lambda: len(said) == 1) == {"trades": 2}
    assert said == ["2 trades from before 2026-08-22 deleted"]
    assert TradePrint.objects.order_by("at").first().at == days(102)  # type: ignore[union-attr]
    tasks.prune_history()
    assert not TradePrint.objects.exists()


def test_the_command_does_both_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    outcome = outcome_make().pk
    minute_at(outcome, days(2).replace(hour=1))
    trade_at(outcome, days(100))
    out = StringIO()
    call_command("tidy_history", stdout=out)
    assert "candles written: 3; deleted: 1 trades" in out.getvalue()
