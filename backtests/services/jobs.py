"""Asking for backtests, cancelling and repeating them, and what people note about them. Each change is journaled.

Nothing here runs a replay. Callers send the message (`backtests.tasks.run_soon`); a sweep sends what was lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from alerts.services.journal import event_record
from backtests.domain.options import PARAMS, request_load, request_make
from backtests.domain.request import BacktestRequest, DataRef
from backtests.models import BacktestRun
from backtests.services.claims import STREAM, State, run_event
from backtests.services.code_version import code_digest, code_words
from risk.domain.limits import Limits
from risk.selectors.limits import limits_from_row
from risk.selectors.screens import profile_rows
from strategies.domain.parameters import ParameterError, flatten

MOST_WAITING = 200  # runs in the queue; a sweep counts its trials elsewhere
MOST_TAGS = 12
_TAG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")


class JobRefused(ValueError):
    """That cannot be done with this backtest; the message says why."""


def backtest_ask(
    *,
    strategy: str,
    params: Mapping[str, Any],
    data: Iterable[Mapping[str, Any]],
    options: Mapping[str, Any],
    by: str,
    name: str = "",
    tags: Iterable[str] = (),
    notes: str = "",
    now: datetime,
) -> int:
    """Queue the run that plain values describe; return its id. Raises ParameterError that names every bad field."""
    request = request_checked(
        strategy=strategy, params=params, data=data, options=options, name=name, tags=tags, notes=notes
    )
    return backtest_start(request, by=by, name=name, tags=tags, notes=notes, now=now)


def request_checked(
    *,
    strategy: str,
    params: Mapping[str, Any],
    data: Iterable[Mapping[str, Any]],
    options: Mapping[str, Any],
    name: str = "",
    tags: Iterable[str] = (),
    notes: str = "",
) -> BacktestRequest:
    """Return the request that plain values describe, its recordings and its profile looked up.

    Raises ParameterError that names every bad field.
    """
    problems: dict[str, str] = {}
    request: BacktestRequest | None = None
    try:
        request = request_make(strategy=strategy, params=params, data=list(data), options=options)
    except ParameterError as error:
        problems |= error.errors
    problems |= _about_problems(name, tags, notes)
    profile = str(options.get("profile", "moderate"))
    if "profile" not in problems and profile not in profile_names():
        problems["profile"] = f"there is no risk profile {profile!r:.60}; known: {', '.join(profile_names())}"
    if request is not None:
        problems |= data_problems(request.data)
        problems |= {f"{PARAMS}.{path}": "has a character that cannot be stored" for path in _unstorable(request)}
    if problems or request is None:
        raise ParameterError(problems)
    return request


def backtest_start(
    request: BacktestRequest,
    *,
    by: str,
    name: str = "",
    tags: Iterable[str] = (),
    notes: str = "",
    parent: BacktestRun | None = None,
    differences: Iterable[str] = (),
    limits: Mapping[str, Any] | None = None,
    now: datetime,
) -> int:
    """Queue a run and return its id. Raises ParameterError for a name, tag or profile that cannot be."""
    tags = tags_clean(tags)
    if problems := _about_problems(name, tags, notes):
        raise ParameterError(problems)
    with transaction.atomic():
        if BacktestRun.objects.filter(state=State.QUEUED).count() >= MOST_WAITING:
            raise ParameterError({"strategy": f"{MOST_WAITING} backtests wait already: cancel some, or wait"})
        row = BacktestRun.objects.create(
            name=name.strip(),
            by=by,
            tags=tags,
            notes=notes.strip(),
            strategy=request.strategy,
            mode=str(request.mode),
            seed=request.seed,
            request=request.as_json(),
            request_digest=request.digest,
            limits=dict(limits) if limits is not None else asdict(profile_limits(request.profile)),
            parent=parent,
            differences=list(differences),
            created_at=now,
            words="waits for its turn",
        )
        words = f"{row} of {row.strategy} over {len(request.data)} recordings is queued"
        _event(row, "backtest.queued", words, by=by, now=now)
    return row.pk


def backtest_cancel(run_id: int, by: str, *, now: datetime) -> bool:
    """Ask for the end of a run; it keeps what it has so far. False: it was over, or somebody asked before."""
    with transaction.atomic():
        row = BacktestRun.objects.select_for_update(no_key=True).get(pk=run_id)
        if row.is_over or row.cancel_requested_at is not None:
            return False
        row.cancel_requested_at, row.cancel_by = now, by
        if row.state == State.QUEUED:  # nobody runs it: it is over here and now
            row.state, row.ended_at, row.words = State.CANCELED, now, ""
            row.error = "cancelled before it began"
            row.save(update_fields=["state", "ended_at", "words", "error", "cancel_requested_at", "cancel_by"])
            run_event(row, now=now)
            return True
        row.save(update_fields=["cancel_requested_at", "cancel_by"])
        _event(row, "backtest.cancel_asked", f"{row} is asked to end", by=by, now=now)
    return True


def backtest_rerun(run_id: int, by: str, *, now: datetime) -> int:
    """Queue the same request again, with the same limits; what is no longer as it was is told on the new run."""
    row = BacktestRun.objects.get(pk=run_id)
    request = request_load(row.request)
    data = tuple(replace(ref, digest="") for ref in request.data)
    return backtest_start(
        replace(request, data=data),
        by=by,
        name=row.name,
        tags=row.tags,
        notes="",
        parent=row,
        differences=differences_since(row, request),
        limits=row.limits,
        now=now,
    )


def differences_since(row: BacktestRun, request: BacktestRequest) -> list[str]:
    """Say what changed since a run: code, recordings and, for information, the profile it took its limits from."""
    found: list[str] = []
    if row.code_digest and row.code_digest != code_digest():
        found.append(f"the code is another: {code_words()} instead of {row.code}")
    elif not row.code_digest:
        found.append("the run before never started, so its code is not known")
    before = {(item["market"], item["day"]): item["digest"] for item in row.data}
    current = recordings(request.data)
    for ref in request.data:
        was, is_now = before.get((ref.market, ref.day)), current.get((ref.market, ref.day))
        if is_now is None:
            found.append(f"{ref.market} of {ref.day} is no longer in the archive")
        elif was and was != is_now:
            found.append(f"{ref.market} of {ref.day} was recorded or imported again: {is_now[:12]}, not {was[:12]}")
    if request.profile not in profile_names():
        found.append(f"the profile {request.profile} is gone; its limits are taken from the run before")
    elif asdict(profile_limits(request.profile)) != dict(row.limits):
        found.append(f"the profile {request.profile} has other limits now; those of the run before are used")
    return found


@transaction.atomic
def backtest_edit(
    run_id: int,
    *,
    by: str,
    name: str | None = None,
    tags: Iterable[str] | None = None,
    notes: str | None = None,
    now: datetime,
) -> bool:
    """Change what people say about a run; return whether that changed anything. Raises ParameterError."""
    row = BacktestRun.objects.select_for_update(no_key=True).get(pk=run_id)
    before = (row.name, row.tags, row.notes)
    row.name = row.name if name is None else name.strip()
    row.tags = row.tags if tags is None else tags_clean(tags)
    row.notes = row.notes if notes is None else notes.strip()
    if problems := _about_problems(row.name, row.tags, row.notes):
        raise ParameterError(problems)
    if (row.name, row.tags, row.notes) == before:
        return False
    row.save(update_fields=["name", "tags", "notes"])
    _event(row, "backtest.edited", f"{row}: name, tags or notes were changed", by=by, now=now)
    return True


def profile_names() -> list[str]:
    return [row.name for row in profile_rows()]


def profile_limits(name: str) -> Limits:
    """Return a profile's limits. Raises ParameterError when there is none of that name."""
    for row in profile_rows():
        if row.name == name:
            return limits_from_row(row)
    raise ParameterError({"profile": f"there is no risk profile {name!r:.60}; known: {', '.join(profile_names())}"})


