"""What the desk's pages read of strategies: rows, versions, decisions, gate counts.

Querysets and plain values; parameters stay as stored JSON and are described by the schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from strategies.models import Decision, GateCount, StrategyConfig, StrategyRun, StrategyVersion, UniverseMember

RUNNING = (StrategyConfig.State.RUNNING, StrategyConfig.State.OBSERVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTotal:
    gate: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotals:
    """What the runs of some strategies have evaluated since a moment."""

    ticks: int
    unchanged: int
    errors: int


def strategy_rows(account_id: int) -> QuerySet[StrategyConfig]:
    return StrategyConfig.objects.filter(account_id=account_id).select_related("owner").order_by("name")


def running_count(account_id: int) -> int:
    return StrategyConfig.objects.filter(account_id=account_id, state__in=RUNNING).count()


def strategy_get(strategy_id: int, *, account_ids: Iterable[int]) -> StrategyConfig | None:
    return StrategyConfig.objects.filter(pk=strategy_id, account_id__in=list(account_ids)).first()


def strategy_by_name(name: str, *, account_ids: Iterable[int]) -> StrategyConfig | None:
    return StrategyConfig.objects.filter(name=name, account_id__in=list(account_ids)).first()


def version_rows(strategy_id: int, *, limit: int = 30) -> list[StrategyVersion]:
    """Return versions, newest first; one more than shown, so that the oldest shown can be compared."""
    return list(StrategyVersion.objects.filter(strategy_id=strategy_id).order_by("-version")[: limit + 1])


def run_rows(strategy_id: int, *, limit: int = 10) -> list[StrategyRun]:
    return list(StrategyRun.objects.filter(strategy_id=strategy_id).order_by("-id")[:limit])


def decision_rows(
    *, strategy_id: int | None = None, account_id: int | None = None, text: str = ""
) -> QuerySet[Decision]:
    rows = Decision.objects.select_related("strategy")
    if strategy_id is not None:
        rows = rows.filter(strategy_id=strategy_id)
    if account_id is not None:
        rows = rows.filter(strategy__account_id=account_id)
    if text:
        rows = rows.filter(outcome__icontains=text)
    return rows.order_by("-id")


def decision_get(decision_id: int) -> Decision | None:
    return Decision.objects.filter(pk=decision_id).select_related("strategy").first()


def decisions_on_outcomes(account_id: int, outcome_ids: Iterable[int], *, limit: int = 12) -> list[Decision]:
    """Return the newest decisions that saw one of the outcomes' books."""
    seen = Q()
    for outcome_id in outcome_ids:
        seen |= Q(books__has_key=str(outcome_id))
    if not seen:
        return []
    rows = Decision.objects.filter(seen, strategy__account_id=account_id).select_related("strategy")
    return list(rows.order_by("-id")[:limit])


def gate_totals(account_id: int, *, since: datetime, strategy_id: int | None = None) -> list[GateTotal]:
    """Return how often each gate blocked since the hour of `since`, most often first."""
    hour = since.replace(minute=0, second=0, microsecond=0)
    rows = GateCount.objects.filter(strategy__account_id=account_id, hour__gte=hour)
    if strategy_id is not None:
        rows = rows.filter(strategy_id=strategy_id)
    totals = rows.values_list("gate").annotate(total=Sum("count")).order_by("-total", "gate")
    return [GateTotal(gate=gate, count=total) for gate, total in totals]


def run_totals(account_id: int, *, since: datetime, strategy_id: int | None = None) -> RunTotals:
    """Return the ticks of the runs that were open at some time since then. Runs keep counts, not times."""
    rows = StrategyRun.objects.filter(strategy__account_id=account_id).filter(
        Q(ended_at__isnull=True) | Q(ended_at__gte=since)
    )
    if strategy_id is not None:
        rows = rows.filter(strategy_id=strategy_id)
    found = rows.aggregate(
        ticks=Coalesce(Sum("ticks"), 0), unchanged=Coalesce(Sum("unchanged"), 0), errors=Coalesce(Sum("errors"), 0)
    )
    return RunTotals(**found)


def decision_counts(account_id: int, *, since: datetime) -> dict[int, int]:
    """Return the number of recorded decisions per strategy since then."""
    rows = Decision.objects.filter(strategy__account_id=account_id, at__gte=since)
    return dict(rows.values_list("strategy_id").annotate(n=Count("id")))


def universe_rows(strategy_id: int) -> QuerySet[UniverseMember]:
    return UniverseMember.objects.filter(strategy_id=strategy_id).order_by("-included", "reason", "market_id")


def strategies_watching(market_id: int, *, account_id: int) -> list[StrategyConfig]:
    """Return the account's strategies whose universe holds the market."""
    rows = StrategyConfig.objects.filter(account_id=account_id, universe__market_id=market_id, universe__included=True)
    return list(rows.order_by("name"))


def last_tick_at() -> datetime | None:
    """Return when any strategy ticked last: when it moved, the lists of strategies did."""
    return StrategyConfig.objects.aggregate(at=Max("ticked_at"))["at"]
