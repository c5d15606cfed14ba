"""Running the trials of searches: one message is one trial, the row is the queue.

A trial is claimed by a conditional update with a token, so it runs once; one whose worker died is found by its
silence and runs again, once. When all are over the best is replayed on the held-out time, and the summary is written.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from alerts.domain.events import Severity
from backtests.domain.options import request_load
from backtests.domain.request import BacktestRequest
from backtests.models import SearchRun, SearchTrial
from backtests.services.code_version import code_digest
from backtests.services.run import engine_of, equity_end, tapes_open
from backtests.services.sampler import tpe_next
from backtests.services.searches import search_event, space_from
from risk.domain.limits import Limits

if TYPE_CHECKING:
    from backtests.domain.result import BacktestResult
    from markets.domain.tape import Tape

log = logging.getLogger(__name__)

ATTEMPTS = 2
SILENT_FOR = timedelta(minutes=3)
RESEND_AFTER = timedelta(seconds=60)
BEAT_EVERY_S = 2.0
AT_ONCE = 8  # messages of one search that wait in the queue at a time
_AT_WORK = (SearchRun.State.QUEUED, SearchRun.State.RUNNING)
State = SearchTrial.State
Phase = SearchTrial.Phase


@dataclass(slots=True)
class _Following:
    """Called by the replay: shows that the trial lives, and stops it when its search is over or it was taken away."""

    trial_id: int
    token: uuid.UUID
    search_id: int
    stopped: bool = False
    _last: float = field(default_factory=time.monotonic)

    def __call__(self, fraction: float) -> bool:
        now = time.monotonic()
        if not self.stopped and now - self._last >= BEAT_EVERY_S:
            self._last = now
            try:
                mine = SearchTrial.objects.filter(pk=self.trial_id, token=self.token).update(beat_at=timezone.now())
                self.stopped = not mine or not _is_at_work(self.search_id)
            except DatabaseError as error:  # the replay needs no database
                log.warning("a trial cannot show that it lives", extra={"problem": str(error)[:200]})
                with contextlib.suppress(DatabaseError):
                    connection.close()
        return not self.stopped


def trial_run(search_id: int) -> bool:
    """Run the next trial of a search; False when there is none for us. Ends the search when it was the last one."""
    claimed = _claim(search_id, now=timezone.now())
    if claimed is None:
        search_settle(search_id, now=timezone.now())
        return False
    search, trial = claimed
    assert trial.token is not None  # noqa: S101 - by the claim
    follow = _Following(trial.pk, trial.token, search.pk)
    try:
        figures = _replay(search, trial, follow)
    except Exception as error:  # whatever one set of parameters does, the search goes on and says so
        log.exception("a trial failed", extra={"trial": trial.pk})
        figures = {"state": State.FAILED, "error": f"{type(error).__name__}: {error}"[:500]}
    if follow.stopped:
        SearchTrial.objects.filter(pk=trial.pk, token=trial.token).update(state=State.QUEUED, token=None)
        return True
    SearchTrial.objects.filter(pk=trial.pk, token=trial.token).update(
        **({"state": State.DONE, "token": None, "ended_at": timezone.now()} | figures)
    )
    search_settle(search_id, now=timezone.now())
    return True


def _claim(search_id: int, *, now: datetime) -> tuple[SearchRun, SearchTrial] | None:
    """Take the next queued trial, and let the sampler choose its point where none is laid down."""
    with transaction.atomic():
        search = SearchRun.objects.select_for_update(no_key=True).filter(pk=search_id, state__in=_AT_WORK).first()
        if search is None:
            return None
        if search.code_digest != code_digest():
            _end(
                search, SearchRun.State.FAILED, error="the code changed since the search began; start it anew", now=now
            )
            return None
        trial = search.trials.filter(state=State.QUEUED).order_by("phase", "number").first()
        if trial is None:
            return None
        if trial.assignment is None:
            point = tpe_next(space_from(search), _tried(search), seed=search.seed)
            if point is None:  # every point of the space was tried
                search.trials.filter(state=State.QUEUED, assignment__isnull=True).delete()
                return None
            trial.assignment = list(point)
        trial.state, trial.token, trial.beat_at = State.RUNNING, uuid.uuid4(), now
        trial.attempts += 1
        trial.save(update_fields=["assignment", "state", "token", "beat_at", "attempts"])
        if search.state == SearchRun.State.QUEUED:
            SearchRun.objects.filter(pk=search.pk).update(state=SearchRun.State.RUNNING, started_at=now)
        return search, trial


def _tried(search: SearchRun) -> list[tuple[tuple[str, ...], float | None]]:
    rows = search.trials.filter(phase=Phase.SEARCH, assignment__isnull=False).exclude(state=State.QUEUED)
    return [(tuple(row.assignment), row.objective) for row in rows.order_by("number")]


def _replay(search: SearchRun, trial: SearchTrial, follow: _Following) -> dict[str, Any]:
    from backtests.domain.ratios import Undefined
    from backtests.domain.search.judging import bins_of, judged

    base = request_load(search.request)
    tapes, _ = tapes_open(base)
    request = _request_of(search, trial, base, tapes)
    result = engine_of(request.mode)(tapes, request, limits=Limits(**search.limits), progress=follow)
    if follow.stopped:
        return {}
    if result.stopped:
        return {"state": State.FAILED, "error": result.stopped[:500]}
    assert request.start_ns is not None and request.end_ns is not None  # noqa: S101 - by _request_of
    bins = bins_of(result, start_ns=request.start_ns, end_ns=request.end_ns)
    figures: dict[str, Any] = {"bins": list(bins), "figures": _figures(result)}
    try:
        figures["objective"] = judged(search.objective, bins)
    except Undefined as error:
        figures["error"] = f"the objective is undefined: {error}"
    return figures


def _request_of(
    search: SearchRun, trial: SearchTrial, base: BacktestRequest, tapes: tuple[Tape, ...]
) -> BacktestRequest:
    """Return the trial's own request: its parameters, and the part of the time that its phase looks at."""
    from backtests.domain.search.folds import Span, holdout_split

    start = base.start_ns if base.start_ns is not None else min(tape.start_ns for tape in tapes)
    end = base.end_ns if base.end_ns is not None else max(tape.end_ns for tape in tapes) + 1
    span = Span(start, end)
    if search.holdout_ppm:
        searched, held_out = holdout_split(span, share_ppm=search.holdout_ppm)
        span = held_out if trial.phase == Phase.HOLDOUT else searched
    params = space_from(search).applied(base.params, tuple(trial.assignment or ()))
    return replace(base, params=params, start_ns=span.start_ns, end_ns=span.end_ns)


