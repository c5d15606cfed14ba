"""One run of a strategy as values, for whoever repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from strategies.models import StrategyRun, UniverseMember


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    run_id: int
    strategy_id: int
    name: str
    strategy: str  # its class, a name in the registry
    account_id: int
    parameters: Mapping[str, Any]
    interval_s: int
    market_ids: tuple[int, ...]  # of its universe as it is now
    started_at: datetime
    ended_at: datetime | None


def run_facts(run_id: int) -> RunFacts | None:
    """Return a run; None when there is none of that number."""
    row = StrategyRun.objects.select_related("strategy").filter(pk=run_id).first()
    if row is None:
        return None
    members = UniverseMember.objects.filter(strategy_id=row.strategy_id, included=True)
    return RunFacts(
        run_id=row.pk,
        strategy_id=row.strategy_id,
        name=row.strategy.name,
        strategy=row.strategy.strategy_class,
        account_id=row.strategy.account_id,
        parameters=row.parameters,
        interval_s=row.strategy.interval_s,
        market_ids=tuple(members.order_by("market_id").values_list("market_id", flat=True)),
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def runs_of_account(account_id: int, *, most: int = 50) -> list[tuple[int, str, datetime, datetime | None, int]]:
    """Return (run, strategy's name, start, end, ticks) of an account's runs, newest first."""
    rows = StrategyRun.objects.select_related("strategy").filter(strategy__account_id=account_id).order_by("-pk")
    return [(row.pk, row.strategy.name, row.started_at, row.ended_at, row.ticks) for row in rows[:most]]
