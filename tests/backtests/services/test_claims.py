from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from backtests.models import BacktestRun
from backtests.services import claims
from backtests.services.claims import Answer

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
State = BacktestRun.State


def row_make(**values: object) -> BacktestRun:
    fields = {
        "by": "ann", "strategy": "idle", "mode": "exact", "seed": 0, "request": {}, "request_digest": "", "limits": {},
        "created_at": NOW, **values,
    }  # fmt: skip
    return BacktestRun.objects.create(**fields)


@pytest.mark.django_db(transaction=True)
def test_one_of_many_workers_gets_a_run() -> None:
    row = row_make()
    got: list[object] = []

    def work() -> None:
        got.append(claims.run_claim(row.pk, now=NOW))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([claim for claim in got if claim is not None]) == 1
    row.refresh_from_db()
    assert (row.state, row.attempts, row.worker) == (State.RUNNING, 1, claims.this_worker())


@pytest.mark.django_db
def test_only_the_holder_writes() -> None:
    row = row_make()
    claim = claims.run_claim(row.pk, now=NOW)
    assert claim is not None
    assert claims.claim_renew(claim, progress=1.5, words="x" * 300, now=NOW) is Answer.GO_ON
    row.refresh_from_db()
    assert (row.progress, len(row.words)) == (1.0, 200)
    BacktestRun.objects.update(cancel_requested_at=NOW)
    assert claims.claim_renew(claim, progress=0.5, words="", now=NOW) is Answer.CANCEL
    stranger = claims.Claim(row.pk, claims.uuid.uuid4())
    assert claims.claim_renew(stranger, progress=0.1, words="", now=NOW) is Answer.LOST
    assert not claims.claim_write(stranger, words="x")
    assert not claims.claim_return(stranger, words="x")
    assert not claims.claim_end(stranger, State.DONE, now=NOW)
    assert claims.claim_end(claim, State.CANCELED, now=NOW)
    assert claims.claim_renew(claim, progress=0.5, words="", now=NOW) is Answer.LOST


@pytest.mark.django_db
def test_a_run_whose_process_died_starts_once_more_and_is_then_given_up() -> None:
    row = row_make()
    dead = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    worker = f"{os.uname().nodename} {dead.pid}:{claims._started(dead.pid)}"
    for attempt in (1, 2):
        assert claims.run_claim(row.pk, now=NOW)
        BacktestRun.objects.update(worker=worker)
        if attempt == 1:
            assert claims.runs_recover(now=NOW) == (0, 0)  # it lives
            dead.kill()
            dead.wait()
        assert claims.runs_recover(now=NOW) == ((1, 0) if attempt == 1 else (0, 1))
    row.refresh_from_db()
    assert (row.state, row.partial) == (State.FAILED, True)
    assert "ended 2 times" in row.error


@pytest.mark.django_db
def test_a_process_number_used_again_is_another_process() -> None:
    row = row_make()
    assert claims.run_claim(row.pk, now=NOW)
    BacktestRun.objects.update(worker=f"{os.uname().nodename} {os.getpid()}:1")
    assert claims.runs_recover(now=NOW) == (1, 0)
    row.refresh_from_db()
    assert (row.state, row.token) == (State.QUEUED, None)


@pytest.mark.django_db
def test_a_worker_elsewhere_is_given_up_when_it_is_silent() -> None:
    row = row_make()
    assert claims.run_claim(row.pk, now=NOW)
    BacktestRun.objects.update(worker="elsewhere 1:1")
    assert claims.runs_recover(now=NOW + claims.SILENT_FOR) == (0, 0)
    assert claims.runs_recover(now=NOW + claims.SILENT_FOR + timedelta(seconds=1)) == (1, 0)


@pytest.mark.django_db
def test_a_dead_run_that_was_cancelled_is_cancelled() -> None:
    row = row_make()
    assert claims.run_claim(row.pk, now=NOW)
    BacktestRun.objects.update(worker=f"{os.uname().nodename} 1:0", cancel_requested_at=NOW, cancel_by="bob")
    assert claims.runs_recover(now=NOW) == (0, 0)
    row.refresh_from_db()
    assert row.state == State.CANCELED


@pytest.mark.django_db
def test_a_lost_message_is_sent_again_and_a_waiting_one_is_not() -> None:
    first, second = row_make(), row_make()
    assert claims.runs_unsent(now=NOW) == [first.pk, second.pk]
    assert claims.runs_unsent(now=NOW + claims.RESEND_AFTER) == []
    late = NOW + claims.RESEND_AFTER + timedelta(seconds=1)
    assert claims.run_claim(first.pk, now=NOW)
    assert claims.runs_unsent(now=late) == []  # the second waits for the first: its message stands in the queue
    third = row_make()
    assert claims.runs_unsent(now=late) == [third.pk]
    BacktestRun.objects.filter(pk=first.pk).update(state=State.DONE, token=None, ended_at=NOW)
    assert claims.runs_unsent(now=late) == [second.pk]


@pytest.mark.django_db
def test_a_worker_that_does_not_hear_is_noticed() -> None:
    row = row_make(sent_at=NOW)
    wait = timedelta(minutes=2)
    assert not claims.work_waits(now=NOW + wait, longer_than=wait)
    assert claims.work_waits(now=NOW + wait + timedelta(seconds=1), longer_than=wait)
    assert claims.run_claim(row.pk, now=NOW)
    assert not claims.work_waits(now=NOW + 2 * wait, longer_than=wait)


@pytest.mark.django_db
def test_signs_of_life_are_given_unless_the_worker_is_deaf(backtest_folder: Path) -> None:
    from alerts.selectors.health import heartbeat_get
    from polybot import alive

    assert alive.backtests_sign()
    assert (backtest_folder / "alive" / "backtests").exists()
    found = heartbeat_get("queue:backtests")
    assert found is not None and found.details == {"process": "backtests"}
    (backtest_folder / "alive" / "backtests").unlink()
    row_make(sent_at=NOW - timedelta(days=900))
    assert not alive.backtests_sign()
    assert not (backtest_folder / "alive" / "backtests").exists()
