from __future__ import annotations

from datetime import timedelta

import pytest

from alerts.models import AuditEvent
from markets.domain.instruments import Side
from markets.domain.trading import OrderWord
from orders.domain.readiness import send_obstacle
from orders.models import ExternalOrder
from orders.selectors.conditions import conditions_get
from orders.services.foreign import ForeignError, foreign_acknowledge, foreign_legs_record, foreign_orders_record
from tests.factories.markets import outcome_make
from tests.factories.orders import AT
from tests.factories.venue import leg, live_order, sandbox_account, venue_order

pytestmark = pytest.mark.django_db


def test_a_foreign_order_is_told_once_and_holds_entries_until_it_is_acknowledged() -> None:
    account = sandbox_account()
    mine = live_order(account, outcome_make())
    stranger = venue_order(mine, order_id="0xF0")
    assert foreign_orders_record(account.pk, [stranger, venue_order(mine)], now=AT) == 1
    later = AT + timedelta(seconds=30)
    ended = venue_order(mine, OrderWord.CANCELED, order_id="0xF0")
    assert foreign_orders_record(account.pk, [ended], now=later) == 0
    row = ExternalOrder.objects.get()
    assert (row.venue_order_id, row.state, row.first_seen_at, row.last_seen_at) == ("0xf0", "canceled", AT, later)
    assert AuditEvent.objects.filter(kind="order.foreign", severity="critical").count() == 1
    assert conditions_get(account.pk).foreign_orders == 1
    assert send_obstacle(conditions_get(account.pk), side=Side.BUY, marketable=False, now=AT)
    with pytest.raises(ForeignError, match="say whose order"):
        foreign_acknowledge(row.pk, by="ada", reason=" ", now=later)
    assert foreign_acknowledge(row.pk, by="ada", reason="my phone", now=later)
    assert not foreign_acknowledge(row.pk, by="bob", reason="again", now=later)
    assert conditions_get(account.pk).foreign_orders == 0
    assert ExternalOrder.objects.get().acknowledged_by == "ada"


def test_an_order_known_only_by_its_trade_is_foreign_too() -> None:
    account = sandbox_account()
    mine = live_order(account, outcome_make())
    told = leg(mine, "t1", "3", order_id="0xAA")
    assert foreign_legs_record(account.pk, {"0xaa": told}, now=AT) == 1
    assert foreign_legs_record(account.pk, {"0xaa": told, str(mine.venue_order_id): leg(mine, "t2", "1")}, now=AT) == 0
    assert ExternalOrder.objects.get().facts["trade_id"] == "t1"
    with pytest.raises(ForeignError, match="no foreign order 99"):
        foreign_acknowledge(99, by="ada", reason="?", now=AT)