def recordings(refs: Iterable[DataRef]) -> dict[tuple[str, str], str]:
    """Return the digests of those recordings that the archive has."""
    from markets.selectors import archive  # numpy comes with it: only when somebody asks

    found: dict[tuple[str, str], str] = {}
    for ref in refs:
        try:
            found[ref.market, ref.day] = archive.tape_info(ref.market, ref.day).digest
        except archive.ArchiveError:
            continue
    return found


def data_problems(refs: tuple[DataRef, ...]) -> dict[str, str]:
    """Return what is wrong with the recordings of a request, under the name of its field."""
    found = recordings(refs)
    missing = [f"{ref.market} of {ref.day}" for ref in refs if (ref.market, ref.day) not in found]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        return {"data": f"the archive has no {', '.join(missing[:3])}{more}; the data page lists what there is"}
    changed = [ref for ref in refs if ref.digest and ref.digest != found[ref.market, ref.day]]
    if changed:
        ref = changed[0]
        return {"data": f"{ref.market} of {ref.day} is not the recording that was asked for: its digest differs"}
    return {}


def _unstorable(request: BacktestRequest) -> list[str]:
    """Return the paths of parameters with a NUL in them, which Postgres takes in no text."""
    return [path for path, value in flatten(request.params).items() if "\0" in str(value) or "\\x00" in str(value)]


def tags_clean(tags: Iterable[str]) -> list[str]:
    """Return tags as stored: lower case, each once, in the order given."""
    return list(dict.fromkeys(word for tag in tags if (word := str(tag).strip().lower())))


def _about_problems(name: str, tags: Iterable[str], notes: str) -> dict[str, str]:
    problems: dict[str, str] = {}
    tags = tags_clean(tags)
    if len(name.strip()) > 120 or any(ord(letter) < 32 for letter in name):
        problems["name"] = "use one line of 120 characters at most"
    if len(tags) > MOST_TAGS or any(not _TAG.fullmatch(tag) for tag in tags):
        problems["tags"] = f"use at most {MOST_TAGS} words of letters, digits, - _ and ."
    if len(notes) > 20_000 or "\0" in notes:
        problems["notes"] = "use at most 20,000 characters that can be read"
    return problems


def _event(row: BacktestRun, kind: str, words: str, *, by: str, now: datetime) -> None:
    event_record(
        kind,
        words,
        stream=STREAM,
        subject_kind="backtest",
        subject_id=row.pk,
        subject_label=str(row),
        actor=by,
        now=now,
    )
