"""A slot is claimed once, however many messages ask for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from alerts.models import JobRun
from alerts.selectors import health as health_reads
from alerts.services import health, jobs

NOW = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)


@pytest.mark.django_db
def test_a_repeated_message_finds_its_slot_taken() -> None:
    assert jobs.slot_claim("sync", period_s=60, now=NOW)
    assert not jobs.slot_claim("sync", period_s=60, now=NOW + timedelta(seconds=20))
    assert jobs.slot_claim("sync", period_s=60, now=NOW + timedelta(seconds=30))
    assert jobs.slot_claim("pnl", period_s=60, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_of_eight_messages_at_once_one_wins() -> None:
    def claim(_: int) -> bool:
        try:
            return jobs.slot_claim("sync", period_s=60, now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 1


@pytest.mark.django_db
def test_the_end_and_the_error_of_a_job_are_kept() -> None:
    jobs.slot_claim("sync", period_s=60, now=NOW)
    jobs.job_finish("sync", period_s=60, now=NOW, finished_at=NOW + timedelta(seconds=2), error="venue is down")
    run = health_reads.job_last("sync")
    assert run is not None
    assert (run.finished_at, run.error) == (NOW + timedelta(seconds=2), "venue is down")


@pytest.mark.django_db
def test_old_claims_are_pruned() -> None:
    jobs.slot_claim("sync", period_s=60, now=NOW - timedelta(days=3))
    jobs.slot_claim("sync", period_s=60, now=NOW)
    assert jobs.job_prune(now=NOW) == 1
    assert JobRun.objects.count() == 1


@pytest.mark.django_db
def test_a_heartbeat_is_one_row_that_moves() -> None:
    health.heartbeat_record("process:feed", details={"watched": 3}, now=NOW)
    health.heartbeat_record("process:feed", details={"watched": 4}, now=NOW + timedelta(seconds=5))
    (beat,) = health_reads.heartbeat_list()
    assert (beat.name, beat.details) == ("process:feed", {"watched": 4})
    assert beat.age_s(NOW + timedelta(seconds=7)) == 2.0
    assert beat.pid > 0
