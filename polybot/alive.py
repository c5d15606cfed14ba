"""Where a queue's sign of life goes: a row for the pages, and a file for the supervisor, which reads no database."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from alerts.services.health import heartbeat_record
from backtests.services import claims

log = logging.getLogger(__name__)

BEAT_EVERY_S = 10.0
DEAF_AFTER = timedelta(minutes=2)


def queue_is_alive(queue: str, *, process: str, figures: Mapping[str, int] | None = None) -> None:
    """Say that `queue` is read by `process`; `figures` tell how that process does."""
    folder = settings.POLYBOT_DATA / "alive"
    with contextlib.suppress(OSError):  # a full disk is reported elsewhere; the row is still written
        folder.mkdir(exist_ok=True)
        (folder / process).touch()
    heartbeat_record(f"queue:{queue}", details={"process": process, **(figures or {})}, now=timezone.now())


def backtests_watch() -> threading.Thread:
    """Write the signs of life of the queue `backtests` from a thread of the worker that holds its one process.

    A task on the queue would wait behind a replay for hours. What a task shows and a thread does not, that messages
    arrive, is looked up: no sign is given while a run waits and nothing runs.
    """
    thread = threading.Thread(target=_backtests_beat, name="backtests alive", daemon=True)
    thread.start()
    return thread


def _backtests_beat() -> None:
    halt = threading.Event()
    while True:
        backtests_sign()
        connection.close()  # ten seconds of nothing, and a child that is forked meanwhile must not inherit one
        halt.wait(BEAT_EVERY_S)


def backtests_sign() -> bool:
    """Give one sign of life, unless the worker seems not to hear its queue."""
    try:
        if claims.work_waits(now=timezone.now(), longer_than=DEAF_AFTER):
            log.warning("backtests wait and nothing runs: no sign of life, so that the worker is started again")
            return False
        queue_is_alive("backtests", process="backtests")
    except DatabaseError as error:
        log.warning("no sign of life written", extra={"problem": str(error)[:200]})
        return False
    return True
