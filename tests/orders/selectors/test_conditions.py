"""Conditions as the tables have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from markets.domain.instruments import MarketState, Side
from markets.models import Block
from orders.domain.lifecycle import Environment
from orders.domain.readiness import send_obstacle
from orders.models import Account, ExternalOrder, HeartbeatState, StreamState, VenueCondition
from orders.selectors.conditions import conditions_get
from tests.factories.markets import outcome_make
from tests.factories.orders import account_make, venue_account_make

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def sandbox() -> Account:
    return venue_account_make("sandbox", reconciled_at=NOW)


def test_a_paper_account_is_trivially_fine() -> None:
    conditions = conditions_get(account_make("100").pk)
    assert conditions.environment is Environment.PAPER
    assert send_obstacle(conditions, side=Side.BUY, marketable=True, now=NOW) == ""


def test_everything_is_read_from_its_table() -> None:
    account = sandbox()
    outcome = outcome_make()
    VenueCondition.objects.create(
        venue="polymarket", environment="sandbox", clock_offset_ms=40, clock_at=NOW, mode="post_only", mode_until=NOW
    )
    VenueCondition.objects.create(venue="polymarket", environment="live", clock_offset_ms=9_999, clock_at=NOW)
    StreamState.objects.create(account=account, last_alive_at=NOW, note="one of two", updated_at=NOW)
    HeartbeatState.objects.create(account=account, wanted=True, last_ok_at=NOW - timedelta(seconds=4))
    ExternalOrder.objects.create(
        account=account, venue_order_id="0x1", state="live", first_seen_at=NOW, last_seen_at=NOW
    )
    ExternalOrder.objects.create(
        account=account, venue_order_id="0x0", state="live", first_seen_at=NOW, last_seen_at=NOW, acknowledged_at=NOW
    )
    Block.objects.create(venue="polymarket", cause="drift", reason="unknown field", created_at=NOW)
    Block.objects.create(venue="polymarket", cause="manual", reason="over", created_at=NOW, lifted_at=NOW)
    Block.objects.create(
        venue="polymarket", market=outcome.market, cause="drift", reason="tick changed", created_at=NOW
    )
    found = conditions_get(account.pk, market_id=outcome.market_id)
    assert (found.clock_offset_ms, found.mode, found.stream_note) == (40, "post_only", "one of two")
    assert found.heartbeat_wanted and found.heartbeat_at == NOW - timedelta(seconds=4)
    assert (found.foreign_orders, found.foreign_order) == (1, "0x1")
    assert (found.venue_block, found.market_block) == ("unknown field", "tick changed")
    assert found.has_market and found.market_state is MarketState.OPEN and not found.has_book


def test_a_market_that_nobody_knows_refuses() -> None:
    account = sandbox()
    VenueCondition.objects.create(venue="polymarket", environment="sandbox", clock_offset_ms=0, clock_at=NOW)
    StreamState.objects.create(account=account, last_alive_at=NOW, updated_at=NOW)
    found = conditions_get(account.pk, market_id=123_456)
    said = send_obstacle(found, side=Side.SELL, marketable=False, now=NOW)
    assert said == "the market is not in the catalogue"


def test_it_takes_few_queries(django_assert_max_num_queries: object) -> None:
    account, outcome = sandbox(), outcome_make()
    with django_assert_max_num_queries(10):  # type: ignore[operator]
        conditions_get(account.pk, market_id=outcome.market_id)
