"""Beat, exactly once: the process that holds a Postgres advisory lock for life sends the schedule.

A second beat waits. A beat whose lock connection breaks ends at once and lets the
supervisor start it again, so that two never send at the same time.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

import psycopg
from django.conf import settings
from django.db import connection
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

log = logging.getLogger("polybot.beat")

LOCK_KEY = 7_022_001_947  # any fixed number: the name of the lock
CHECK_EVERY_S = 2.0
CLOCK_STEP = timedelta(seconds=2)  # two clocks may differ by that much without a step
_CONNECTION_WORDS = ("dbname", "user", "password", "host", "port")
WITHOUT_TRADER = frozenset({"monitor", "scrape", "backtest", "server"})


class LockLost(RuntimeError):
    """The lock's connection broke; somebody else may hold it now."""


class BeatLock:
    """A session-level advisory lock on a connection of its own."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._checked = 0.0

    def wait(self) -> None:
        """Return when the lock is ours."""
        told = False
        while not self._try():
            if not told:
                log.warning("another beat holds the lock; waiting until it ends")
                told = True
            time.sleep(1.0)
        log.info("beat holds the lock")

    def check(self) -> None:
        """Raise LockLost unless the connection that holds the lock still answers."""
        if time.monotonic() - self._checked < CHECK_EVERY_S:
            return
        if self._connection is None:
            raise LockLost("beat never took its lock")
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise LockLost("the connection that held beat's lock is gone") from error
        self._checked = time.monotonic()

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _try(self) -> bool:
        if self._connection is None or self._connection.closed:
            parameters = {k: v for k, v in connection.get_connection_params().items() if k in _CONNECTION_WORDS}
            self._connection = psycopg.connect(**parameters, autocommit=True, application_name="polybot beat")
        row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()
        return bool(row and row[0])


LOCK = BeatLock()


class GuardedScheduler(DatabaseScheduler):
    """The database's schedule, sent only while the lock is ours, and only to queues this mode serves."""

    def tick(self, *args: object, **kwargs: object) -> float:
        LOCK.check()
        self._clock_follow()
        return float(super().tick(*args, **kwargs))

    def _clock_follow(self) -> None:
        """Forget runs that seem to be yet to come: the clock was ahead then, and nothing would run until it is again.

        Rows keep such a moment in the database, so a new beat may find it too.
        """
        now = self.app.now()
        ahead = [entry for entry in (self._schedule or {}).values() if entry.last_run_at > now + CLOCK_STEP]
        if ahead:
            log.warning("the clock was set back: periodic jobs run from now on again", extra={"jobs": len(ahead)})
            for entry in ahead:
                entry.last_run_at = now
            self._heap = None  # made anew by the tick

    def enabled_models(self) -> list[PeriodicTask]:
        # Nobody would read the message of a queue without a worker; it would wait in the broker for ever.
        mode = settings.POLYBOT_MODE
        return [row for row in super().enabled_models() if queue_is_served(row.queue, mode=mode)]


def queue_is_served(queue: str | None, *, mode: str) -> bool:
    return queue != "trading" or mode not in WITHOUT_TRADER
