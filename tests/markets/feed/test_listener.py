"""The whole feed on real Redis and Postgres, against a socket in our hand: it starts, hears, loses, and recovers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from django.conf import settings

from alerts.models import AuditEvent, Heartbeat
from markets.domain.events import BookSnapshot
from markets.domain.instruments import Venue
from markets.domain.views import BookStatus
from markets.feed import freshness
from markets.feed import listener as listener_module
from markets.feed import storage as storage_module
from markets.feed.listener import Listener
from markets.models import Market, Outcome, TradePrint, VenueIssue
from markets.services.watch import watch_set
from markets.tickstore import Tickstore, TickstoreUnavailable
from markets.venues.base import VenueUnavailable
from markets.venues.polymarket.feed import PolymarketFeed
from tests.factories.markets import market_make
from tests.fakes.socket_venue import SocketVenue
from tests.fakes.wire import book, price_change, snapshot, trade

pytestmark = pytest.mark.django_db(transaction=True)


class Books:
    """The venue's REST books: what the test put into `held`; unreachable while that is None."""

    def __init__(self) -> None:
        self.held: dict[str, BookSnapshot] | None = {}

    def books_get(self, token_ids: Sequence[str]) -> Mapping[str, BookSnapshot]:
        if self.held is None:
            raise VenueUnavailable("POST /books: ConnectError: refused")
        return {t: self.held[t] for t in token_ids if t in self.held}


class Scene:
    """A running feed and everything around it."""

    def __init__(self, venue: SocketVenue, outcomes: list[Outcome]) -> None:
        self.venue, self.books = venue, Books()
        self.ids = [o.pk for o in outcomes]
        self.tokens = [o.token_id for o in outcomes]
        self.store = Tickstore(settings.TICKSTORE_URL)
        self.feed = Listener(
            venue=Venue.POLYMARKET,
            protocol=PolymarketFeed(),
            books=self.books,
            url=lambda: venue.url,
            tickstore_url=settings.TICKSTORE_URL,
        )
        self.thread = threading.Thread(target=self.feed.run, daemon=True)

    def status(self, n: int) -> BookStatus | None:
        view = self.store.book_get(self.ids[n])
        return view.status if view else None

    def best_bid(self, n: int) -> int | None:
        view = self.store.book_get(self.ids[n])
        return view.best_bid if view else None


def eventually(holds: Callable[[], Any], *, within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while True:
        try:
            if holds():
                return
        except TickstoreUnavailable:
            pass
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.02)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(storage_module, "_EVERY_S", 0.05)
    monkeypatch.setattr(storage_module, "_WATCH_EVERY_S", 0.1)
    monkeypatch.setattr(listener_module, "_STATUS_S", 0.1)
    monkeypatch.setattr(listener_module, "_CHECKS_S", 0.05)
    for name, ms in (("URGENT_EVERY_MS", 200), ("PATIENCE_MS", 300), ("SNAPSHOT_LIMIT_MS", 1_000)):
        monkeypatch.setattr(freshness, name, ms)  # the real times are kept in test_engine
    outcomes = list(market_make().outcomes.order_by("index"))
    with SocketVenue(lambda tokens: [book(t) for t in tokens]) as venue:
        scene = Scene(venue, outcomes)
        scene.store.redis.flushdb()
        watch_set("strategy:1", scene.ids)
        scene.thread.start()
        yield scene
        scene.feed.stop()
        scene.thread.join(8)
        assert not scene.thread.is_alive()
        scene.store.redis.flushdb()
        scene.store.redis.close()


def test_a_day_in_the_life_of_the_feed(scene: Scene) -> None:
    eventually(lambda: scene.status(0) is BookStatus.LIVE and scene.status(1) is BookStatus.LIVE)
    scene.venue.send(price_change(scene.tokens[0], "0.50", "3"), trade(scene.tokens[0], "0.5", "2", ref="0x1"))
    eventually(lambda: scene.best_bid(0) == 500_000)
    eventually(lambda: TradePrint.objects.count() == 1)
    eventually(lambda: Heartbeat.objects.filter(name="process:feed").exists())
    assert scene.store.trades_get(scene.ids[0])[0].price == 500_000
    eventually(lambda: scene.store.feed_status_get().get("watched") == 2)

    # Whatever arrives, it goes on, and what was not understood is on record.
    scene.venue.send("\x00garbage", {"event_type": "surprise"}, b"\xff\xfe", price_change(scene.tokens[1], "nan", "1"))
    scene.venue.send(price_change(scene.tokens[1], "0.49", "3"))
    eventually(lambda: scene.best_bid(1) == 490_000)
    eventually(lambda: VenueIssue.objects.filter(problem__contains="surprise").exists())

    # The socket breaks: stale at once, live again with the next snapshot.
    epoch = scene.store.stream_head().epoch
    scene.venue.drop()
    eventually(lambda: scene.best_bid(0) == 480_000 and scene.status(0) is BookStatus.LIVE)
    assert scene.store.stream_head().epoch == epoch

    # Redis forgets everything: all of it is said again, under another epoch.
    scene.store.redis.flushdb()
    eventually(lambda: scene.status(0) is BookStatus.LIVE and scene.status(1) is BookStatus.LIVE)
    assert scene.store.stream_head().epoch != epoch

    # The wish list changes: one outcome goes, and its book with it.
    watch_set("strategy:1", scene.ids[:1])
    eventually(lambda: scene.status(1) is None)

    # A market that closes shows it.
    Market.objects.update(state="closed")
    eventually(lambda: scene.status(0) is BookStatus.CLOSED)


def test_a_stall_of_one_market_is_found_reported_and_healed(scene: Scene) -> None:
    eventually(lambda: scene.status(0) is BookStatus.LIVE and scene.status(1) is BookStatus.LIVE)
    moved = {"bid": "0.40", "at_ms": time.time_ns() // 1_000_000}
    scene.books.held = {scene.tokens[0]: snapshot(scene.tokens[0], **moved), scene.tokens[1]: snapshot(scene.tokens[1])}
    scene.venue.silent = True  # a new subscription is not answered either
    eventually(lambda: scene.status(0) is BookStatus.STALE)
    assert scene.status(1) is BookStatus.LIVE
    eventually(lambda: AuditEvent.objects.filter(kind="feed.stale", subject_id=str(scene.ids[0])).exists())
    eventually(lambda: scene.status(0) is BookStatus.POLLED and scene.best_bid(0) == 400_000)
    scene.venue.send([book(scene.tokens[0], **moved)])
    eventually(lambda: scene.status(0) is BookStatus.LIVE)
    eventually(lambda: AuditEvent.objects.filter(kind="feed.recovered").exists())
