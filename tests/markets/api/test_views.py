"""The market addresses answer with exact texts, and name what they do not understand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

from markets.domain.instruments import MarketState
from markets.domain.views import BookStatus
from markets.models import Candle, TradePrint
from markets.tickstore import Batch, TickstoreWriter
from tests.factories.markets import AT, book_make, market_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_user("reader", password="x" * 12))
    return client


@pytest.fixture
def writer() -> Iterator[TickstoreWriter]:
    writer = TickstoreWriter(settings.TICKSTORE_URL)
    writer.redis.flushdb()
    writer.epoch_open(1)
    yield writer
    writer.redis.flushdb()
    writer.redis.close()


def get(client: Client, path: str) -> tuple[int, Any]:
    answer = client.get(f"/api/v1/{path}")
    body = answer.json()
    return answer.status_code, body["data"] if answer.status_code < 400 else body["error"]


def test_nobody_reads_without_signing_in() -> None:
    assert get(Client(), "markets")[0] in (401, 403)


def test_markets_are_listed_filtered_and_paged(client: Client) -> None:
    big = market_make(volume_24h=Decimal(900), question="Will it rain?")
    market_make(volume_24h=Decimal(5))
    market_make(state=MarketState.CLOSED)
    status, rows = get(client, "markets?state=open&limit=1")
    assert status == 200 and [r["id"] for r in rows] == [big.pk]
    assert (rows[0]["tick"], rows[0]["fee"]["rate"], [o["label"] for o in rows[0]["outcomes"]]) == (
        "0.010000",
        "0.04",
        ["Yes", "No"],
    )
    assert [r["id"] for r in get(client, "markets?q=rain")[1]] == [big.pk]


@pytest.mark.parametrize(("query", "field"), [("state=shut", "state"), ("order=luck", "order"), ("tag=a b", "tag")])
def test_a_wrong_filter_is_named(client: Client, query: str, field: str) -> None:
    status, error = get(client, f"markets?{query}")
    assert status == 400 and field in error["details"]


def test_one_market_with_its_rules_or_404(client: Client) -> None:
    market = market_make(rules_text="By the book.")
    assert get(client, f"markets/{market.pk}")[1]["rules_text"] == "By the book."
    assert get(client, "markets/999999")[0] == 404


def test_books_say_how_far_they_can_be_trusted(client: Client, writer: TickstoreWriter) -> None:
    market = market_make()
    yes, no = market.outcomes.order_by("index")
    writer.publish(Batch(books={yes.pk: book_make(yes.pk, status=BookStatus.STALE)}))
    _, (first, second) = get(client, f"markets/{market.pk}/book?depth=1")
    assert (first["status"], first["best_bid"], first["mid"], first["bids"]) == (
        "stale",
        "0.48",
        "0.5",
        [{"price": "0.48", "size": "100"}],
    )
    assert (second["outcome_id"], second["status"], second["bids"]) == (no.pk, "missing", [])
    assert get(client, f"markets/{market.pk}/book?depth=0")[0] == 400


def test_candles_are_the_latest_oldest_first(client: Client) -> None:
    market = market_make()
    yes = market.outcomes.get(index=0)
    for n in range(3):
        price = Decimal(n + 1) / 10
        Candle.objects.create(
            outcome=yes, opens_at=AT + timedelta(minutes=n), open=price, high=price, low=price, close=price
        )
    _, rows = get(client, f"markets/{market.pk}/candles?limit=2")
    assert [r["close"] for r in rows] == ["0.200000", "0.300000"]
    assert get(client, f"markets/{market.pk}/candles?period=7m")[0] == 400
    status, error = get(client, f"markets/{market.pk}/candles?outcome=999999")
    assert status == 400 and "outcome" in error["details"]


def test_trades_are_newest_first(client: Client) -> None:
    market = market_make()
    yes = market.outcomes.get(index=0)
    for n in range(2):
        TradePrint.objects.create(
            outcome=yes, at=AT + timedelta(seconds=n), side="buy", price=Decimal("0.5"), size=n + 1, digest=str(n)
        )
    _, rows = get(client, f"markets/{market.pk}/trades")
    assert [r["size"] for r in rows] == ["2.000000", "1.000000"]
