"""Facts are exact values of the rows behind them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from markets.domain.instruments import FeeSchedule, MarketState
from markets.selectors import catalogue
from tests.factories.markets import AT, event_make, market_make

pytestmark = pytest.mark.django_db


def test_facts_carry_exact_integers() -> None:
    market = market_make(tick=Decimal("0.001"), minimum_size=Decimal("5"))
    facts = catalogue.market_facts([market.pk])[market.pk]
    assert (facts.tick, facts.minimum_size, facts.state) == (1_000, 5_000_000, MarketState.OPEN)
    assert facts.fee == FeeSchedule(rate_ppm=40_000, exponent=1, rebate_ppm=250_000)
    assert [o.label for o in facts.outcomes] == ["Yes", "No"]


def test_an_unknown_fee_is_no_fee_schedule() -> None:
    market = market_make(fee_known=False)
    assert catalogue.market_facts([market.pk])[market.pk].fee is None


def test_facts_carry_the_rewards_of_resting_orders() -> None:
    market = market_make(
        reward_rate_per_day=Decimal("120"), reward_minimum_size=Decimal("100"), reward_maximum_spread=Decimal("0.035")
    )
    facts = catalogue.market_facts([market.pk])[market.pk]
    assert (facts.reward_rate_per_day, facts.reward_minimum_size) == (120_000_000, 100_000_000)
    assert facts.reward_maximum_spread == 35_000


def test_facts_are_found_by_either_outcome() -> None:
    market = market_make()
    yes, no = market.outcomes.order_by("index")
    found = catalogue.facts_by_outcome([yes.pk, no.pk, 999_999])
    assert set(found) == {yes.pk, no.pk}
    assert found[yes.pk].other(yes.pk).outcome_id == no.pk


def test_a_blocked_market_takes_no_orders() -> None:
    market = market_make(blocked_reason="rules changed")
    assert catalogue.market_facts([market.pk])[market.pk].state is MarketState.PAUSED
    assert market.pk not in catalogue.market_ids_open()


def test_lists_filter_and_order() -> None:
    event = event_make(title="Cup final", slug="cup")
    big = market_make(event=event, volume_24h=Decimal(900))
    small = market_make(event=event, volume_24h=Decimal(10))
    market_make(state=MarketState.CLOSED)
    assert list(catalogue.market_list(text="cup final")) == [big, small]
    assert list(catalogue.market_list(event_slug="cup", order="no such order")) == [big, small]
    assert catalogue.market_list(state=MarketState.CLOSED).count() == 1


def test_resolutions_come_oldest_first_from_the_cursor_on() -> None:
    first = market_make(state=MarketState.RESOLVED, resolved_at=AT)
    second = market_make(state=MarketState.RESOLVED, resolved_at=AT + timedelta(seconds=5))
    for market in (first, second):
        market.outcomes.filter(index=0).update(payout=1)
        market.outcomes.filter(index=1).update(payout=0)
    found = catalogue.resolved_since(AT + timedelta(seconds=5))
    assert [r.market_id for r in found] == [second.pk]
    assert sorted(found[0].payouts.values()) == [0, 1_000_000]
    assert [r.market_id for r in catalogue.resolved_since(None)] == [first.pk, second.pk]
