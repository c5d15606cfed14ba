"""Scheduled jobs run once per slot, however often their message arrives (contract.md I15).

A slot is the unix time divided by the job's period. The unique key of `JobRun`
decides between two messages that arrive together.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from alerts.domain import chain
from alerts.models import JobRun


def slot_of(*, period_s: int, now: datetime) -> int:
    return int(now.timestamp()) // period_s


def slot_claim(name: str, *, period_s: int, now: datetime) -> bool:
    """Claim the slot that `now` falls in. False: this slot was already claimed, so there is nothing to do."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {JobRun._meta.db_table} (name, slot, started_at, error) VALUES (%s, %s, %s, '')"  # noqa: S608
            " ON CONFLICT (name, slot) DO NOTHING",
            [name, slot_of(period_s=period_s, now=now), now],
        )
        return cursor.rowcount == 1


def job_finish(name: str, *, period_s: int, now: datetime, finished_at: datetime, error: str = "") -> None:
    """Note when the job claimed at `now` ended, and why it failed if it did."""
    JobRun.objects.filter(name=name, slot=slot_of(period_s=period_s, now=now)).update(
        finished_at=finished_at, error=chain.clean_text(error, limit=300)
    )


def job_prune(*, now: datetime, keep: timedelta = timedelta(days=2)) -> int:
    """Delete claims that no late message can repeat any more; return how many."""
    return JobRun.objects.filter(started_at__lt=now - keep).delete()[0]
