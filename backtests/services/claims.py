"""Who runs a backtest: claimed, renewed, handed back and ended by conditional updates, so that nobody does it twice.

A claim is a token in the row. Whoever lost it (its worker was taken for dead, or the run was ended by hand) finds
out at its next sign of life, and writes nothing any more.
"""

from __future__ import annotations

import os
import platform
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from backtests.models import BacktestRun

State = BacktestRun.State
ATTEMPTS = 2  # a run whose worker died is started once more, and then given up
SILENT_FOR = timedelta(minutes=3)  # a kernel that compiles or a day that is opened says nothing meanwhile
RESEND_AFTER = timedelta(seconds=60)
STREAM = "backtests"


class Answer(Enum):
    """What a sign of life is answered with."""

    GO_ON = "go on"
    CANCEL = "cancel"  # a person asked for the end
    LOST = "lost"  # somebody else has the run, or it is over


@dataclass(frozen=True, slots=True)
class Claim:
    run_id: int
    token: uuid.UUID


def run_claim(run_id: int, *, now: datetime) -> Claim | None:
    """Take a queued run; None when there is nothing to take: it runs, it is over, or it does not exist."""
    token = uuid.uuid4()
    taken = BacktestRun.objects.filter(pk=run_id, state=State.QUEUED).update(
        state=State.RUNNING,
        token=token,
        worker=this_worker(),
        started_at=now,
        beat_at=now,
        progress=0.0,
        words="starting",
        attempts=F("attempts") + 1,
    )
    return Claim(run_id, token) if taken else None


def claim_renew(claim: Claim, *, progress: float, words: str, now: datetime) -> Answer:
    """Write how far the run is, and learn whether to go on. One statement, and one more."""
    held = BacktestRun.objects.filter(pk=claim.run_id, token=claim.token)
    if not held.update(progress=min(1.0, max(0.0, progress)), words=words[:200], beat_at=now):
        return Answer.LOST
    return Answer.CANCEL if held.filter(cancel_requested_at__isnull=False).exists() else Answer.GO_ON


def claim_write(claim: Claim, **columns: Any) -> bool:
    """Store columns of a run that is still ours."""
    return bool(BacktestRun.objects.filter(pk=claim.run_id, token=claim.token).update(**columns))


@transaction.atomic
def claim_return(claim: Claim, *, words: str) -> bool:
    """Put a run back into the queue without counting the attempt: its process was asked to stop."""
    return bool(
        BacktestRun.objects.filter(pk=claim.run_id, token=claim.token).update(
            state=State.QUEUED, token=None, progress=0.0, words=words[:200], attempts=F("attempts") - 1, sent_at=None
        )
    )


@transaction.atomic
def claim_end(claim: Claim, state: str, *, error: str = "", now: datetime, **columns: Any) -> bool:
    """End a run that is still ours, and tell the journal. False: it was taken away meanwhile."""
    row = BacktestRun.objects.select_for_update(no_key=True).filter(pk=claim.run_id, token=claim.token).first()
    if row is None:
        return False
    _end(row, state, error=error, now=now, **columns)
    return True


def _end(row: BacktestRun, state: str, *, error: str, now: datetime, **columns: Any) -> None:
    columns |= {"state": state, "error": error, "ended_at": now, "token": None, "words": ""}
    if state == State.DONE:
        columns["progress"] = 1.0
    for name, value in columns.items():
        setattr(row, name, value)
    row.save(update_fields=list(columns))
    run_event(row, now=now)


def run_event(row: BacktestRun, *, now: datetime) -> None:
    """Write the end of a run into the journal, where alert rules find it."""
    kind = {State.DONE: "finished", State.FAILED: "failed", State.CANCELED: "canceled"}[State(row.state)]
    figures = "" if row.pnl is None else f": {row.pnl:+.2f} $ after {row.fees:.2f} $ of fees, {row.fills} fills"
    words = f"{row} of {row.strategy} {kind}{figures}" + (f": {row.error}" if row.error else "")
    event_record(
        f"backtest.{kind}",
        words[:480],
        severity=Severity.WARNING if row.state == State.FAILED else Severity.INFO,
        stream=STREAM,
        subject_kind="backtest",
        subject_id=row.pk,
        subject_label=str(row),
        actor=row.cancel_by or row.by,
        payload={
            "state": row.state,
            "partial": row.partial,
            "pnl": None if row.pnl is None else str(row.pnl),
            "fills": row.fills,
        },
        now=now,
    )


def runs_recover(*, now: datetime) -> tuple[int, int]:
    """Find runs whose worker is gone; return how many were queued again and how many were given up."""
    again = given_up = 0
    for pk in BacktestRun.objects.filter(state=State.RUNNING).values_list("pk", flat=True):
        with transaction.atomic():
            row = BacktestRun.objects.select_for_update(no_key=True).filter(pk=pk, state=State.RUNNING).first()
            if row is None or not _is_abandoned(row, now=now):
                continue
            if row.cancel_requested_at is not None:
                _end(row, State.CANCELED, error="its process had ended when it was cancelled", now=now, partial=True)
                continue
            if row.attempts >= ATTEMPTS:
                words = f"its process ended {row.attempts} times without a word; a run this large may need more memory"
                _end(row, State.FAILED, error=words, now=now, partial=True)
                given_up += 1
                continue
            row.state, row.token, row.progress = State.QUEUED, None, 0.0
            row.words, row.sent_at = "its process ended: it starts again", None
            row.save(update_fields=["state", "token", "progress", "words", "sent_at"])
            again += 1
    return again, given_up


def _is_abandoned(row: BacktestRun, *, now: datetime) -> bool:
    host, _, process = row.worker.partition(" ")
    if host == platform.node() and process and not _process_lives(process):
        return True
    return row.beat_at is None or now - row.beat_at > SILENT_FOR


def runs_unsent(*, now: datetime) -> list[int]:
    """Return the queued runs that a message should wake now, and note that one was sent.

    While a run is at work the next ones wait for it: their messages stand in the queue, and are sent again only
    when nothing moves.
    """
    queued = BacktestRun.objects.filter(state=State.QUEUED)
    if BacktestRun.objects.filter(state=State.RUNNING).exists():
        queued = queued.filter(sent_at__isnull=True)
    with transaction.atomic():
        rows = queued.select_for_update(skip_locked=True, no_key=True).order_by("pk")
        due = [row.pk for row in rows if row.sent_at is None or now - row.sent_at > RESEND_AFTER]
        BacktestRun.objects.filter(pk__in=due).update(sent_at=now)
    return due


def run_sent(run_id: int, *, now: datetime) -> None:
    """Note that a message for a queued run is on its way."""
    BacktestRun.objects.filter(pk=run_id, state=State.QUEUED).update(sent_at=now)


def work_waits(*, now: datetime, longer_than: timedelta) -> bool:
    """Say whether a run waits although nothing runs: then the worker does not hear its queue."""
    if BacktestRun.objects.filter(state=State.RUNNING).exists():
        return False
    return BacktestRun.objects.filter(state=State.QUEUED, sent_at__lt=now - longer_than).exists()


def this_worker() -> str:
    return f"{platform.node()} {os.getpid()}:{_started(os.getpid())}"[:120]


def _process_lives(process: str) -> bool:
    """Say whether a process of this host is still the one that took the run: numbers are used again."""
    pid, _, started = process.partition(":")
    return bool(started) and _started(int(pid)) == started


def _started(pid: int) -> str:
    """Return when a process started, in ticks since boot; nothing when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
