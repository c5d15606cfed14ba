"""Sends the engine's batches to Redis, keeps them while it is away, and notices when it lost its memory.

A batch is sent as it is until it is accepted: its stream id is our own, so a second copy is refused by
the server. Meanwhile new batches wait, bounded; when there are too many, or when Redis came back empty,
what is lost is lost openly: a new epoch begins and everything is said again.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from markets.tickstore import Batch, TickstoreUnavailable, TickstoreWriter

MOST_EVENTS_WAITING = 50_000
MOST_BATCHES_WAITING = 5_000  # quiet books are confirmed all the time: batches without an event count too
_RETRY_FIRST_MS, _RETRY_CAP_MS = 100, 2_000


class Publisher:
    def __init__(self, writer: TickstoreWriter) -> None:
        self.writer = writer
        self.failing_since_ms = 0
        self.reason = ""
        self.batches_sent = 0
        self._waiting: deque[Batch] = deque()
        self._events_waiting = 0
        self._retry_at_ms = 0
        self._retry_ms = _RETRY_FIRST_MS
        self._lost = True  # no epoch yet

    @property
    def must_republish(self) -> bool:
        """Whether readers have missed something, so that everything must be said again in a new epoch."""
        return self._lost

    def epoch_open(self, now_ms: int) -> str | None:
        """Begin a new epoch; None when Redis does not answer, or did not a moment ago."""
        if now_ms < self._retry_at_ms:
            return None
        try:
            epoch = self.writer.epoch_open(now_ms)
        except TickstoreUnavailable as error:
            self._failed(error, now_ms)
            return None
        self._lost = False
        return epoch

    def publish(self, batch: Batch, now_ms: int) -> None:
        """Send what waits and then `batch`; keeps both when Redis does not take them."""
        if batch:
            self._waiting.append(batch)
            self._events_waiting += len(batch.events)
        if now_ms < self._retry_at_ms:
            self._bound()
            return
        while self._waiting:
            try:
                self.writer.publish(self._waiting[0])
            except TickstoreUnavailable as error:
                self._failed(error, now_ms)
                self._bound()
                return
            self._events_waiting -= len(self._waiting.popleft().events)
            self.batches_sent += 1
            self._recovered()

    def status_write(self, status: dict[str, Any], now_ms: int) -> None:
        """Store the feed's own account of itself, and look whether Redis still has what it was given."""
        if now_ms < self._retry_at_ms:
            return
        try:
            if not self.writer.remembers():
                self._lose()
            self.writer.feed_status_set(status)
        except TickstoreUnavailable as error:
            self._failed(error, now_ms)
        else:
            if not self._waiting:
                self._recovered()

    def _failed(self, error: Exception, now_ms: int) -> None:
        self.failing_since_ms = self.failing_since_ms or now_ms
        self.reason = _plain(str(error))
        self._retry_at_ms = now_ms + self._retry_ms
        self._retry_ms = min(self._retry_ms * 2, _RETRY_CAP_MS)

    def _recovered(self) -> None:
        self.failing_since_ms, self.reason = 0, ""
        self._retry_at_ms, self._retry_ms = 0, _RETRY_FIRST_MS

    def _bound(self) -> None:
        if self._events_waiting > MOST_EVENTS_WAITING or len(self._waiting) > MOST_BATCHES_WAITING:
            self._lose()

    def _lose(self) -> None:
        self._waiting.clear()
        self._events_waiting = 0
        self._lost = True


def _plain(reason: str) -> str:
    """Say in the operator's words what Redis means."""
    if "MISCONF" in reason or "No space left" in reason:
        return f"redis cannot write to its disk: {reason}"[:300]
    if "OOM" in reason:
        return f"redis has no memory left: {reason}"[:300]
    return reason[:300]
