"""Every ten minutes one row per watched outcome, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from markets import tasks
from markets.domain.views import BookStatus
from markets.models import MarketSnapshot
from markets.services.snapshots import snapshots_record
from markets.services.watch import watch_set
from markets.tickstore import Batch, Tickstore, TickstoreWriter
from tests.factories.markets import AT, book_make, outcome_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def writer() -> Iterator[TickstoreWriter]:
    writer = TickstoreWriter(settings.TICKSTORE_URL)
    writer.redis.flushdb()
    writer.epoch_open(1)
    yield writer
    writer.redis.flushdb()
    writer.redis.close()


def record(now: Any = AT) -> int:
    return snapshots_record(now=now, store=Tickstore(settings.TICKSTORE_URL))


def test_a_watched_book_is_stored_once_in_its_slot(writer: TickstoreWriter) -> None:
    outcome = outcome_make(volume_24h=Decimal(1200), liquidity=Decimal(300))
    watch_set("top", [outcome.pk])
    deep = book_make(outcome.pk, bids=((480_000, 5_000_000), (470_000, 7_500_000)))
    writer.publish(Batch(books={outcome.pk: deep}))
    assert record(AT + timedelta(seconds=30)) == 1
    writer.publish(Batch(books={outcome.pk: book_make(outcome.pk, bid=110_000)}))
    assert record(AT + timedelta(seconds=50)) == 1  # a repeated task
    row = MarketSnapshot.objects.get()
    assert row.at == AT
    assert (row.best_bid, row.best_ask, row.bid_depth, row.ask_depth) == (
        Decimal("0.48"), Decimal("0.52"), Decimal("12.5"), Decimal(100)
    )  # fmt: skip
    assert (row.volume_24h, row.liquidity) == (1200, 300)
    late = AT + timedelta(minutes=10)
    writer.publish(Batch(states={outcome.pk: (BookStatus.LIVE, int(late.timestamp() * 1000))}))
    assert record(late) == 1
    assert MarketSnapshot.objects.count() == 2


def test_books_that_cannot_be_trusted_and_unwatched_ones_are_left_out(writer: TickstoreWriter) -> None:
    stale, old, empty, ours, alone = (outcome_make() for _ in range(5))
    watch_set("top", [o.pk for o in (stale, old, empty, ours)])
    books = {o.pk: book_make(o.pk) for o in (ours, alone)}
    books[stale.pk] = book_make(stale.pk, status=BookStatus.STALE)
    books[old.pk] = book_make(old.pk, confirmed_ms=int(AT.timestamp() * 1000) - 61_000)
    writer.publish(Batch(books=books))
    assert record() == 1
    assert MarketSnapshot.objects.get().outcome_id == ours.pk


def test_many_outcomes_take_few_statements(writer: TickstoreWriter) -> None:
    ids = [outcome_make().pk for _ in range(40)]
    watch_set("top", ids)
    writer.publish(Batch(books={i: book_make(i, ask=None) for i in ids}))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert record() == 40
    assert len(queries) < 10
    assert MarketSnapshot.objects.filter(best_ask=None, ask_depth=0).count() == 40


def test_the_task_runs_without_a_feed(writer: TickstoreWriter) -> None:
    tasks.snapshot_markets()
    assert not MarketSnapshot.objects.exists()
