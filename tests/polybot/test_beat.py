from __future__ import annotations

import time
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from polybot import beat
from polybot.beat import LOCK_KEY, BeatLock, GuardedScheduler, LockLost
from polybot.celery import app
from polybot.schedule import schedule_install


@pytest.fixture
def two_locks(db: None):
    first, second = BeatLock(), BeatLock()
    yield first, second
    first.release()
    second.release()


def test_only_one_beat_holds_the_lock(two_locks: tuple[BeatLock, BeatLock]) -> None:
    first, second = two_locks
    first.wait()
    assert second._try() is False
    first.release()
    second.wait()  # the server needs a moment to notice
    assert second._try() is True


def test_a_beat_whose_connection_breaks_stops_sending(two_locks: tuple[BeatLock, BeatLock]) -> None:
    first, _ = two_locks
    first.wait()
    first.check()
    first._checked = 0.0
    assert first._connection is not None
    with connection.cursor() as cursor:  # waits up to two seconds until that connection has ended
        cursor.execute("SELECT pg_terminate_backend(%s, 2000)", [first._connection.info.backend_pid])
    with pytest.raises(LockLost):
        first.check()


def test_the_lock_is_one_number_for_the_whole_database(two_locks: tuple[BeatLock, BeatLock]) -> None:
    first, _ = two_locks
    first.wait()
    assert first._connection is not None
    row = first._connection.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        " AND (classid::bigint << 32) + objid::bigint = %s AND pid = pg_backend_pid()",
        [LOCK_KEY],
    ).fetchone()
    assert row == (1,)
    assert isinstance(first._connection, psycopg.Connection)


@pytest.mark.django_db
@pytest.mark.parametrize(("mode", "expected"), [("full", True), ("monitor", False)])
def test_the_scheduler_leaves_out_queues_this_mode_does_not_serve(mode: str, expected: bool, settings) -> None:
    schedule_install()
    settings.POLYBOT_MODE = mode
    scheduler = GuardedScheduler(app=app, lazy=True)
    names = {row.name for row in scheduler.enabled_models()}
    assert ("strategy dispatcher" in names) is expected
    assert "markets, what changed" in names


@pytest.mark.django_db(transaction=True)
def test_a_clock_that_was_an_hour_ahead_holds_up_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule_install()
    PeriodicTask.objects.filter(name="live orders").update(last_run_at=timezone.now() + timedelta(hours=1))
    scheduler = GuardedScheduler(app=app, lazy=True)
    sent: list[str] = []
    monkeypatch.setattr(beat.LOCK, "check", lambda: None)
    monkeypatch.setattr(scheduler, "apply_entry", lambda entry, **_: sent.append(entry.name))
    scheduler.setup_schedule()
    scheduler._finalize.cancel()  # nothing is to be written when the tests end
    began = time.monotonic()
    while "live orders" not in sent and time.monotonic() - began < 5:
        time.sleep(max(0.0, min(0.2, scheduler.tick())))
    assert "live orders" in sent
    assert sent.count("strategy dispatcher") >= 1  # the others go on meanwhile
