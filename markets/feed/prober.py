"""Reads books beside the socket, in its own thread: a slow venue must not hold up the feed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from markets.domain.events import BookSnapshot
from markets.venues.base import BookSource, ParseError, VenueError


@dataclass(frozen=True, slots=True)
class Probed:
    """The venue's books, asked for at `asked_ms`; or none, and why."""

    asked_ms: int
    books: Mapping[str, BookSnapshot]
    error: VenueError | None = None


class Prober(threading.Thread):
    """Answers one request at a time into the inbox. `idle` says whether the next may be given."""

    def __init__(self, source: BookSource, inbox: SimpleQueue[Any]) -> None:
        super().__init__(name="feed-prober", daemon=True)
        self.idle = True
        self.failures = 0
        self._source = source
        self._inbox = inbox
        self._requests: SimpleQueue[Sequence[str] | None] = SimpleQueue()

    def ask(self, tokens: Sequence[str]) -> None:
        self.idle = False
        self._requests.put(tokens)

    def stop(self) -> None:
        self._requests.put(None)

    def run(self) -> None:
        while True:
            try:
                tokens = self._requests.get(timeout=60)
            except Empty:
                continue
            if tokens is None:
                return
            self._inbox.put(self._probe(tokens))

    def _probe(self, tokens: Sequence[str]) -> Probed:
        asked_ms = time.time_ns() // 1_000_000
        try:
            books = self._source.books_get(tokens)
        except VenueError as error:
            self.failures += 1
            return Probed(asked_ms, {}, error)
        except Exception as error:  # the thread must outlive whatever the venue answers
            self.failures += 1
            return Probed(asked_ms, {}, ParseError("body", f"{type(error).__name__}: {error}"[:200], source="rest"))
        self.failures = 0
        return Probed(asked_ms, books)
