"""The fills process: the simulated venue at work. Sole owner of the Paper* rows.

One loop: read the ordered stream, let events happen, let orders arrive, let cancels and
expiries happen, commit effects and cursor in one transaction, then book our side. Crash-only:
whatever goes wrong, memory is dropped and rebuilt from the last committed batch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from alerts.services.health import heartbeat_record
from markets.selectors.catalogue import facts_by_outcome, market_facts
from markets.tickstore import Tickstore, TickstoreUnavailable
from orders.feed import paper_record, paper_store
from orders.feed.paper_engine import Arrival, PaperEngine, Queue
from orders.services.faults import faultpoint
from orders.services.paper import paper_sync, pending_venue_orders

log = logging.getLogger(__name__)

POLL_S = 0.05  # how often arriving orders and cancels are looked for
FLUSH_S = 1.0  # queue positions without a trade are written at least this often
FACTS_S = 5.0
HEARTBEAT_S = 5.0
NO_BOOK_S = 5.0  # an order waits this long for a book before the venue refuses it
IDLE_S = 900.0  # a book nobody rests in is followed this long
POISON_LIMIT = 3
_CATCH_UP_READS = 20
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0)


@dataclass(slots=True)
class Counters:
    batches: int = 0
    events: int = 0
    trades: int = 0
    accepted: int = 0
    restarts: int = 0


@dataclass(slots=True)
class _Memory:
    """All that a failure throws away."""

    engine: PaperEngine
    epoch: str
    written: dict[str, Queue] = field(default_factory=dict)
    used_at: dict[int, float] = field(default_factory=dict)  # outcome -> monotonic time of its last order
    written_cursor: str = ""
    flushed_at: float = 0.0
    polled_at: float = 0.0
    facts_at: float = 0.0
    waiting: list[Arrival] = field(default_factory=list)


class FillsProcess:
    """Drives a PaperEngine from the tickstore and the database until told to stop."""

    def __init__(
        self,
        store: Tickstore,
        *,
        latency_ms: int | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._latency_ms = settings.PAPER_LATENCY_MS if latency_ms is None else latency_ms
        self._clock = clock
        self._monotonic = monotonic
        self._memory: _Memory | None = None
        self._stopping = False
        self._beat_at = 0.0
        self._failures = 0
        self._poisoned = 0
        self.counters = Counters()

    # The loop -----------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask the loop to end after the batch it is in."""
        self._stopping = True

    def run(self) -> None:
        log.info("fills process started", extra={"latency_ms": self._latency_ms})
        while not self._stopping:
            try:
                self.step()
                self._failures = self._poisoned = 0
            except (DatabaseError, TickstoreUnavailable) as error:
                self._recover(error)
            except Exception as error:
                log.exception("a round of the fills process failed")
                self._recover(error, poisoned=True)
        self._drain()
        log.info("fills process stopped")

    def step(self, *, block_ms: int | None = 100) -> int:
        """Do one round; return how many stream events it applied."""
        memory = self._memory or self._load()
        applied = self._stream(memory, block_ms=self._patience(memory, block_ms))
        if self._due(memory.polled_at, POLL_S) or self._has_arrival(memory):
            memory.polled_at = self._monotonic()
            applied += self._orders(memory)
        if self._due(memory.facts_at, FACTS_S):
            memory.facts_at = self._monotonic()
            self._markets(memory)
        memory.engine.expire(self._now_ms())
        self._commit(memory)
        self._beat(memory)
        return applied

    # Start and failure --------------------------------------------------------------------

    def _load(self) -> _Memory:
        """Rebuild everything from the last committed batch, and take over what a crash left behind."""
        while not paper_store.lock_take():
            if self._stopping:
                break
            log.warning("another fills process holds the lock; waiting for it to end")
            time.sleep(1.0)
        known = paper_store.cursor_get()
        if known is None or self._poisoned >= POISON_LIMIT:
            if known is not None:
                log.error("entries after this cursor cannot be processed and are skipped", extra={"cursor": known[0]})
            head = self._store.stream_head()
            known, self._poisoned = (head.cursor, head.epoch), 0
        cursor, epoch = known
        memory = _Memory(engine=PaperEngine(cursor), epoch=epoch, written_cursor=cursor)
        resting = paper_store.resting_load()
        self._track(memory, {r.outcome_id for r in resting})
        for item in resting:
            memory.engine.restore(item.resting, account_id=item.account_id, outcome_id=item.outcome_id)
        # The books again, now with the orders in them: what crosses them already has filled them.
        memory.engine.gap()
        self._views(memory)
        memory.written = {q.venue_order_id: q for q in memory.engine.queues()}
        now = self._now()
        paper_record.started(memory.engine, now=now)
        for venue_order_id in pending_venue_orders():
            paper_sync(venue_order_id, now=now)
        self._memory = memory
        log.info("paper orders restored", extra={"orders": len(resting), "cursor": cursor})
        return memory

    def _recover(self, error: Exception, *, poisoned: bool = False) -> None:
        """Forget everything in memory, drop the connection, wait a little.

        A fault of ours that comes back is likely caused by what stands next in the stream: after
        POISON_LIMIT tries the process goes on at the stream's head, as after any other gap.
        """
        self._poisoned += poisoned
        wait_s = _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]
        self._failures += 1
        self.counters.restarts += 1
        self._memory = None
        log.warning("fills process starts over", extra={"problem": str(error)[:300], "wait_s": wait_s})
        connection.close()
        time.sleep(wait_s)

    def _drain(self) -> None:
        if self._memory is None:
            return
        try:
            self._commit(self._memory, force=True)
        except DatabaseError as error:
            log.warning("the last batch is repeated at the next start", extra={"problem": str(error)[:300]})

    # The parts of a round -----------------------------------------------------------------

    def _stream(self, memory: _Memory, *, block_ms: int | None) -> int:
        read = self._store.stream_read(memory.engine.cursor, count=500, block_ms=block_ms)
        if not read.entries:
            return 0
        if not memory.epoch:
            memory.epoch = read.epoch  # the first batch there ever was
        elif read.epoch != memory.epoch or read.gap:
            log.warning("the stream has a gap; books wait for their next snapshot", extra={"epoch": read.epoch})
            memory.engine.gap()
            memory.epoch = read.epoch
        applied = 0
        for cursor, events in read.entries:
            memory.engine.apply(cursor, events)
            applied += len(events)
        self.counters.batches += len(read.entries)
        self.counters.events += applied
        return applied

    def _patience(self, memory: _Memory, block_ms: int | None) -> int | None:
        """Return how long a read may wait: until the next look for orders, or the next order's arrival."""
        if block_ms is None:
            return None
        until_ms = int((memory.polled_at + POLL_S - self._monotonic()) * 1000)
        if memory.waiting:
            until_ms = min(until_ms, min(a.arrives_ms for a in memory.waiting) - self._now_ms())
        return max(1, min(block_ms, until_ms))  # zero would mean for ever

    def _orders(self, memory: _Memory) -> int:
        """Let orders and cancels that have reached the venue take effect."""
        now = self._now()
        inbox = paper_store.inbox_read(now=now, latency_ms=self._latency_ms)
        memory.waiting = inbox.arrivals
        due = [a for a in memory.waiting if a.arrives_ms <= self._now_ms()]
        applied = 0
        if due:
            self._track(memory, {a.outcome_id for a in due})
            self._views(memory)
            # Everything that happened before the orders arrived happens before them.
            for _ in range(_CATCH_UP_READS):
                read = self._stream(memory, block_ms=None)
                applied += read
                if not read:
                    break
            self._commit(memory)
            self._arrive(memory, due)
        for venue_order_id, reason in inbox.cancels:
            memory.engine.cancel(venue_order_id, reason)
        return applied

    def _arrive(self, memory: _Memory, due: list[Arrival]) -> None:
        """Place what may be placed, and commit it in the transaction that holds the orders still."""
        now = self._now()
        engine = memory.engine
        ready = [a for a in due if self._is_ready(memory, a)]
        if not ready:
            return
        with transaction.atomic():
            claimed = paper_store.orders_claim([a.order_id for a in ready], now=now)
            for arrival in ready:
                if arrival.order_id not in claimed:
                    continue
                now_ms = self._now_ms()
                memory.used_at[arrival.outcome_id] = self._monotonic()
                if engine.is_sure(arrival.outcome_id):
                    engine.place(arrival, now_ms=now_ms)
                else:
                    engine.reject(arrival, "no live order book to match against", now_ms=now_ms)
            touched = self._write(memory)
        self._book(touched)
        placed = {a.order_id for a in ready}
        memory.waiting = [a for a in memory.waiting if a.order_id not in placed]

    def _has_arrival(self, memory: _Memory) -> bool:
        return any(a.arrives_ms <= self._now_ms() for a in memory.waiting)

    def _is_ready(self, memory: _Memory, arrival: Arrival) -> bool:
        now_ms = self._now_ms()
        if not memory.engine.is_sure(arrival.outcome_id):
            return now_ms - arrival.arrives_ms > NO_BOOK_S * 1000
        delay_ms = memory.engine.facts[arrival.outcome_id].seconds_delay * 1000
        if not delay_ms or not memory.engine.crosses(arrival):
            return True
        return now_ms >= arrival.arrives_ms + delay_ms  # such a market holds takers before it matches them

    def _track(self, memory: _Memory, outcome_ids: set[int]) -> None:
        new = outcome_ids - set(memory.engine.books)
        if not new:
            return
        views = self._store.books_get(new)
        for outcome_id, facts in facts_by_outcome(new).items():
            memory.engine.track(outcome_id, facts, views.get(outcome_id))
            memory.used_at[outcome_id] = self._monotonic()

    def _views(self, memory: _Memory) -> None:
        """Try the published books for outcomes whose stream has not brought a snapshot yet."""
        unsure = memory.engine.unsure
        if not unsure:
            return
        for outcome_id, view in self._store.books_get(unsure).items():
            if not memory.epoch or view.epoch == memory.epoch:
                memory.engine.view_load(outcome_id, view)

    def _markets(self, memory: _Memory) -> None:
        """Take fresh facts of traded markets; forget books that nobody has used for a while."""
        engine = memory.engine
        for facts in market_facts({facts.market_id for facts in engine.facts.values()}).values():
            engine.market_refresh(facts)
        self._views(memory)
        resting = {live.outcome_id for live in engine.live.values()}
        now = self._monotonic()
        engine.untrack(o for o in list(engine.books) if o not in resting and now - memory.used_at.get(o, 0.0) > IDLE_S)

    # Writing ------------------------------------------------------------------------------

    def _commit(self, memory: _Memory, *, force: bool = False) -> None:
        """Write what happened since the last commit: at once when orders changed, else once a second."""
        engine = memory.engine
        moved = engine.cursor != memory.written_cursor
        if engine.effects or force or (moved and self._due(memory.flushed_at, FLUSH_S)):
            touched = self._write(memory)
            self._book(touched)

    def _write(self, memory: _Memory) -> list[str]:
        engine = memory.engine
        effects = engine.effects_take()
        queues = engine.queues()
        dirty = [q for q in queues if memory.written.get(q.venue_order_id) != q]
        faultpoint("paper.before_commit")
        now = self._now()
        paper_store.effects_write(effects, dirty, cursor=engine.cursor, epoch=memory.epoch, now=now)
        paper_record.effects_note(engine, effects, now=now)
        memory.written = {q.venue_order_id: q for q in queues}
        memory.written_cursor, memory.flushed_at = engine.cursor, self._monotonic()
        self.counters.trades += len(effects.trades)
        self.counters.accepted += len(effects.accepted)
        return effects.touched

    def _book(self, venue_order_ids: list[str]) -> None:
        """Take the committed effects over into our own books; what a crash prevents here, the sweep does."""
        faultpoint("paper.committed")
        now = self._now()
        for venue_order_id in venue_order_ids:
            paper_sync(venue_order_id, now=now)

    def _beat(self, memory: _Memory) -> None:
        if not self._due(self._beat_at, HEARTBEAT_S):
            return
        self._beat_at = self._monotonic()
        heartbeat_record(
            "process:fills",
            details={
                "orders_live": len(memory.engine.live),
                "books": len(memory.engine.books),
                "books_unsure": len(memory.engine.unsure),
                "cursor": memory.engine.cursor,
                "events": self.counters.events,
                "trades": self.counters.trades,
                "accepted": self.counters.accepted,
                "restarts": self.counters.restarts,
                "refused": memory.engine.refused,
            },
        )

    def _due(self, last: float, period_s: float) -> bool:
        return self._monotonic() - last >= period_s

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), tz=UTC)
