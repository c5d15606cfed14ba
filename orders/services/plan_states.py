"""The life of a plan's row: its end, its events, and the stops that end many at once.

A plan that has ended places nothing more. Its children live on until they are cancelled or fill, and the row
is looked at until then, so that what it used is counted right.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from orders.domain.plans import PlanState
from orders.models import ExecutionPlan
from orders.selectors.plans import WORKING
from orders.services.accounts import account_lock

_WORD = {
    PlanState.DONE: "is done",
    PlanState.CANCELED: "was cancelled",
    PlanState.EXPIRED: "expired",
    PlanState.FAILED: "failed",
}


def plan_lock(plan_id: int) -> ExecutionPlan:
    """Return the plan, locked after its account; `plan.account` is the locked account."""
    account_id = ExecutionPlan.objects.values_list("account_id", flat=True).get(pk=plan_id)
    account = account_lock(account_id)
    row = ExecutionPlan.objects.select_for_update(of=("self",), no_key=True).get(pk=plan_id)
    row.account = account
    return row


def plan_end(row: ExecutionPlan, state: PlanState, reason: str, *, now: datetime, by: str = "") -> bool:
    """End a locked plan; return whether it was still working."""
    changed = ExecutionPlan.objects.filter(pk=row.pk, state__in=WORKING).update(
        state=state, state_reason=reason[:240], ended_at=now, next_due_at=now
    )
    if not changed:
        return False
    row.state, row.state_reason, row.ended_at, row.next_due_at = state, reason[:240], now, now
    bad = state is PlanState.FAILED
    plan_event(
        row,
        f"plan.{state}",
        f"{plan_label(row)} {_WORD[state]}: {reason}",
        severity=Severity.WARNING if bad else Severity.INFO,
        actor=by,
        now=now,
        payload={"reason": reason},
    )
    return True


@transaction.atomic
def plans_stop(
    account_id: int,
    reason: str,
    by: str,
    now: datetime,
    *,
    origin: tuple[str, int] | None = None,
    market_id: int | None = None,
) -> int:
    """End the account's working plans (of one origin, or with a leg in one market); return how many.

    Whoever cancels orders calls this first: otherwise a plan would place the next child behind the cancel.
    """
    rows = ExecutionPlan.objects.filter(account_id=account_id, state__in=WORKING)
    if origin is not None:
        rows = rows.filter(origin_kind=origin[0], origin_id=origin[1])
    if market_id is not None:
        rows = rows.filter(legs__market_id=market_id)
    ids = list(rows.order_by("id").values_list("pk", flat=True).distinct())
    return sum(plan_end(plan_lock(plan_id), PlanState.CANCELED, reason, now=now, by=by) for plan_id in ids)


def plan_wake(plan_id: int | None, now: datetime) -> None:
    """Let the plan be looked at at once: one of its children ended or traded. In the caller's transaction."""
    if plan_id is not None:
        ExecutionPlan.objects.filter(pk=plan_id).update(next_due_at=now)


def plan_label(row: ExecutionPlan) -> str:
    return f"{row.kind} plan {row.pk} of {row.origin_label}"


def plan_event(
    row: ExecutionPlan,
    kind: str,
    message: str,
    *,
    now: datetime,
    severity: Severity = Severity.INFO,
    actor: str = "",
    payload: dict[str, Any] | None = None,
) -> int:
    """Write one event about the plan to its account's stream."""
    return event_record(
        kind,
        message,
        severity=severity,
        stream=f"account:{row.account_id}",
        account_id=row.account_id,
        subject_kind="plan",
        subject_id=str(row.pk),
        subject_label=f"{row.kind} plan {row.pk}",
        actor=actor or row.origin_label,
        payload={
            "plan_id": row.pk,
            "kind": row.kind,
            "environment": row.account.environment,
            "origin_kind": row.origin_kind,
            "origin_id": row.origin_id,
            "max_cost": str(row.max_cost),
        }
        | (payload or {}),
        now=now,
    )
