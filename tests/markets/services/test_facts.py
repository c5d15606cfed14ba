"""Traded markets are confirmed every half minute, and what the venue says otherwise is noted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from markets.domain.instruments import FeeSchedule, MarketState, Venue
from markets.models import Drift, Market, VenueIssue
from markets.services import facts
from markets.services.watch import watch_set
from markets.venues.base import ParseError, TradedFacts, VenueUnavailable
from tests.factories.markets import AT, market_make

pytestmark = pytest.mark.django_db
OLD = AT - timedelta(hours=1)


class Source:
    """Says of every market what the test wants."""

    def __init__(self, **changes: object) -> None:
        self.changes = changes
        self.asked: list[str] = []
        self.fails: Exception | None = None

    def facts_get(self, condition_id: str) -> TradedFacts:
        self.asked.append(condition_id)
        if self.fails:
            raise self.fails
        values = {
            "tick": 10_000, "minimum_size": 5_000_000, "neg_risk": False, "accepting": True,
            "fee": FeeSchedule(rate_ppm=40_000), "token_ids": ("1", "2"),
        }  # fmt: skip
        return TradedFacts(condition_id=condition_id, **{**values, **self.changes})


def traded(**values: object) -> Market:
    market = market_make(synced_at=OLD, **values)
    watch_set("strategy:1", market.outcomes.values_list("pk", flat=True))
    return market


def refresh(source: Source) -> facts.FactsRead:
    return facts.traded_facts_refresh(Venue.POLYMARKET, now=AT, source=source)


def test_only_markets_with_somebody_behind_them_are_asked_for() -> None:
    market = traded()
    background = market_make()
    watch_set("top", background.outcomes.values_list("pk", flat=True))
    source = Source()
    assert refresh(source).confirmed == 1 and source.asked == [market.condition_id]
    assert Market.objects.get(pk=market.pk).synced_at == AT
    assert not Drift.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"fee": FeeSchedule(rate_ppm=50_000)}, "fee"),
        ({"minimum_size": 10_000_000}, "minimum_size"),
        ({"neg_risk": True}, "neg_risk"),
        ({"tick": 1_000}, "tick"),
    ],
)
def test_what_differs_is_a_drift_of_that_market(changes: dict[str, object], field: str) -> None:
    market = traded()
    assert refresh(Source(**changes)).changed == 1
    assert list(Drift.objects.values_list("market_id", "field", "kind")) == [(market.pk, field, "changed_fact")]


def test_a_tick_is_taken_over_at_once() -> None:
    market = traded()
    refresh(Source(tick=1_000))
    assert str(Market.objects.get(pk=market.pk).tick.normalize()) == "0.001"


def test_a_market_that_takes_no_orders_is_paused_at_once() -> None:
    market = traded()
    refresh(Source(accepting=False))
    assert Market.objects.get(pk=market.pk).state == MarketState.PAUSED


@pytest.mark.parametrize(
    "problem", [VenueUnavailable("no answer"), ParseError("mts", "odd", source="rest.clob_market")]
)
def test_a_market_without_an_answer_stays_as_old_as_it_was(problem: Exception) -> None:
    market = traded()
    source = Source()
    source.fails = problem
    assert refresh(source).failed == 1
    assert Market.objects.get(pk=market.pk).synced_at == OLD
    assert VenueIssue.objects.exists() is isinstance(problem, ParseError)
