"""Long-lived threads: work runs where it is called until they are started, and survives a lost session."""

from __future__ import annotations

import threading

import pytest
from django.db import OperationalError, connection

from strategies.services.ticker import Ticker


def _thread() -> str:
    return threading.current_thread().name


def test_work_runs_where_it_is_called_until_threads_are_started() -> None:
    ticker = Ticker(threads=1)
    assert ticker.run(_thread) == _thread()
    ticker.start()
    try:
        assert ticker.run(_thread).startswith("ticker")
    finally:
        ticker.stop()
    assert ticker.run(_thread) == _thread()


@pytest.mark.django_db(transaction=True)
def test_a_session_lasts_from_work_to_work_and_is_renewed_after_a_fault() -> None:
    def session() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])

    def fail() -> None:
        raise OperationalError("the server went away")

    ticker = Ticker(threads=1)
    ticker.start()
    try:
        first = ticker.run(session)
        assert ticker.run(session) == first
        with pytest.raises(OperationalError):
            ticker.run(fail)
        assert ticker.run(session) != first
        ticker.run(lambda: connection.close())  # noqa: PLW0108 - the connection of that thread
    finally:
        ticker.stop()
