"""The feed's side of Postgres, in its own thread: the watch list in; trades, candles, journal, heartbeat out.

The engine must never wait for a database. Rows wait here, bounded, while Postgres is away; what does not
fit is dropped and counted, and the minutes missing then stay missing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from django.db import DatabaseError, DataError, InterfaceError, close_old_connections, connection
from django.utils import timezone

from alerts.services.health import heartbeat_record
from markets.domain.candles import CandleRow
from markets.domain.events import TradePrint
from markets.domain.instruments import Venue
from markets.selectors.history import minute_samples
from markets.selectors.watch import WatchedOutcome, watched_outcomes
from markets.services import drift, history, issues, notices
from markets.services.notices import Notice
from markets.tickstore import TickstoreUnavailable, TickstoreWriter
from markets.venues.base import Drifted, ParseError

log = logging.getLogger(__name__)
_EVERY_S = 1.0
_WATCH_EVERY_S = 2.0
_HEARTBEAT_EVERY_S = 2.0
_SWEEP_EVERY_S = 3_600.0
_INCOMING_LIMIT = 5_000
_LIMITS = {"trades": 20_000, "candles": 20_000, "notices": 500, "issues": 500, "ticks": 1_000, "drifted": 500}


@dataclass(frozen=True, slots=True)
class WatchList:
    outcomes: dict[int, WatchedOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What the engine wants stored."""

    trades: Sequence[tuple[int, TradePrint]] = ()
    candles: Sequence[CandleRow] = ()
    notices: Sequence[Notice] = ()
    problems: Sequence[ParseError] = ()
    ticks: Sequence[tuple[int, int]] = ()  # (market id, new tick)
    drifted: Sequence[Drifted] = ()

    @property
    def count(self) -> int:
        parts = (self.trades, self.candles, self.notices, self.problems, self.ticks, self.drifted)
        return sum(len(part) for part in parts)


class Storage(threading.Thread):
    """Owns the feed's database connection. `add` may be called from the engine's thread."""

    def __init__(
        self, venue: Venue, inbox: SimpleQueue[Any], writer: TickstoreWriter, status: Callable[[], dict[str, Any]]
    ) -> None:
        super().__init__(name="feed-storage", daemon=True)
        self.error = ""
        self.rows_written = 0
        self.rows_dropped = 0
        self._venue, self._inbox, self._writer, self._status = venue, inbox, writer, status
        self._ending = threading.Event()
        self._incoming: SimpleQueue[Rows] = SimpleQueue()
        self._trades: deque[tuple[int, TradePrint]] = deque()
        self._candles: deque[CandleRow] = deque()
        self._notices: deque[Notice] = deque()
        self._issues: deque[ParseError] = deque()
        self._ticks: deque[tuple[int, int]] = deque()
        self._drifted: deque[Drifted] = deque()
        self._rings_filled: set[int] = set()
        self._next_sweep = 0.0

    # ---- from the engine ----------------------------------------------------------------------

    def add(self, rows: Rows) -> None:
        if self._incoming.qsize() < _INCOMING_LIMIT:
            self._incoming.put(rows)
        else:
            self.rows_dropped += rows.count

    def rings_forget(self) -> None:
        """Look again whether Redis has the minute rings: it may have lost them."""
        self._rings_filled = set()

    def stop(self) -> None:
        """Write what waits and end; join() afterwards."""
        self._ending.set()

    # ---- the thread -----------------------------------------------------------------------------

    def run(self) -> None:
        next_watch = next_heartbeat = 0.0
        while True:
            stopping = self._ending.is_set()
            now = time.monotonic()
            try:
                close_old_connections()
                if now >= next_watch and not stopping:
                    outcomes = watched_outcomes(self._venue, now=timezone.now())
                    self._tidy(outcomes, now)
                    self._rings_fill(outcomes)
                    self._inbox.put(WatchList(outcomes))
                    next_watch = now + _WATCH_EVERY_S
                self._write()
                if now >= next_heartbeat and not stopping:
                    heartbeat_record("process:feed", details=self._status())
                    next_heartbeat = now + _HEARTBEAT_EVERY_S
                self.error = ""
            except (DatabaseError, InterfaceError) as error:
                self._failed(error)
            except Exception as error:  # the thread must outlive whatever a row holds
                log.exception("feed storage failed")
                self._failed(error)
            if stopping:
                connection.close()
                return
            self._ending.wait(_EVERY_S)

    def _failed(self, error: Exception) -> None:
        said = f"{type(error).__name__}: {error}".strip()[:300]
        disk = "DiskFull" in type(error.__cause__).__name__ or "No space left" in said
        self.error = f"postgres cannot write to its disk: {said}" if disk else f"postgres did not answer: {said}"
        connection.close()

    def _write(self) -> None:
        """Write what waits; rows leave their queue only after their statement succeeded."""
        self._receive()
        self._drain(self._trades, history.trades_record, 5_000)
        self._drain(self._candles, history.candles_record, 5_000)
        self._drain(self._ticks, history.ticks_record, 100)
        self._drain(self._drifted, lambda rows: drift.drifted_note(self._venue, rows, now=timezone.now()), 500)
        self._drain(self._notices, notices.notices_record, 50)
        self._drain(self._issues, lambda rows: issues.issues_record(self._venue, rows, now=timezone.now()), 500)

    def _receive(self) -> None:
        for _ in range(self._incoming.qsize()):
            new = self._incoming.get()
            for name, rows in (
                ("trades", new.trades),
                ("candles", new.candles),
                ("notices", new.notices),
                ("issues", new.problems),
                ("ticks", new.ticks),
                ("drifted", new.drifted),
            ):
                waiting: deque[Any] = getattr(self, f"_{name}")
                waiting.extend(rows)
                while len(waiting) > _LIMITS[name]:
                    waiting.popleft()
                    self.rows_dropped += 1

    def _drain(self, rows: deque[Any], write: Callable[[list[Any]], Any], most: int) -> None:
        while rows:
            part = [rows[i] for i in range(min(most, len(rows)))]
            written = self._written(part, write)
            for _ in part:
                rows.popleft()
            self.rows_written += written

    def _written(self, part: list[Any], write: Callable[[list[Any]], Any]) -> int:
        """Write rows and return how many; one that Postgres will never take is dropped, or it would hold up all."""
        try:
            write(part)
        except DataError as error:
            if len(part) > 1:
                half = len(part) // 2
                return self._written(part[:half], write) + self._written(part[half:], write)
            log.error("postgres does not take %s: %s", part[0], error)
            self.rows_dropped += 1
            return 0
        return len(part)

    def _tidy(self, outcome_ids: Iterable[int], now: float) -> None:
        """Forget outcomes that went: here at once, in Redis hourly, which also finds what an earlier feed left."""
        self._rings_filled &= set(outcome_ids)
        if now < self._next_sweep:
            return
        try:
            self._writer.sweep(set(outcome_ids))
        except TickstoreUnavailable:
            return
        self._next_sweep = now + _SWEEP_EVERY_S

    def _rings_fill(self, outcome_ids: Iterable[int]) -> None:
        """Rebuild minute rings from stored candles where Redis has none."""
        for outcome_id in set(outcome_ids) - self._rings_filled:
            try:
                self._writer.ring_load(60, outcome_id, minute_samples(outcome_id, now=timezone.now()))
            except TickstoreUnavailable:
                return
            self._rings_filled.add(outcome_id)
