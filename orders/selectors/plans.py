"""Execution plans as the core's values, and what pages and the gate read of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q, QuerySet

from alerts.selectors.statements import rows_read
from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, micro_from_decimal
from orders.domain.intents import INTENT_LEVEL, OpenOrder, OrderType, Origin, OriginKind
from orders.domain.lifecycle import TERMINAL, OrderState
from orders.domain.plans import Child, Leg, Phase, Plan, PlanKind, PlanState
from orders.models import ExecutionPlan, Fill, Order, PlanLeg
from orders.selectors.rows import fill_of

_ACTIVE = "SELECT 1 FROM orders_executionplan WHERE account_id = %s AND state = 'active' LIMIT 1"

WORKING = (ExecutionPlan.State.ACTIVE, ExecutionPlan.State.UNWINDING)
_UNKNOWN = frozenset({OrderState.UNKNOWN, OrderState.QUARANTINED})


def plan_core(row: ExecutionPlan, legs: Sequence[PlanLeg]) -> Plan:
    return Plan(
        kind=PlanKind(row.kind),
        state=PlanState(row.state),
        legs=tuple(leg_of(leg) for leg in legs),
        created_ms=milliseconds(row.created_at),
        expires_ms=milliseconds(row.expires_at),
        max_cost=micro_from_decimal(row.max_cost),
        unwind_bound=micro_from_decimal(row.unwind_bound),
        parameters=row.parameters,
    )


def leg_of(row: PlanLeg) -> Leg:
    return Leg(
        number=row.number,
        market_id=row.market_id,
        outcome_id=row.outcome_id,
        side=Side(row.side),
        size=micro_from_decimal(row.size),
        worst_price=micro_from_decimal(row.worst_price),
    )


def children_of(plan_id: int) -> list[Child]:
    """Return the plan's orders as they stand, in the order they were made."""
    rows = list(Order.objects.filter(plan_id=plan_id).select_related("plan_leg").order_by("id"))
    fills: dict[int, list[Fill]] = {}
    for fill in Fill.objects.filter(order__plan_id=plan_id):
        fills.setdefault(fill.order_id, []).append(fill)
    return [child_of(row, fills.get(row.pk, ()), leg=row.plan_leg.number if row.plan_leg else 0) for row in rows]


def child_of(row: Order, fills: Iterable[Fill], *, leg: int = 0) -> Child:
    kept = [fill_of(fill) for fill in fills if not fill.voided]
    voided = sum(micro_from_decimal(fill.size) for fill in fills if fill.voided)
    state = OrderState(row.state)
    return Child(
        order_id=row.pk,
        leg=leg,
        price=micro_from_decimal(row.price),
        size=micro_from_decimal(row.size),
        phase=Phase.ENDED if state in TERMINAL else Phase.UNKNOWN if state in _UNKNOWN else Phase.WORKING,
        filled=micro_from_decimal(row.filled_size),
        voided=voided,
        paid=abs(sum(fill.cash_change for fill in kept)),
        reserved=micro_from_decimal(row.reserved),
        ending=row.cancel_requested_at is not None,
        created_ms=milliseconds(row.created_at),
    )


def order_as_child(order_id: int, account_id: int) -> Child | None:
    """Return any order of the account as a child: the one that a replacement waits for."""
    row = Order.objects.filter(pk=order_id, account_id=account_id).first()
    return None if row is None else child_of(row, list(Fill.objects.filter(order_id=order_id)))


def plan_replacing(order_id: int) -> int | None:
    """Return the working plan that replaces this order already."""
    rows = ExecutionPlan.objects.filter(kind=PlanKind.REPLACE, state__in=WORKING, parameters__replaces=order_id)
    return rows.values_list("pk", flat=True).first()


def planned_orders(account_id: int) -> tuple[OpenOrder, ...]:
    """Return what the account's plans may still order, each leg as an order at its worst price in state NEW.

    The gate counts them like open orders: an approved envelope is promised, whatever of it is out now.
    Their ids are negative.
    """
    if not rows_read(_ACTIVE, account_id):
        return ()
    legs = PlanLeg.objects.filter(plan__account_id=account_id, plan__state=ExecutionPlan.State.ACTIVE)
    out = []
    for leg in legs.select_related("plan").order_by("plan_id", "number"):
        size = micro_from_decimal(leg.size - leg.ordered)
        if size <= 0:
            continue
        plan = leg.plan
        rests = plan.kind == PlanKind.REPLACE and OrderType(plan.parameters["order_type"]).rests
        out.append(
            OpenOrder(
                order_id=-leg.pk,
                key=str(plan.key),
                market_id=leg.market_id,
                outcome_id=leg.outcome_id,
                side=Side(leg.side),
                price=Price(micro_from_decimal(leg.worst_price)),
                size=Shares(size),
                filled=Shares(0),
                order_type=OrderType.GTC if rests else OrderType.FAK,
                post_only=bool(plan.parameters.get("post_only")) and rests,
                state=OrderState.NEW,
                origin=origin_of(plan),
                created_at=plan.created_at,
                level=INTENT_LEVEL,
            )
        )
    return tuple(out)


def origin_of(row: ExecutionPlan) -> Origin:
    return Origin(
        kind=OriginKind(row.origin_kind),
        id=row.origin_id,
        label=row.origin_label,
        run_id=row.origin_run_id,
        decision_id=row.decision_id,
    )


def plan_by_key(key: str) -> int | None:
    return ExecutionPlan.objects.filter(key=key).values_list("pk", flat=True).first()


def plans_due(now: datetime, *, limit: int = 200) -> list[int]:
    """Return the plans to look at now. One that is over is looked at until its last child has ended."""
    rows = ExecutionPlan.objects.filter(next_due_at__lte=now)
    return list(rows.order_by("next_due_at", "id").values_list("pk", flat=True)[:limit])


# Pages and API --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStory:
    """One plan with its legs and children, oldest first."""

    row: ExecutionPlan
    legs: list[PlanLeg]
    children: list[Order]

    @property
    def filled(self) -> Decimal:
        return sum((leg.filled for leg in self.legs), Decimal(0))

    @property
    def size(self) -> Decimal:
        return sum((leg.size for leg in self.legs), Decimal(0))


def plan_rows(
    account_ids: Iterable[int], *, working: bool | None = None, origin: tuple[str, int] | None = None
) -> QuerySet[ExecutionPlan]:
    """Return plans, newest first; `working` tells those that may still place orders from those that are over."""
    rows = ExecutionPlan.objects.filter(account_id__in=list(account_ids))
    if working is not None:
        condition = Q(state__in=WORKING)
        rows = rows.filter(condition if working else ~condition)
    if origin is not None:
        rows = rows.filter(origin_kind=origin[0], origin_id=origin[1])
    return rows.prefetch_related("legs__market", "legs__outcome", "orders").order_by("-id")


def plan_story(plan_id: int, *, account_ids: Iterable[int]) -> PlanStory | None:
    """Return a plan's parts, or None when it is not on one of these accounts."""
    row = ExecutionPlan.objects.filter(pk=plan_id, account_id__in=list(account_ids)).first()
    if row is None:
        return None
    legs = PlanLeg.objects.filter(plan=row).select_related("market", "outcome").order_by("number")
    children = Order.objects.filter(plan=row).select_related("market", "outcome").order_by("id")
    return PlanStory(row=row, legs=list(legs), children=list(children))


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
