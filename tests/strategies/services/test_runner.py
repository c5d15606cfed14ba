"""From a book in the tickstore to rows: decision, verdicts, orders; and nothing at all when nothing changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts.models import AuditEvent
from orders.models import Order
from risk.models import RiskVerdict
from strategies.domain.base import WakeKind
from strategies.models import Decision, StrategyConfig, StrategyRun
from strategies.services import states
from strategies.services.counts import COUNTS
from strategies.services.runner import tick
from tests.factories.strategies import desk_make, live_market, pair_publish, strategy_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean")]

MAKER = {"half_spread": "0.02", "volatility_factor": "0", "inventory_skew": "0", "fair_value": "mid"}


def _running(strategy_class: str = "market_making", **values: Any) -> tuple[StrategyConfig, Any, datetime]:
    now = timezone.now()
    account = desk_make()
    market = live_market(now=now)
    pair_publish(market, "0.48", "0.52", now=now)
    values.setdefault("parameters", MAKER if strategy_class == "market_making" else {})
    config = strategy_make(strategy_class, account=account, now=now, **values)
    states.strategy_start(config.pk, by="test", now=now)
    return config, market, now


def test_a_book_becomes_a_decision_verdicts_and_submitted_orders() -> None:
    config, market, now = _running()
    report = tick([config.pk], now=now, trigger=WakeKind.BOOK)
    assert (report.ticked, report.decided, report.failed) == (1, 1, 0)
    decision = Decision.objects.get(strategy=config)
    assert decision.trigger == "book"
    assert [(w["side"], w["price"], w["size"]) for w in decision.wanted] == [
        ("buy", "0.48", "20"),
        ("buy", "0.48", "20"),
    ]
    orders = list(Order.objects.order_by("id"))
    yes, no = market.outcomes.order_by("index")
    assert [(o.outcome_id, o.side, str(o.price)) for o in orders] == [
        (yes.pk, "buy", "0.480000"),
        (no.pk, "buy", "0.480000"),  # not held, so the ask at 0.52 is a bid for NO at 0.48
    ]
    assert {o.state for o in orders} == {"sending"}
    assert {o.decision_id for o in orders} == {decision.pk}
    assert {o.origin_run_id for o in orders} == {StrategyRun.objects.get(strategy=config).pk}
    assert RiskVerdict.objects.filter(decision="approved", decision_id=decision.pk).count() == 2
    assert decision.outcome == "2 placed"


def test_a_repeated_tick_places_nothing_and_writes_nothing() -> None:
    config, _, now = _running()
    tick([config.pk], now=now)
    before = (Order.objects.count(), RiskVerdict.objects.count(), Decision.objects.count(), AuditEvent.objects.count())
    with CaptureQueriesContext(
        connection,
    ) as queries:
        report = tick([config.pk], now=now + timedelta(seconds=1))
    assert (report.ticked, report.unchanged, report.decided) == (1, 1, 0)
    written = [q["sql"] for q in queries if q["sql"].split()[0] in ("INSERT", "UPDATE", "DELETE")]
    assert written == []
    assert before == (
        Order.objects.count(), RiskVerdict.objects.count(), Decision.objects.count(), AuditEvent.objects.count()
    )  # fmt: skip
    COUNTS.flush(now)
    run = StrategyRun.objects.get(strategy=config)
    assert (run.ticks, run.unchanged) == (2, 1)
    config.refresh_from_db()
    assert config.last_outcome == "2 quotes rest"
