"""The kill path walked on one account, with a watch in hand: stop, cancel everything, nothing open, nothing sent.

The kill switch itself stops every account, so a rehearsal stops only the one chosen, by a halt that goes the
same ways: the claim of a send refuses, the cancels are asked for, the sweep repeats them. The account is let
go afterwards, whatever happened. With real money nothing is touched: what a kill would cancel is counted, and
the switch is read as a send reads it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from markets.venues.base import VenueError
from orders.services import execution, kill
from orders.services.keyholder import KeyRefused, NotInThisProcess
from orders.services.rehearsals import (
    Rehearsal,
    open_at_venue,
    open_count,
    rehearsal_finish,
    rehearsal_get,
    rehearsal_open,
    sent_since,
    under_way_count,
)
from risk.services import halts

EMPTY_WITHIN_S = 30.0
CAUSE = "rehearsal"
Clock = Callable[[], datetime]


class _Watch:
    """What happened when, in milliseconds since the start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock()
        self.steps: list[dict[str, object]] = []

    def note(self, what: str) -> datetime:
        now = self._clock()
        self.steps.append({"ms": int((now - self._start).total_seconds() * 1000), "what": what})
        return now


def rehearse(
    account_id: int,
    *,
    by: str,
    clock: Clock = timezone.now,
    sleep: Callable[[float], object] = time.sleep,
    limit_s: float = EMPTY_WITHIN_S,
) -> Rehearsal:
    """Walk the path and return what was measured."""
    row = rehearsal_open(account_id, by=by, now=clock())
    return rehearsal_run(row.pk, clock=clock, sleep=sleep, limit_s=limit_s)


def rehearsal_run(
    rehearsal_id: int,
    *,
    clock: Clock = timezone.now,
    sleep: Callable[[float], object] = time.sleep,
    limit_s: float = EMPTY_WITHIN_S,
) -> Rehearsal:
    """Do one rehearsal that was asked for; one that is over is returned as it was."""
    row = rehearsal_get(rehearsal_id)
    if row.finished_at is not None:
        return row
    account_id, by = row.account_id, row.by
    watch = _Watch(clock)
    before = open_count(account_id)
    watch.note(f"{before} open orders")
    if row.dry_run:
        return _dry(row, before, watch, clock)
    halt = halts.halt_create(
        account_id, "halted", f"kill rehearsal by {by}: lifted by itself", by, cause=CAUSE, now=clock()
    )
    committed = watch.note("the stop is durable: no send commits after this")
    left, empty_at = before, None
    try:
        asked = execution.cancel_all(account_id, "kill rehearsal", by, clock())
        watch.note(f"{asked} cancels asked for")
        waited = 0.0
        while True:
            ours, theirs = open_count(account_id), _at_venue(account_id, watch)
            # At a venue its own list decides: our rows end later, when reads agree on what traded before.
            left = ours if theirs is None else theirs + under_way_count(account_id)
            if not left:
                empty_at = watch.note("no order is open" if theirs is None else "the venue's own list shows none open")
                break
            if waited >= limit_s:
                watch.note(f"{left} orders still open after {limit_s:.0f} s")
                break
            sleep(0.25)
            waited += 0.25
    finally:
        sent = sent_since(account_id, committed)
        halts.halt_lift(halt.pk, by=by, reason="the rehearsal is over", now=clock())
        watch.note("the account is let go")
        done = rehearsal_finish(
            row.pk,
            now=clock(),
            open_before=before,
            open_after=left,
            sent_after=sent,
            committed_at=committed,
            empty_at=empty_at,
            passed=not left and not sent,
            steps=watch.steps,
        )
    return done


def _at_venue(account_id: int, watch: _Watch) -> int | None:
    """Return how many orders the venue lists; a venue that cannot be read is not empty."""
    try:
        return open_at_venue(account_id)
    except (VenueError, KeyRefused, NotInThisProcess) as error:
        said = f"the venue could not be read: {error}"[:160]
        if watch.steps[-1]["what"] != said:
            watch.note(said)
        return 1


def _dry(row: Rehearsal, before: int, watch: _Watch, clock: Clock) -> Rehearsal:
    """Read the switch as a send does and count what a kill would cancel."""
    with transaction.atomic():
        killed = kill.killed_for_share()
    read_at = watch.note(f"the kill switch was read under its lock: {'set' if killed else 'off'}")
    watch.note(f"a kill would ask for the end of {before} orders; none was touched")
    return rehearsal_finish(
        row.pk,
        now=clock(),
        open_before=before,
        open_after=open_count(row.account_id),
        committed_at=read_at,
        passed=True,
        steps=watch.steps,
    )
