"""Writing down what a strategy decided: the decision row, its words, its hash, and what it remembers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from strategies.domain.base import Decision as Decided
from strategies.domain.cycle import CycleResult, Plan
from strategies.domain.view import MarketView
from strategies.domain.wanted import wanted_hash, wanted_json
from strategies.models import Decision, StrategyState
from strategies.services.prepared import Prepared

TRACE_KEPT = 100
STATE_BYTES = 256_000

__all__ = [
    "StateNotSafe",
    "decision_store",
    "memory_save",
    "wanted_hash",
    "wanted_json",
    "words_of_decision",
    "words_of_result",
]


class StateNotSafe(ValueError):
    """A strategy returned a state that cannot be stored."""


def decision_store(
    item: Prepared,
    decision: Decided,
    view: MarketView,
    *,
    wanted: Sequence[Mapping[str, Any]],
    digest: str,
    trigger: str,
    took_us: int,
) -> Decision:
    return Decision.objects.create(
        strategy_id=item.id,
        run_id=item.run_id,
        at=view.now,
        version=item.origin.version,
        trigger=trigger,
        books={str(outcome_id): book.seq for outcome_id, book in view.books.items()},
        wanted_hash=digest,
        wanted=wanted,
        trace=[entry.as_json() for entry in decision.trace[:TRACE_KEPT]],
        took_us=took_us,
    )


def memory_save(item: Prepared, *, now: datetime) -> None:
    """Store state and cursors as one row. Raises StateNotSafe for what JSON cannot hold."""
    try:
        size = len(json.dumps(item.memory, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StateNotSafe(f"the state of {item.name} is not JSON: {error}") from None
    if size > STATE_BYTES:
        raise StateNotSafe(f"the state of {item.name} has {size} bytes, more than {STATE_BYTES}: remember less")
    version = max(0, item.memory_version) + 1
    StrategyState.objects.bulk_create(
        [
            StrategyState(
                strategy_id=item.id,
                state=dict(item.memory),
                version=version,
                fill_cursor=item.fill_cursor,
                resolved_cursor=item.resolved_cursor,
                updated_at=now,
            )
        ],
        update_conflicts=True,
        unique_fields=["strategy"],
        update_fields=["state", "version", "fill_cursor", "resolved_cursor", "updated_at"],
    )
    item.memory_version = version
    item.dirty = False


def words_of_result(result: CycleResult) -> str:
    """Return what a pass through the gate came to, in words."""
    parts = []
    if placed := len(result.order_ids):
        parts.append(f"{placed} placed")
    if planned := len(result.plan_ids):
        parts.append(f"{planned} {'plan' if planned == 1 else 'plans'} started")
    if result.observed:
        parts.append(f"{len(result.observed)} allowed, not placed")
    if result.plan.kept:
        parts.append(f"{result.plan.kept} kept")
    if cancelled := len(result.plan.stale_order_ids):
        parts.append(f"{cancelled} cancelled")
    if result.refused:
        first = result.refused[0]
        parts.append(f"{len(result.refused)} refused by {first.rule}: {first.message}")
    if result.plan.dropped:
        parts.append(f"{len(result.plan.dropped)} not placed: {result.plan.dropped[0].reason}")
    return "; ".join(parts)[:200] or words_of_decision(result.decision)


def words_of_decision(decision: Decided, plan: Plan | None = None) -> str:
    """Return why nothing new came of an evaluation: the orders rest already, or the first gate that stopped it."""
    if decision.quotes:
        return f"{len(decision.quotes)} quotes rest" if plan is None else f"{plan.kept} quotes rest"
    stopped = next((entry for entry in decision.trace if not entry.passed), None)
    return f"nothing wanted: {stopped.sentence()}"[:200] if stopped else "nothing wanted"