def _figures(result: BacktestResult) -> dict[str, Any]:
    return {
        "profit": equity_end(result) - result.capital,
        "fees": int(result.fees),
        "fills": len(result.fills),
        "orders": len(result.orders),
    }


def search_settle(search_id: int, *, now: datetime) -> None:
    """When no trial is left: lay down the holdout, or write the summary and end the search."""
    with transaction.atomic():
        search = SearchRun.objects.select_for_update(no_key=True).filter(pk=search_id, state__in=_AT_WORK).first()
        if search is None or search.trials.filter(state__in=[State.QUEUED, State.RUNNING]).exists():
            return
        done = list(search.trials.filter(phase=Phase.SEARCH, state=State.DONE).order_by("number"))
        if not done:
            first = search.trials.filter(state=State.FAILED).order_by("number").first()
            words = f"no trial could be run; the first said: {first.error}" if first else "there was nothing to try"
            _end(search, SearchRun.State.FAILED, error=words[:2000], now=now)
            return
        held_out = search.trials.filter(phase=Phase.HOLDOUT).first()
        if search.holdout_ppm and held_out is None:
            best = _ranked(done)[0]
            SearchTrial.objects.create(search=search, phase=Phase.HOLDOUT, number=0, assignment=list(best.assignment))
            SearchRun.objects.filter(pk=search.pk).update(sent_at=None)  # the sweep wakes a worker for it
            return
        search.summary = _summary(search, done, held_out)
        search.save(update_fields=["summary"])
        _end(search, SearchRun.State.DONE, error="", now=now)


