"""Long-lived threads for work that comes every second, each with its own lasting database session.

Celery closes the session after every task, and opening one costs more than five hundred
ticks. In a process that never called `start` (web, tests, commands) work runs where it is called.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")

THREADS = 4
SESSION_AGE_S = 300.0


class Ticker:
    """`run` waits for its result, so a task that uses it takes as long as its work."""

    def __init__(self, *, threads: int = THREADS) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._local = threading.local()

    def start(self) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="ticker")

    def stop(self) -> None:
        """Wait for what runs; nothing new is taken."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def run(self, work: Callable[[], T]) -> T:
        pool = self._pool
        return work() if pool is None else pool.submit(self._guarded, work).result()

    def _guarded(self, work: Callable[[], T]) -> T:
        opened = getattr(self._local, "opened", None)
        if opened is None or connection.errors_occurred or time.monotonic() - opened > SESSION_AGE_S:
            connection.close()
            self._local.opened = time.monotonic()
        try:
            return work()
        except (OperationalError, InterfaceError):
            connection.close()  # the next piece of work begins with a new session
            raise


TICKER = Ticker()
