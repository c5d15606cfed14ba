"""The picture of a review has the conditions, blocks and permits that its account needs."""

from __future__ import annotations

import pytest

from markets.models import Block
from orders.domain.lifecycle import Environment
from orders.selectors.portfolio import portfolio_get
from risk.domain.context import GateContext, origin_ref
from risk.selectors.picture import context_get
from tests.factories.markets import AT, market_make
from tests.factories.orders import MANUAL, ORIGIN, account_make, placement, venue_account_make

pytestmark = pytest.mark.django_db


def picture(environment: str) -> GateContext:
    market = market_make()
    other = market_make()
    for blocked in (market, other):
        Block.objects.create(venue="polymarket", market=blocked, cause="drift", reason="fee", created_at=AT)
    Block.objects.create(venue="polymarket", cause="drift", reason="new field", created_at=AT)
    account = account_make("100") if environment == "paper" else venue_account_make(environment)
    outcome = market.outcomes.get(index=0)
    placements = [placement(outcome, origin=ORIGIN), placement(outcome, origin=MANUAL)]
    found = context_get(portfolio_get(account.pk, {}, now=AT), placements, limits=None, killed=False, now=AT)
    assert found.venue_blocks == {"polymarket": "new field"} and found.market_blocks == {market.pk: "fee"}
    return found


def test_paper_needs_nothing_but_the_blocks() -> None:
    found = picture("paper")
    assert found.conditions is not None and found.conditions.environment is Environment.PAPER
    assert found.permits_missing == {}


def test_a_sandbox_account_has_its_conditions_and_needs_no_permit() -> None:
    found = picture("sandbox")
    assert found.conditions is not None and found.conditions.connection == "ready"
    assert found.permits_missing == {}


def test_a_live_account_needs_a_permit_more_for_a_strategy_than_for_a_person() -> None:
    missing = picture("live").permits_missing
    assert len(missing[origin_ref(ORIGIN)]) == 3 and len(missing[origin_ref(MANUAL)]) == 2
