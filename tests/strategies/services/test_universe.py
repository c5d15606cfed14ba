"""Universes as rows: reasons, differences only, the feed's watch list, and probing for unknown books."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from markets.domain.instruments import Category, MarketState
from markets.models import Watch
from strategies.models import StrategyConfig, UniverseMember
from strategies.services import universe
from strategies.services.states import strategy_start
from tests.factories.markets import event_make
from tests.factories.orders import sent_order
from tests.factories.strategies import OWN, desk_make, live_market, pair_publish, strategy_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean")]


def _started(universe_spec: dict[str, Any], **values: Any) -> StrategyConfig:
    config = strategy_make("idle", parameters={"universe": universe_spec}, **values)
    strategy_start(config.pk, by="test", now=timezone.now())
    config.refresh_from_db()
    return config


def _included(config: StrategyConfig) -> set[int]:
    return set(config.universe.filter(included=True).values_list("market_id", flat=True))


def test_a_new_market_joins_at_the_next_resolution_with_its_reason() -> None:
    now = timezone.now()
    sports = event_make(category=Category.SPORTS)
    first, other = live_market(now=now, event=sports), live_market(now=now)
    config = _started({"tags": ["sports"]})
    assert _included(config) == {first.pk}
    assert config.universe.get(market_id=other.pk).reason == "not selected by markets, events, tags or patterns"
    second = live_market(now=now, event=sports)
    before = config.revision
    assert universe.universe_resolve_all(now=now) == 1
    config.refresh_from_db()
    assert (_included(config), config.revision) == ({first.pk, second.pk}, before + 1)
    assert Watch.objects.filter(reason=f"strategy:{config.pk}").count() == 4


def test_resolving_again_writes_nothing() -> None:
    now = timezone.now()
    for _ in range(3):
        live_market(now=now)
    _started({})
    with CaptureQueriesContext(connection) as queries:
        assert universe.universe_resolve_all(now=now) == 0
    assert [q["sql"] for q in queries if q["sql"].split()[0] in ("INSERT", "UPDATE", "DELETE")] == [
        q["sql"] for q in queries if 'DELETE FROM "markets_watch"' in q["sql"]
    ]


def test_a_closed_market_leaves_unless_something_is_open_there() -> None:
    now = timezone.now()
    account = desk_make()
    left, kept = live_market(now=now), live_market(now=now)
    config = _started({}, account=account)
    origin = OWN.__class__(kind=OWN.kind, id=config.pk, label=config.name)
    sent_order(account, kept.outcomes.get(index=0), origin=origin, now=now)
    for market in (left, kept):
        market.state = MarketState.CLOSED
        market.save()
    universe.universe_resolve_all(now=now)
    assert _included(config) == {kept.pk}


def test_a_market_without_a_book_is_probed_and_judged_next_time() -> None:
    now = timezone.now()
    market = live_market(now=now)
    config = _started({"maximum_spread": "0.05"})
    member = UniverseMember.objects.get(strategy=config)
    assert (member.included, member.reason) == (False, "no two-sided book to measure the spread")
    probe = Watch.objects.get(reason=f"probe:{config.pk}")
    assert probe.outcome_id == market.outcomes.get(index=0).pk
    assert probe.until is not None and probe.until > now + timedelta(minutes=1)
    pair_publish(market, "0.48", "0.52", now=now)
    universe.universe_resolve_all(now=now)
    assert _included(config) == {market.pk}
    assert not Watch.objects.filter(reason=f"probe:{config.pk}").exists()


def test_one_unreadable_strategy_does_not_stop_the_others() -> None:
    now = timezone.now()
    broken, fine = _started({}), _started({})
    StrategyConfig.objects.filter(pk=broken.pk).update(parameters={"gone": 1})
    market = live_market(now=now)
    universe.universe_resolve_all(now=now)
    assert _included(fine) == {market.pk}


def test_thousands_left_out_keep_a_hundred_reasons() -> None:
    now = timezone.now()
    for _ in range(110):
        live_market(now=now)
    config = _started({"maximum": 2})
    assert (config.universe.filter(included=True).count(), config.universe.count()) == (2, 102)
