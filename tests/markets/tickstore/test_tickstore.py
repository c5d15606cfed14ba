"""Books, stream, wakes, rings and trades come back from a real Redis as they were published."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.conf import settings

from markets.domain.events import LevelChange, TradePrint
from markets.domain.instruments import Side
from markets.domain.views import BookStatus, BookView, Sample, Wake
from markets.tickstore import Batch, Tickstore, TickstoreUnavailable, TickstoreWriter

NOW_MS = 1_790_000_000_000


@pytest.fixture
def store() -> Iterator[Tickstore]:
    tickstore = Tickstore(settings.TICKSTORE_URL, clock=lambda: NOW_MS / 1000)
    tickstore.redis.flushdb()
    yield tickstore
    tickstore.redis.flushdb()
    tickstore.redis.close()


@pytest.fixture
def writer(store: Tickstore) -> TickstoreWriter:
    writer = TickstoreWriter(settings.TICKSTORE_URL)
    writer.epoch_open(NOW_MS)
    return writer


def view(outcome_id: int, **changes: object) -> BookView:
    values = {"bids": ((480_000, 5_000_000),), "asks": ((520_000, 7_000_000),), "confirmed_ms": NOW_MS, "seq": 3}
    return BookView(outcome_id=outcome_id, **{**values, **changes})


def change(price: int = 480_000) -> LevelChange:
    return LevelChange(token_id="7", side=Side.BUY, price=price, size=1, venue_ms=NOW_MS, received_ns=1)


def test_a_published_book_is_read_back_whole(store: Tickstore, writer: TickstoreWriter) -> None:
    writer.publish(Batch(books={1: view(1), 2: view(2, bids=())}))
    books = store.books_get([1, 2, 3])
    assert books == {1: view(1), 2: view(2, bids=())}
    assert (books[1].mid, books[2].mid, books[1].spread) == (500_000, None, 40_000)


def test_a_later_state_changes_status_and_confirmation_without_the_book(
    store: Tickstore, writer: TickstoreWriter
) -> None:
    writer.publish(Batch(books={1: view(1)}))
    writer.publish(Batch(states={1: (BookStatus.STALE, NOW_MS + 500)}))
    book = store.book_get(1)
    assert book is not None and book.status is BookStatus.STALE and book.confirmed_ms == NOW_MS + 500
    assert not book.is_fresh(NOW_MS + 600, 15_000)


def test_marks_carry_freshness(store: Tickstore, writer: TickstoreWriter) -> None:
    writer.publish(Batch(books={1: view(1), 2: view(2, confirmed_ms=NOW_MS - 16_000)}))
    marks = store.marks_get([1, 2])
    assert marks[1].fresh and not marks[2].fresh
    assert (marks[1].bid, marks[1].ask, marks[1].mid) == (480_000, 520_000, 500_000)


def test_the_stream_keeps_order_and_cursor(store: Tickstore, writer: TickstoreWriter) -> None:
    assert store.stream_head().cursor == "0-0"
    writer.publish(Batch(events=[(1, change(480_000)), (2, change(490_000))]))
    writer.publish(Batch(events=[(1, change(500_000))]))
    read = store.stream_read("0-0")
    assert [[(e.outcome_id, e.event.price) for e in events] for _, events in read.entries] == [
        [(1, 480_000), (2, 490_000)],
        [(1, 500_000)],
    ]
    first_cursor = read.entries[0][0]
    rest = store.stream_read(first_cursor)
    assert (len(rest.entries), rest.gap, rest.epoch) == (1, False, str(NOW_MS))
    assert store.stream_head().cursor == rest.entries[-1][0]


def test_a_lost_batch_is_a_gap_and_a_new_feed_is_a_new_epoch(store: Tickstore, writer: TickstoreWriter) -> None:
    for price in (480_000, 490_000, 500_000):
        writer.publish(Batch(events=[(1, change(price))]))
    cursor = store.stream_read("0-0", count=1).entries[0][0]
    store.redis.xdel("events", f"{NOW_MS}-2")
    assert store.stream_read(cursor).gap
    successor = TickstoreWriter(settings.TICKSTORE_URL)
    successor.epoch_open(NOW_MS - 50)  # a clock that went back
    successor.publish(Batch(events=[(1, change())]))
    last_of_old = store.stream_read(cursor)
    assert last_of_old.epoch == str(NOW_MS)
    assert store.stream_read(last_of_old.entries[-1][0]).epoch == str(NOW_MS + 1)


def test_a_batch_sent_twice_is_in_the_stream_once(store: Tickstore, writer: TickstoreWriter) -> None:
    batch = Batch(events=[(1, change())], books={1: view(1)})
    writer.publish(batch)
    writer._number -= 1  # as if the answer had been lost
    writer.publish(batch)
    assert len(store.stream_read("0-0").entries) == 1


def test_wakes_are_read_once(store: Tickstore, writer: TickstoreWriter) -> None:
    head = store.wakes_head()
    writer.publish(Batch(wakes=[Wake(outcome_id=1, kind="trade", mid=500_000, at_ms=NOW_MS)]))
    cursor, wakes = store.wakes_read(head)
    assert [(w.outcome_id, w.kind, w.mid) for w in wakes] == [(1, "trade", 500_000)]
    assert store.wakes_read(cursor) == (cursor, ())


def test_samples_fill_quiet_seconds_and_leave_gaps(store: Tickstore, writer: TickstoreWriter) -> None:
    at = NOW_MS - 100_000
    writer.publish(Batch(samples=[(1, 9, Sample(at_ms=at, mid=500_000, microprice=501_000, traded=3))]))
    samples = store.samples_get(9, period_s=1, count=120)
    assert samples[0] == Sample(at_ms=at, mid=500_000, microprice=501_000, traded=3)
    assert [s.traded for s in samples[1:3]] == [0, 0]
    assert len(samples) == 36  # the sample, thirty seconds of quiet, five of grace, then a gap


def test_trades_are_newest_first_and_bounded(store: Tickstore, writer: TickstoreWriter) -> None:
    trade = TradePrint(token_id="7", side=Side.SELL, price=500_000, size=2, venue_ms=1, received_ns=1)
    writer.publish(Batch(books={1: view(1)}, trades=[(1, trade)] * 130))
    assert len(store.trades_get(1, 500)) == 100
    assert store.trades_get(1, 1)[0] == trade


def test_an_absent_server_is_a_typed_error(tmp_path: object) -> None:
    lost = Tickstore(f"unix://{tmp_path}/nothing.sock?db=2")
    began = time.monotonic()
    with pytest.raises(TickstoreUnavailable, match="did not answer"):
        lost.books_get([1])
    assert time.monotonic() - began < 2
