"""Storing an approved envelope. Only the risk gate opens one, and `plans` one that undoes a failed basket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from django.db import transaction

from markets.domain.instruments import MarketFacts, Side
from markets.domain.units import decimal_from_micro, text_from_micro
from orders.domain.closing import ATTEMPTS
from orders.domain.drafts import PlanDraft, expires_at, undo_stake, worst_loss
from orders.domain.intents import OriginKind
from orders.domain.plans import Leg, PlanKind, Unwinding, cost_bound
from orders.models import Account, ExecutionPlan, PlanLeg
from orders.services.plan_states import plan_event, plan_label

UNWIND_LIFE_S = 600  # bought shares may have to settle first


@transaction.atomic
def plan_create(
    *,
    account: Account,
    draft: PlanDraft,
    sizes: Mapping[str, int],
    verdict_ids: Sequence[int],
    facts: Mapping[int, MarketFacts],
    by: str,
    now: datetime,
) -> int:
    """Store the plan with what the gate allowed of each placement (`sizes`, by key; missing: none of it).

    The same draft again returns the plan that it made. Writes `plan.started`. The caller holds the account.
    """
    known = ExecutionPlan.objects.filter(key=draft.key).values_list("pk", flat=True).first()
    if known is not None:
        return known
    placements = [p for p in draft.placements if sizes.get(p.key)]
    legs = [
        Leg(
            number=number,
            market_id=p.market_id,
            outcome_id=p.outcome_id,
            side=p.side,
            size=sizes[p.key],
            worst_price=p.price,
        )
        for number, p in enumerate(placements)
    ]
    fees = {market_id: known.fee for market_id, known in facts.items()}
    origin = draft.origin or placements[0].origin
    cost = cost_bound(legs, fees, orders=draft.orders)
    bound = min(draft.unwind_bound, cost + undo_stake(placements, sizes))
    row = ExecutionPlan.objects.create(
        key=draft.key,
        account=account,
        kind=draft.kind,
        max_cost=decimal_from_micro(cost),
        max_loss=decimal_from_micro(max(worst_loss(placements, sizes), cost, bound)),
        unwind_bound=decimal_from_micro(bound),
        expires_at=expires_at(draft, now),
        next_due_at=now,
        parameters={**draft.parameters, "verdicts": list(verdict_ids)},
        origin_kind=origin.kind,
        origin_id=origin.id,
        origin_label=origin.label[:120],
        origin_run_id=origin.run_id,
        decision_id=origin.decision_id,
        verdict_id=verdict_ids[0] if verdict_ids else 0,
        reason=draft.reason[:240],
        created_at=now,
    )
    _legs_store(row, legs)
    _started(row, legs, by=by, now=now)
    return row.pk


@transaction.atomic
def unwind_create(parent: ExecutionPlan, undo: Sequence[Unwinding], *, now: datetime) -> int:
    """Store the plan that trades one side of a failed basket back, inside the bound that the gate approved with it.

    `undo` is of one side: purchases are an entry and end where entries may not go on, sales need not. What is
    bought back was held when the gate approved the basket, and costs what its sale brought and its share of the
    bound at most.
    """
    side = undo[0].side
    key = uuid5(NAMESPACE_OID, f"{'unwind' if side is Side.SELL else 'buyback'}:{parent.key}")
    known = ExecutionPlan.objects.filter(key=key).values_list("pk", flat=True).first()
    if known is not None:
        return known
    legs = [
        Leg(
            number=number,
            market_id=item.market_id,
            outcome_id=item.outcome_id,
            side=item.side,
            size=item.size,
            worst_price=item.worst_price,
        )
        for number, item in enumerate(undo)
    ]
    row = ExecutionPlan.objects.create(
        key=key,
        account=parent.account,
        kind=PlanKind.UNWIND,
        max_cost=decimal_from_micro(sum(item.may_cost for item in undo)),
        max_loss=parent.unwind_bound,
        expires_at=now + timedelta(seconds=UNWIND_LIFE_S),
        next_due_at=now,
        parameters={"attempts": 20 if side is Side.SELL else ATTEMPTS},
        origin_kind=parent.origin_kind,
        origin_id=parent.origin_id,
        origin_label=parent.origin_label,
        origin_run_id=parent.origin_run_id,
        decision_id=parent.decision_id,
        verdict_id=parent.verdict_id,
        parent=parent,
        reason=f"undoes plan {parent.pk}",
        created_at=now,
    )
    _legs_store(row, legs)
    _started(row, legs, by="", now=now)
    return row.pk


def _legs_store(row: ExecutionPlan, legs: Sequence[Leg]) -> None:
    PlanLeg.objects.bulk_create(
        PlanLeg(
            plan=row,
            number=leg.number,
            market_id=leg.market_id,
            outcome_id=leg.outcome_id,
            side=leg.side,
            size=decimal_from_micro(leg.size),
            worst_price=decimal_from_micro(leg.worst_price),
        )
        for leg in legs
    )


def _started(row: ExecutionPlan, legs: Sequence[Leg], *, by: str, now: datetime) -> None:
    words = "; ".join(
        f"{leg.side} {text_from_micro(leg.size)}, {'up' if leg.side is Side.BUY else 'down'} to"
        f" {text_from_micro(leg.worst_price)}"
        for leg in legs[:4]
    )
    payload: dict[str, Any] = {
        "legs": [
            {
                "outcome_id": leg.outcome_id,
                "side": str(leg.side),
                "size": text_from_micro(leg.size),
                "worst_price": text_from_micro(leg.worst_price),
            }
            for leg in legs
        ],
        "expires_at": row.expires_at.isoformat(),
    }
    actor = by if row.origin_kind != OriginKind.STRATEGY else ""
    plan_event(row, "plan.started", f"{plan_label(row)} started: {words}", actor=actor, now=now, payload=payload)
