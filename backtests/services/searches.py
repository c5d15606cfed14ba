"""Asking for parameter searches and cancelling them. Nothing here runs a replay; `trials` does.

A grid and random draws are laid down as trials at once; TPE chooses each trial when its turn comes. Callers send the
messages (`backtests.tasks.search_soon`); a sweep sends what was lost, so a search goes on after any interruption.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from backtests.domain.request import BacktestRequest
from backtests.domain.search.plan import RANGES, SearchPlan
from backtests.domain.search.space import MOST_TRIALS, Assignment, Space, SpaceError, draws, grid, space_of
from backtests.models import SearchRun, SearchTrial
from backtests.services.claims import STREAM
from backtests.services.code_version import code_digest
from backtests.services.jobs import profile_limits, request_checked, tags_clean
from strategies.domain.parameters import ParameterError
from strategies.library.registry import strategy_get

MOST_WAITING = 20  # searches at work or waiting
MOST_FOLDS = 12
Method = SearchRun.Method


def search_ask(
    *,
    strategy: str,
    params: Mapping[str, Any],
    data: Iterable[Mapping[str, Any]],
    options: Mapping[str, Any],
    plan: SearchPlan,
    by: str,
    name: str = "",
    tags: Iterable[str] = (),
    notes: str = "",
    now: datetime,
) -> int:
    """Queue the search that plain values describe; return its id. Raises ParameterError that names every bad field."""
    tags = list(tags)
    problems: dict[str, str] = {}
    request: BacktestRequest | None = None
    try:
        request = request_checked(
            strategy=strategy, params=params, data=data, options=options, name=name, tags=tags, notes=notes
        )
    except ParameterError as error:
        problems |= error.errors
    space: Space | None = None
    if "strategy" not in problems:
        try:
            space = space_of(strategy_get(strategy).params, plan.ranges)
        except SpaceError as error:
            problems |= {
                RANGES if path == RANGES else f"{RANGES}.{path}": words for path, words in error.errors.items()
            }
    problems |= _plan_problems(plan, space)
    if problems or request is None or space is None:
        raise ParameterError(problems)
    return search_start(request, space=space, plan=plan, by=by, name=name, tags=tags, notes=notes, now=now)


def search_start(
    request: BacktestRequest,
    *,
    space: Space,
    plan: SearchPlan,
    by: str,
    name: str = "",
    tags: Iterable[str] = (),
    notes: str = "",
    now: datetime,
) -> int:
    """Store the search with its trials; return its id. Raises ParameterError when too many wait already."""
    request = replace(request, bands=False)  # a search compares parameters, not assumptions
    points = _points(space, plan)
    with transaction.atomic():
        waiting = SearchRun.objects.filter(state__in=[SearchRun.State.QUEUED, SearchRun.State.RUNNING]).count()
        if waiting >= MOST_WAITING:
            raise ParameterError({"strategy": f"{waiting} searches are at work or wait: cancel some, or wait"})
        row = SearchRun.objects.create(
            name=name.strip(),
            by=by,
            tags=tags_clean(tags),
            notes=notes.strip(),
            strategy=request.strategy,
            method=plan.method,
            ranges=[[path, list(values)] for path, values in plan.ranges.items()],
            trials_wanted=len(points),
            seed=plan.seed,
            objective=plan.objective,
            holdout_ppm=plan.holdout_ppm,
            folds=plan.folds,
            request=request.as_json(),
            request_digest=request.digest,
            limits=asdict(profile_limits(request.profile)),
            code_digest=code_digest(),
            created_at=now,
        )
        SearchTrial.objects.bulk_create(
            [
                SearchTrial(search=row, number=number, assignment=None if point is None else list(point))
                for number, point in enumerate(points)
            ],
            batch_size=1_000,
        )
        search_event(row, "search.queued", f"{row} of {row.strategy}, {len(points)} trials, is queued", by=by, now=now)
    return row.pk


def search_cancel(search_id: int, by: str, *, now: datetime) -> bool:
    """End a search now; what was tried is kept. The trial at work notices within seconds. False: it was over."""
    with transaction.atomic():
        row = SearchRun.objects.select_for_update(no_key=True).filter(pk=search_id).first()
        if row is None or row.is_over:
            return False
        row.state, row.ended_at, row.cancel_by = SearchRun.State.CANCELED, now, by
        row.save(update_fields=["state", "ended_at", "cancel_by"])
        search_event(row, "search.canceled", f"{row} of {row.strategy} was cancelled", by=by, now=now)
    return True


def space_from(row: SearchRun) -> Space:
    """Return the space that a stored search is over."""
    return space_of(strategy_get(row.strategy).params, dict(row.ranges))


def search_event(
    row: SearchRun, kind: str, words: str, *, by: str, now: datetime, severity: Severity = Severity.INFO
) -> None:
    event_record(
        kind,
        words[:480],
        severity=severity,
        stream=STREAM,
        subject_kind="search",
        subject_id=row.pk,
        subject_label=str(row),
        actor=by,
        payload={"state": row.state, "trials": row.trials_wanted},
        now=now,
    )


def _points(space: Space, plan: SearchPlan) -> Sequence[Assignment | None]:
    """Return the points to try; None where the sampler will choose."""
    if plan.method == Method.GRID:
        return grid(space)
    if plan.method == Method.RANDOM:
        return draws(space, plan.trials, rng=random.Random(plan.seed))  # noqa: S311 - parameters, not keys
    return [None] * min(plan.trials, space.size)


def _plan_problems(plan: SearchPlan, space: Space | None) -> dict[str, str]:
    from backtests.domain.search.judging import OBJECTIVES

    problems: dict[str, str] = {}
    if plan.method not in Method.values:
        problems["method"] = f"there is no method {plan.method!r:.40}; known: {', '.join(Method.values)}"
    if plan.objective not in OBJECTIVES:
        problems["objective"] = f"there is no objective {plan.objective!r:.40}; known: {', '.join(OBJECTIVES)}"
    if not 1 <= plan.trials <= MOST_TRIALS:
        problems["trials"] = f"between 1 and {MOST_TRIALS:,} are possible"
    if not 0 <= plan.holdout_ppm <= 800_000:
        problems["holdout"] = "at most 80 % of the time can be held out"
    if not 0 <= plan.folds <= MOST_FOLDS:
        problems["folds"] = f"between 0 (none) and {MOST_FOLDS} folds are possible"
    if not 0 <= plan.seed < 2**63:
        problems["seed"] = "a whole number of at least 0 is needed"
    if space is not None and plan.method == Method.GRID and space.size > MOST_TRIALS:
        problems[RANGES] = f"{space.size:,} points are more than {MOST_TRIALS:,}; use larger steps, draws or TPE"
    return problems
