"""Plans and the heartbeat of an account with real keys at a local exchange: the same code, the whole live path."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from markets.domain.instruments import Side
from orders.domain.drafts import chase_draft
from orders.domain.intents import OrderType
from orders.models import Account, ExecutionPlan, HeartbeatState, Order, StreamState
from orders.services import plans
from orders.services.accounts import account_lock
from orders.services.envelopes import plan_create
from orders.services.heartbeat import heartbeat_beat, heartbeat_set
from tests.factories.markets import book_make
from tests.factories.orders import micro, placement
from tests.factories.strategies import books_publish
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db


def test_a_chase_of_a_sandbox_account_sends_signed_orders(live_desk: LiveDesk) -> None:
    account, outcome = live_desk.account(), live_desk.outcome(3)
    _, asks = live_desk.book(outcome)
    best, facts = min(price for price, _ in asks), live_desk.facts(outcome)
    now = timezone.now()
    fresh = book_make(outcome.pk, ask=best, bid=None, confirmed_ms=int(now.timestamp() * 1000), tick=facts.tick)
    books_publish(fresh)
    worst = (best + 3 * facts.tick) / 1_000_000
    wanted = placement(outcome, Side.BUY, f"{worst:.4f}", "10", order_type=OrderType.FAK, created_at=now)
    draft = chase_draft(wanted, touch=best, tick=facts.tick)
    assert draft is not None
    plan_id = plan_create(
        account=account_lock(account.pk), draft=draft, sizes={wanted.key: micro("10")}, verdict_ids=[1],
        facts={facts.market_id: facts}, by="ada", now=now,
    )  # fmt: skip
    StreamState.objects.update(last_alive_at=now - timedelta(minutes=1))
    assert plans.plan_advance(plan_id, now).order_ids == []  # the user stream is silent: it waits, no step is lost
    StreamState.objects.update(last_alive_at=now)
    plans.plan_advance(plan_id, now)
    (child,) = Order.objects.filter(plan_id=plan_id)
    assert child.price <= wanted.price and child.order_type == "fak"
    assert child.state not in ("reserved", "abandoned"), child.state_reason
    assert child.venue_order_id is not None and child.venue_order_id.startswith("0x")


def test_a_heartbeat_is_chained_at_the_exchange(live_desk: LiveDesk) -> None:
    account: Any = live_desk.account()
    now = timezone.now()
    heartbeat_set(account.pk, wanted=True, by="ada", now=now)
    seen = []
    for beat in range(3):
        assert heartbeat_beat(account.pk, now + timedelta(seconds=beat))
        seen.append(HeartbeatState.objects.get(pk=account.pk).heartbeat_id)
    assert len(set(seen)) == 3
    HeartbeatState.objects.update(heartbeat_id=seen[0], failures=1)  # as if two answers had been lost
    assert heartbeat_beat(account.pk, now + timedelta(seconds=4))
    assert (Account.objects.count(), ExecutionPlan.objects.count()) == (1, 0)
