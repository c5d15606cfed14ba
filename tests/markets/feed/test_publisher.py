"""Redis dies and comes back: nothing that was published twice counts twice, nothing that was kept is lost."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from markets.domain.events import LevelChange
from markets.domain.instruments import Side
from markets.domain.views import BookStatus
from markets.feed import publisher as publisher_module
from markets.feed.publisher import Publisher
from markets.tickstore import Batch, Tickstore, TickstoreUnavailable, TickstoreWriter
from polybot.supervisor import stores
from tests.factories.markets import book_make

NOW = 1_790_000_000_000


@pytest.fixture
def server() -> Iterator[tuple[stores.Store, str]]:
    with tempfile.TemporaryDirectory(prefix="pbt-") as name:
        folder = Path(name)
        store = stores.valkey_store(data=folder, sockets=folder, throwaway=True)
        store.start()
        stores.store_wait(store)
        yield store, f"{stores.store_url(store)[1]}?db=2"
        store.stop()


def batch(n: int) -> Batch:
    change = LevelChange(token_id="7", side=Side.BUY, price=480_000, size=n, venue_ms=NOW, received_ns=1)
    return Batch(books={1: book_make(1, seq=n)}, events=[(1, change)])


def sizes(url: str) -> list[int]:
    store = Tickstore(url)
    read = store.stream_read("0-0")
    store.redis.close()
    assert not read.gap
    return [e.event.size for _, events in read.entries for e in events]  # type: ignore[union-attr]


def open_publisher(url: str) -> Publisher:
    publisher = Publisher(TickstoreWriter(url))
    assert publisher.must_republish
    assert publisher.epoch_open(NOW) == str(NOW)
    return publisher


def test_batches_wait_for_redis_and_keep_their_order(server: tuple[stores.Store, str]) -> None:
    store, url = server
    publisher = open_publisher(url)
    publisher.publish(batch(1), NOW)
    store.stop()
    publisher.publish(batch(2), NOW + 100)
    publisher.publish(batch(3), NOW + 150)
    assert publisher.failing_since_ms == NOW + 100 and "did not answer" in publisher.reason
    store.start()
    stores.store_wait(store)
    publisher.publish(batch(4), NOW + 5_000)
    assert publisher.failing_since_ms == 0
    assert sizes(url)[-3:] == [2, 3, 4]


def test_an_empty_restart_is_noticed_and_said_again_in_a_new_epoch(server: tuple[stores.Store, str]) -> None:
    _, url = server
    publisher = open_publisher(url)
    publisher.publish(batch(1), NOW)
    publisher.status_write({"watched": 1}, NOW)
    assert not publisher.must_republish
    publisher.writer.redis.flushdb()
    publisher.status_write({"watched": 1}, NOW + 2_000)
    assert publisher.must_republish
    assert publisher.epoch_open(NOW + 2_000) == str(NOW + 2_000) and not publisher.must_republish


def test_too_much_waiting_is_given_up_openly(server: tuple[stores.Store, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "MOST_EVENTS_WAITING", 5)
    store, url = server
    publisher = open_publisher(url)
    store.stop()
    for n in range(8):
        publisher.publish(batch(n), NOW + n * 10_000)
    assert publisher.must_republish and len(publisher._waiting) <= 5


def test_batches_without_an_event_are_bounded_too(
    server: tuple[stores.Store, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "MOST_BATCHES_WAITING", 5)
    publisher = open_publisher(server[1])

    def away(self: TickstoreWriter, batch: Batch) -> None:
        raise TickstoreUnavailable("redis did not answer")

    monkeypatch.setattr(TickstoreWriter, "publish", away)
    for n in range(8):
        publisher.publish(Batch(states={1: (BookStatus.LIVE, NOW + n)}), NOW + n)
    assert publisher.must_republish and len(publisher._waiting) <= 5


def test_a_server_that_restarted_is_told_everything_again_even_if_it_kept_some(
    server: tuple[stores.Store, str],
) -> None:
    store, url = server
    publisher = open_publisher(url)
    publisher.publish(batch(1), NOW)
    store.stop()
    store.start()
    stores.store_wait(store)
    publisher.publish(batch(2), NOW + 100)  # accepted: the stream exists again, the quiet books do not
    assert not publisher.must_republish
    publisher.status_write({"watched": 1}, NOW + 200)
    assert publisher.must_republish


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("MISCONF Redis is configured to save RDB snapshots", "redis cannot write to its disk"),
        ("OOM command not allowed", "redis has no memory left"),
    ],
)
def test_a_full_disk_or_memory_is_told_in_plain_words(
    server: tuple[stores.Store, str], monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    publisher = open_publisher(server[1])

    def refuse(self: TickstoreWriter, batch: Batch) -> None:
        raise TickstoreUnavailable(f"redis refused a write: {said}")

    monkeypatch.setattr(TickstoreWriter, "publish", refuse)
    publisher.publish(batch(1), NOW)
    assert publisher.reason.startswith(told)
