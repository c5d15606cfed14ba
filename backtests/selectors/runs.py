"""What pages and the API read of backtests. No columns and no numpy: those lie in files, for whoever replays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from backtests.models import BacktestRun

STATES = BacktestRun.State
UNFINISHED = (STATES.QUEUED, STATES.RUNNING)
_LARGE = ("report", "request", "limits", "notes")  # what no list shows
_RECENT = 20  # finished runs that an estimate is made from


def run_rows(*, states: Iterable[str] = (), strategy: str = "", tag: str = "", text: str = "") -> QuerySet[BacktestRun]:
    """Return runs for a list; `text` looks into names, tags, people and strategies."""
    rows = BacktestRun.objects.defer(*_LARGE)
    wanted = list(states)
    if wanted:
        rows = rows.filter(state__in=wanted)
    if strategy:
        rows = rows.filter(strategy=strategy)
    if tag:
        rows = rows.filter(tags__contains=[tag])
    if text:
        found = Q(name__icontains=text) | Q(strategy__icontains=text) | Q(by__icontains=text)
        rows = rows.filter(found | Q(tags__contains=[text.lower()]))
    return rows


def run_get(run_id: int) -> BacktestRun | None:
    return BacktestRun.objects.select_related("parent").filter(pk=run_id).first()


def state_counts(rows: QuerySet[BacktestRun]) -> dict[str, int]:
    counted = rows.order_by().values_list("state").annotate(count=Count("pk"))
    return dict(counted)


def tag_counts(*, most: int = 12) -> list[tuple[str, int]]:
    """Return the tags in use, the most used first. Read of the newest runs."""
    counts: dict[str, int] = {}
    for tags in BacktestRun.objects.exclude(tags=[]).order_by("-pk").values_list("tags", flat=True)[:500]:
        for tag in tags:
            counts[tag] = counts.get(tag, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]


def rerun_rows(run_id: int) -> list[BacktestRun]:
    return list(BacktestRun.objects.defer(*_LARGE).filter(parent_id=run_id).order_by("-pk")[:10])


def waiting_before(row: BacktestRun) -> int:
    """Return how many runs stand before a queued one, the running one included."""
    return BacktestRun.objects.filter(Q(state=STATES.RUNNING) | Q(state=STATES.QUEUED, pk__lt=row.pk)).count()


def unfinished_ids() -> frozenset[int]:
    """Return the runs that wait or are at work: what open pages follow."""
    return frozenset(BacktestRun.objects.filter(state__in=UNFINISHED).values_list("pk", flat=True))


def events_per_second(*, mode: str, strategy: str) -> tuple[float, int] | None:
    """Return (rows a second, runs it was measured on) of recent replays like this; None before the first one."""
    done = BacktestRun.objects.filter(state=STATES.DONE, mode=mode, events__gt=0, replay_s__gt=0).order_by("-pk")
    for rows in (done.filter(strategy=strategy), done):
        measured = list(rows.values_list("events", "replay_s")[:_RECENT])
        if measured:
            return sum(events for events, _ in measured) / sum(seconds for _, seconds in measured), len(measured)
    return None


def trades_path(run_id: int) -> Path | None:
    """Return the file of a run's trades, or None when there is none."""
    path = Path(settings.POLYBOT_DATA) / "backtests" / str(int(run_id)) / "trades.csv"
    return path if path.is_file() else None
