"""What the pages and the API say of the rate budget equals what the scripts would grant; waiting rows are counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from redis import Redis
from rest_framework.test import APIClient

from alerts.services.health import heartbeat_record
from orders.domain.lifecycle import Environment, OrderState
from orders.models import Account, Order
from orders.selectors.rate_budget import rate_figures_get, sender_load_get, waiting_get
from orders.services import rate_budget
from tests.factories.markets import outcome_make
from tests.factories.orders import account_make, order_make, venue_account_make

pytestmark = pytest.mark.django_db
SIGNER = "0x" + "ab" * 20


@pytest.fixture(autouse=True)
def store(settings: Any) -> Iterator[Redis]:
    client = Redis.from_url(settings.ORDERS_REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture
def account() -> Account:
    return venue_account_make(Environment.SANDBOX, signer_address=SIGNER, cash=Decimal(1000))


def test_what_is_shown_is_what_would_be_granted(account: Account) -> None:
    for _ in range(25):
        assert rate_budget.take("polymarket", SIGNER, "order") == 0.0
    rate_budget.owe("polymarket", SIGNER, 200)
    (venue,) = rate_figures_get([account.pk])
    (key,) = venue.keys
    assert (key.signer, key.accounts) == (SIGNER, (account.name,))
    assert 35 <= key.order.left < 45 and -80 <= key.cancel.left < -60
    assert rate_budget.take("polymarket", SIGNER, "order", int(key.order.left)) == 0.0
    assert rate_budget.take("polymarket", SIGNER, "order", 40) > 0
    windows = {window.name: window for window in venue.windows}
    assert windows["clob"].used == windows["order_post:600"].used == 25
    assert windows["clob"].left_for_orders == 6_480 - 25 and windows["order_delete:10"].used == 0
    assert abs((timezone.now() - venue.read_at).total_seconds()) < 5  # type: ignore[operator]


def test_a_paper_account_asks_no_venue() -> None:
    paper = account_make("1000")
    assert rate_figures_get([paper.pk]) == [] and waiting_get([paper.pk]) == []


def test_without_redis_the_reason_is_told(account: Account, settings: Any) -> None:
    settings.ORDERS_REDIS_URL = "redis://127.0.0.1:1/4"
    (venue,) = rate_figures_get([account.pk])
    assert venue.read_at is None and venue.problem and not venue.keys


def test_what_waits_is_counted_with_the_age_of_the_oldest(account: Account) -> None:
    now, outcome = timezone.now(), outcome_make()
    states = [(OrderState.RESERVED, 9), (OrderState.SIGNED, 4), (OrderState.SENDING, 3), (OrderState.UNKNOWN, 70)]
    for state, age in [*states, (OrderState.LIVE, 99), (OrderState.FILLED, 99)]:
        at = now - timedelta(seconds=age)
        order = order_make(account, outcome, now=at)
        asked = now - timedelta(seconds=2) if state is OrderState.LIVE else None
        Order.objects.filter(pk=order.pk).update(state=state, created_at=at, sent_at=at, cancel_requested_at=asked)
    (found,) = waiting_get([account.pk])
    assert (found.prepared, found.sending, found.unknown, found.cancels) == (2, 1, 1, 1)
    assert found.prepared_since == now - timedelta(seconds=9) and found.sending_since == now - timedelta(seconds=3)
    assert found.cancels_since == now - timedelta(seconds=2)


def test_an_account_with_nothing_waiting_is_listed_too(account: Account) -> None:
    (found,) = waiting_get([account.pk])
    assert (found.prepared, found.sending, found.unknown, found.cancels, found.prepared_since) == (0, 0, 0, 0, None)


def test_the_senders_load_is_the_traders_last_word() -> None:
    assert sender_load_get() is None
    heartbeat_record("queue:trading", details={"process": "trader"})
    assert sender_load_get() is None  # a trader without senders
    at = datetime(2026, 11, 20, tzinfo=UTC)
    figures = {"senders_waiting": 3, "senders_posting": 2, "senders_answers": 1, "senders_refused": 0}
    heartbeat_record("queue:trading", details=figures, now=at)
    load = sender_load_get()
    assert load is not None and (load.at, load.waiting, load.posting, load.answers, load.refused) == (at, 3, 2, 1, 0)


def test_the_api_tells_the_caller_of_their_own_accounts(account: Account) -> None:
    client = APIClient()
    client.force_authenticate(account.owner)
    rate_budget.take("polymarket", SIGNER, "order")
    body = client.get("/api/v1/rate-budget").json()["data"]
    assert body["venues"][0]["keys"][0]["order"]["tier"] == "standard" and body["senders"] is None
    assert [w["account"] for w in body["waiting"]] == [account.name]
    stranger = APIClient()
    stranger.force_authenticate(account_make("1").owner)
    assert SIGNER not in stranger.get("/api/v1/rate-budget").content.decode()
    assert stranger.get(f"/api/v1/rate-budget?account={account.pk}").status_code == 404
