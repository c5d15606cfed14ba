"""The record of ticks: what was known and wanted, whole at first and then what changed."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from markets.services.records import Record
from orders.models import Order
from strategies.models import Decision, StrategyConfig, StrategyRun
from strategies.services import states, tick_record
from strategies.services.runner import tick
from tests.factories.strategies import desk_make, live_market, pair_publish, strategy_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean")]
MAKER = {"half_spread": "0.02", "volatility_factor": "0", "inventory_skew": "0", "fair_value": "mid"}


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tick_record, "TICKS", Record(tmp_path, "ticks"))
    monkeypatch.setattr(tick_record, "_last", {})
    return tmp_path


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("ticks/*")) for line in path.read_text().splitlines()]


def _running() -> tuple[StrategyConfig, Any, Any]:
    now = timezone.now()
    market = live_market(now=now)
    pair_publish(market, "0.48", "0.52", now=now)
    config = strategy_make("market_making", account=desk_make(), now=now, parameters=MAKER)
    states.strategy_start(config.pk, by="test", now=now)
    return config, market, now


def test_a_tick_says_what_it_saw_wanted_and_made(record: Path) -> None:
    config, market, now = _running()
    tick([config.pk], now=now)
    tick([config.pk], now=now + timedelta(seconds=1))
    first, second = _lines(record)
    decision = Decision.objects.get(strategy=config)
    orders = list(Order.objects.order_by("pk"))
    assert first["hash"] == second["hash"] == decision.wanted_hash
    assert (first["strategy"], first["run"]) == (config.pk, StrategyRun.objects.get(strategy=config).pk)
    assert first["at"] == int(now.timestamp()) * 1_000_000 + now.microsecond
    assert first["whole"] and set(first["books"]) == {str(o.pk) for o in market.outcomes.all()}
    assert [made[:2] for made in first["made"]] == [[order.pk, str(order.client_key)] for order in orders]
    assert first["orders"] == [] and "made" not in second
    assert [known[0] for known in second["orders"]] == [order.pk for order in orders]
    assert "books" not in second  # they did not change


def test_refusals_and_cancels_are_named(record: Path) -> None:
    config, market, now = _running()
    tick([config.pk], now=now)
    later = now + timedelta(seconds=2)
    pair_publish(market, "0.40", "0.44", now=later)
    tick([config.pk], now=later)
    line = _lines(record)[-1]
    assert line["cancels"] and set(line["books"]) == {str(o.pk) for o in market.outcomes.all()}


def test_nothing_is_written_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick_record, "TICKS", Record(None, "ticks"))
    config, _, now = _running()
    tick([config.pk], now=now)
    assert list(tmp_path.iterdir()) == []
