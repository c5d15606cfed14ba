"""What pages and the API read of parameter searches. No numpy: summaries are stored as plain values."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from backtests.models import SearchRun, SearchTrial

STATES = SearchRun.State
UNFINISHED = (STATES.QUEUED, STATES.RUNNING)


def search_rows(*, text: str = "", state: str = "") -> QuerySet[SearchRun]:
    """Return searches for a list, each with `done` and `failed` trials counted."""
    rows = SearchRun.objects.defer("summary", "request", "limits", "notes").annotate(
        done=Count("trials", filter=Q(trials__state="done", trials__phase="search")),
        failed_trials=Count("trials", filter=Q(trials__state="failed", trials__phase="search")),
    )
    if state:
        rows = rows.filter(state=state)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(strategy__icontains=text) | Q(by__icontains=text))
    return rows


def search_get(search_id: int) -> SearchRun | None:
    return SearchRun.objects.filter(pk=search_id).first()


def trial_counts(search_id: int) -> dict[str, int]:
    """Return how many trials of the search phase are in each state."""
    rows = SearchTrial.objects.filter(search_id=search_id, phase=SearchTrial.Phase.SEARCH)
    return dict(rows.order_by().values_list("state").annotate(count=Count("pk")))


def trial_rows(search_id: int, *, most: int = 50) -> list[SearchTrial]:
    """Return the finished trials, best first; those without an objective last."""
    rows = SearchTrial.objects.filter(search_id=search_id, phase=SearchTrial.Phase.SEARCH, state="done")
    return list(rows.defer("bins").order_by("-objective", "number").exclude(objective=None)[:most])


def failed_trials(search_id: int, *, most: int = 10) -> list[SearchTrial]:
    rows = SearchTrial.objects.filter(search_id=search_id, state="failed").defer("bins")
    return list(rows.order_by("phase", "number")[:most])


def unfinished_searches() -> frozenset[int]:
    return frozenset(SearchRun.objects.filter(state__in=UNFINISHED).values_list("pk", flat=True))