def _ranked(rows: list[SearchTrial]) -> list[Any]:
    from backtests.domain.search.summary import ranked

    return ranked([_told(row) for row in rows])


def _told(row: SearchTrial) -> Any:
    from backtests.domain.search.summary import Tried

    return Tried(
        number=row.number, assignment=tuple(row.assignment or ()), objective=row.objective, bins=tuple(row.bins or ())
    )


def _summary(search: SearchRun, done: list[SearchTrial], held_out: SearchTrial | None) -> dict[str, Any]:
    from backtests.domain.search.summary import summary_of

    found = summary_of(
        space_from(search),
        [_told(row) for row in done],
        objective=search.objective,
        folds=search.folds,
        holdout=_told(held_out) if held_out is not None and held_out.state == State.DONE else None,
        failed=search.trials.filter(phase=Phase.SEARCH, state=State.FAILED).count(),
    )
    if held_out is not None and held_out.state == State.FAILED:
        found["holdout_problem"] = held_out.error
    return found


def _end(search: SearchRun, state: str, *, error: str, now: datetime) -> None:
    search.state, search.error, search.ended_at = state, error, now
    search.save(update_fields=["state", "error", "ended_at"])
    failed = state == SearchRun.State.FAILED
    words = f"{search} of {search.strategy} {'failed: ' + error if failed else 'finished'}"
    severity = Severity.WARNING if failed else Severity.INFO
    kind = "search.failed" if failed else "search.finished"
    search_event(search, kind, words, by=search.by, now=now, severity=severity)


def searches_recover(*, now: datetime) -> int:
    """Queue trials again whose worker fell silent, give up those that did so twice; return how many were found."""
    silent = SearchTrial.objects.filter(state=State.RUNNING, beat_at__lt=now - SILENT_FOR)
    given_up = silent.filter(attempts__gte=ATTEMPTS).update(
        state=State.FAILED, token=None, ended_at=now, error="its process ended twice without a word"
    )
    again = silent.filter(attempts__lt=ATTEMPTS).update(state=State.QUEUED, token=None)
    for search_id in SearchRun.objects.filter(state__in=_AT_WORK).values_list("pk", flat=True):
        search_settle(search_id, now=now)
    return again + given_up


def searches_unsent(*, now: datetime) -> list[tuple[int, int]]:
    """Return (search, messages) that should be sent now, and note that they were. A message runs one trial."""
    due: list[tuple[int, int]] = []
    with transaction.atomic():
        rows = SearchRun.objects.select_for_update(no_key=True, skip_locked=True).filter(state__in=_AT_WORK)
        for row in rows.order_by("pk"):
            recently = row.sent_at is not None and now - row.sent_at < RESEND_AFTER
            waiting = row.trials.filter(state=State.QUEUED).count()
            if waiting and not recently and not row.trials.filter(state=State.RUNNING).exists():
                due.append((row.pk, min(AT_ONCE, waiting)))
                SearchRun.objects.filter(pk=row.pk).update(sent_at=now)
    return due


def search_sent(search_id: int, *, now: datetime) -> None:
    SearchRun.objects.filter(pk=search_id, state__in=_AT_WORK).update(sent_at=now)


def trials_waiting(search_id: int) -> int:
    """Return how many trials of a search at work wait for a worker."""
    return SearchTrial.objects.filter(search_id=search_id, search__state__in=_AT_WORK, state=State.QUEUED).count()


def _is_at_work(search_id: int) -> bool:
    return SearchRun.objects.filter(pk=search_id, state__in=_AT_WORK).exists()
