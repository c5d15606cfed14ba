"""The feed process: shards and a prober in, one engine, Redis and Postgres out.

One loop owns the engine. It drains the inbox that shards, prober and storage fill, publishes at most
every `_FLUSH_S` (at once when the feed is quiet, so a lone update waits for nothing), and runs the timers.
Nothing that arrives may end it; only `stop` does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Any

from alerts.domain.events import Severity
from markets.domain.instruments import Venue
from markets.domain.views import BookStatus
from markets.feed.engine import Engine
from markets.feed.prober import Probed, Prober
from markets.feed.publisher import Publisher
from markets.feed.recorder import Recorder
from markets.feed.sentinel import Sentinel
from markets.feed.shard import Down, Frames, Shard, Up
from markets.feed.shards import Shards
from markets.feed.storage import Rows, Storage, WatchList
from markets.services.notices import Notice
from markets.tickstore import TickstoreWriter
from markets.venues.base import BookSource, Drifted, FeedProtocol

log = logging.getLogger(__name__)
_FLUSH_S = 0.05
_IDLE_S = 0.2
_CHECKS_S = 0.5
_SAMPLE_S = 0.25
_STATUS_S = 2.0
_DOWN_AFTER_MS = 10_000
_REDIS_DOWN_AFTER_MS = 3_000
_FRESH_MS = 15_000


class Listener:
    def __init__(
        self,
        *,
        venue: Venue,
        protocol: FeedProtocol,
        books: BookSource,
        url: Callable[[], str],
        tickstore_url: str,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        recorder: Recorder | None = None,
        sentinel: Sentinel | None = None,
    ) -> None:
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.engine = Engine(protocol)
        self.publisher = Publisher(TickstoreWriter(tickstore_url))
        self.shards = Shards(lambda number: Shard(number, protocol, url, self.inbox), protocol.assets_per_socket)
        self.prober = Prober(books, self.inbox)
        self.storage = Storage(venue, self.inbox, TickstoreWriter(tickstore_url), self.status)
        self.recorder = recorder
        self.sentinel = sentinel
        self._drifted: list[Drifted] = []
        self._clock_ms = clock_ms
        self._stop = threading.Event()
        self._venue = venue
        self._started_ms = clock_ms()
        self._rate = _Rate()
        self._down: dict[str, str] = {}  # what is reported down, and why
        self._next = {"checks": 0.0, "sample": 0.0, "status": 0.0, "probe": 0.0}
        self._last_flush = 0.0

    def stop(self) -> None:
        """End `run` soon. May be called from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Listen until `stop`."""
        self._open_epoch(self._clock_ms())
        self.prober.start()
        self.storage.start()
        if self.recorder:
            self.recorder.start()
        try:
            while not self._stop.is_set():
                self._turn()
        finally:
            self._shut_down()

    # ---- the loop ---------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._receive()
        now, now_ms = time.monotonic(), self._clock_ms()
        if now - self._last_flush >= _FLUSH_S or self.inbox.empty():
            self._last_flush = now
            self._flush(now_ms)
        for name, every, act in (
            ("checks", _CHECKS_S, self.engine.checks),
            ("sample", _SAMPLE_S, self.engine.sample),
            ("probe", _CHECKS_S, self._probe),
            ("status", _STATUS_S, self._report),
        ):
            if now >= self._next[name]:
                self._next[name] = now + every
                act(now_ms)

    def _receive(self) -> None:
        """Apply what arrives, for one flush interval at most."""
        until = time.monotonic() + _FLUSH_S
        try:
            item = self.inbox.get(timeout=_IDLE_S)
            while True:
                self._apply(item)
                if time.monotonic() >= until:
                    return
                item = self.inbox.get_nowait()
        except Empty:
            return

    def _apply(self, item: Any) -> None:
        try:
            self._applied(item)
        except Exception:  # the feed outlives whatever one item holds; the books it may have cost are probed
            log.exception("feed could not apply %s", type(item).__name__)
            for tracked in self.engine.tracked.values():
                tracked.suspect = True

    def _applied(self, item: Any) -> None:
        now_ms = self._clock_ms()
        if isinstance(item, Frames):
            self._record(item)
            self.engine.frames(item.frames, item.received_ns)
            if self.sentinel is not None:
                self._drifted += self.sentinel.look(item.frames)
        elif isinstance(item, Probed):
            self.prober.idle = True
            self.engine.probed(item.books, item.asked_ms, now_ms)
        elif isinstance(item, WatchList):
            self.engine.watch(item.outcomes, now_ms)
            self.shards.assign({o.token_id for o in item.outcomes.values()})
        elif isinstance(item, Up):
            self.engine.subscribed(item.tokens, now_ms)
        elif isinstance(item, Down):
            self.engine.lost(self.shards.tokens_of(item.shard), now_ms)
            self._record_gap(self.shards.tokens_of(item.shard), item.reason, now_ms)
            log.warning("feed shard %s lost: %s", item.shard, item.reason)

    def _record(self, item: Frames) -> None:
        """Hand frames to the recorder before they change the books: what it opens with is what they follow on."""
        if self.recorder is None:
            return
        conditions = self.engine.condition_ids()
        if self.recorder.wants_books(item.received_ns, conditions):
            self.recorder.begin(item.received_ns, conditions, self.engine.books_text())
        self.recorder.heard(item.received_ns, item.frames)

    def _record_gap(self, tokens: Iterable[str], reason: str, now_ms: int) -> None:
        if self.recorder:
            self.recorder.gap(now_ms * 1_000_000, tokens, reason)

    def _flush(self, now_ms: int) -> None:
        engine, out = self.engine, self.engine.out
        if self.publisher.must_republish:
            self._open_epoch(now_ms)
        engine.flush(now_ms)
        batch = out.take_batch()
        if not self.publisher.must_republish:  # else a new epoch will say all of it again
            self.publisher.publish(batch, now_ms)
        for token in out.take_renewals():
            self.shards.renew(token)
            self._record_gap((token,), "the book was in doubt", now_ms)
        if self.sentinel is not None and out.issues:
            self._drifted += self.sentinel.refused(out.issues)
        if out.trades or out.candles or out.notices or out.issues or out.ticks or self._drifted:
            rows = Rows(
                trades=out.trades,
                candles=out.candles,
                notices=out.notices,
                problems=out.issues,
                ticks=out.ticks,
                drifted=self._drifted,
            )
            self.storage.add(rows)
            out.trades, out.candles, out.notices, out.issues, out.ticks = [], [], [], [], []
            self._drifted = []

    def _probe(self, now_ms: int) -> None:
        if self.prober.idle and (due := self.engine.probes_due(now_ms)):
            self.prober.ask(due)

    def _open_epoch(self, now_ms: int) -> None:
        """Begin a new epoch if Redis answers: everything known is said again, and what it lost is rebuilt."""
        epoch = self.publisher.epoch_open(now_ms)
        if epoch is not None:
            self.engine.out.batch.events.clear()
            self.engine.republish(now_ms, epoch=epoch)
            self.storage.rings_forget()

    # ---- telling how it is ------------------------------------------------------------------------

    def _report(self, now_ms: int) -> None:
        self._rate.note(self.engine.frames_read, time.monotonic())
        self.publisher.status_write(self.status(), now_ms)
        while self.recorder and not self.recorder.notices.empty():
            self.engine.out.notices.append(self.recorder.notices.get())
        for shard in self.shards.all():
            down_ms = shard.down_for_ms()
            self._tell(f"shard {shard.number}", down_ms > _DOWN_AFTER_MS, shard.last_error or "no connection yet")
        failing = self.publisher.failing_since_ms
        self._tell("redis", bool(failing) and now_ms - failing > _REDIS_DOWN_AFTER_MS, self.publisher.reason)
        self._tell("postgres", bool(self.storage.error), self.storage.error)
        self._tell("books by REST", self.prober.failures >= 3, "the venue does not answer book requests")

    def _tell(self, part: str, is_down: bool, reason: str) -> None:
        """Journal the moment something of the feed goes down or comes back."""
        if is_down == (part in self._down):
            return
        if is_down:
            self._down[part] = reason
            notice = Notice(
                kind="feed.down",
                message=f"{part} is down: {reason}",
                severity=Severity.WARNING,
                subject_id=part,
                payload={"part": part, "reason": reason},
            )
        else:
            del self._down[part]
            notice = Notice(kind="feed.recovered", message=f"{part} is back", subject_id=part, payload={"part": part})
        log.warning("feed: %s", notice.message)
        self.engine.out.notices.append(notice)

    def status(self) -> dict[str, Any]:
        """Return the feed's account of itself. Called from two threads; reads only."""
        now_ms = self._clock_ms()
        tracked = list(self.engine.tracked.values())
        counts = {str(s): sum(1 for t in tracked if t.shown_status is s) for s in BookStatus}
        fresh = sum(1 for t in tracked if t.shown_status is BookStatus.LIVE and now_ms - t.confirmed_ms <= _FRESH_MS)
        return {
            "at_ms": now_ms,
            "started_ms": self._started_ms,
            "venue": str(self._venue),
            "epoch": self.engine.epoch,
            "messages_per_s": round(self._rate.per_s, 1),
            "messages": self.engine.frames_read,
            "events": self.engine.events_applied,
            "refused": self.engine.frames_refused,
            "hashes_agreed": self.engine.hashes_agreed,
            "delay_ms": self.engine.last_delay_ms,
            "watched": len(tracked),
            "fresh": fresh,
            "books": counts,
            "shards": [
                {"number": s.number, "tokens": len(s.wanted), "connected": s.connected, "sessions": s.sessions,
                 "error": "" if s.connected else s.last_error}
                for s in self.shards.all()
            ],
            "down": dict(self._down),
            "rows_written": self.storage.rows_written,
            "rows_dropped": self.storage.rows_dropped,
            "recording": self.recorder.status() if self.recorder else None,
        }  # fmt: skip

    def _shut_down(self) -> None:
        for shard in self.shards.all():
            shard.stop()
        self.prober.stop()
        now_ms = self._clock_ms()
        self.engine.stop(now_ms)
        self._flush(now_ms)
        if self.recorder:
            self.recorder.stop()
        self.storage.stop()
        self.storage.join(timeout=3)
        if self.recorder:
            self.recorder.join(timeout=3)
        for shard in self.shards.all():
            shard.join(timeout=1)


class _Rate:
    """Messages a second over the last report interval."""

    def __init__(self) -> None:
        self.per_s = 0.0
        self._count = 0
        self._at = 0.0

    def note(self, count: int, at: float) -> None:
        if self._at and at > self._at:
            self.per_s = (count - self._count) / (at - self._at)
        self._count, self._at = count, at
