"""Child orders: made inside an approved envelope, refused outside it in the transaction that reserves.

The conditional updates count the child's size on its leg and its cost on the plan; the tables' own CHECKs
repeat both bounds. The caller holds the account's lock.
"""

from __future__ import annotations

import hashlib
import random
from datetime import datetime

from django.db import transaction
from django.db.models import F

from markets.domain.instruments import MarketFacts, Side
from markets.domain.units import Price, Shares, decimal_from_micro, micro_from_decimal, text_from_micro
from orders.domain.intents import INTENT_LEVEL, Placement
from orders.domain.keys import new_key
from orders.domain.plans import Child, Place, Plan, committed, filled, used
from orders.models import ExecutionPlan, Order, PlanLeg
from orders.selectors.plans import origin_of
from orders.services.placement import order_create


class OutsideEnvelope(ValueError):
    """The child would leave what the gate approved; nothing was written."""


@transaction.atomic
def child_create(row: ExecutionPlan, place: Place, *, now: datetime, facts: MarketFacts | None = None) -> int:
    """Create one child of a locked plan and return its id; the same number is the same order.

    Raises OutsideEnvelope, or ReservationError when cash or shares are missing.
    """
    key = child_key(row, place.number)
    known = Order.objects.filter(client_key=key).values_list("pk", flat=True).first()
    if known is not None:
        return known
    leg = PlanLeg.objects.filter(plan=row, number=place.leg).first()
    if leg is None:
        raise OutsideEnvelope(f"plan {row.pk} has no leg {place.leg}")
    price, size = decimal_from_micro(place.price), decimal_from_micro(place.size)
    beyond = {"worst_price__gte": price} if leg.side == Side.BUY else {"worst_price__lte": price}
    counted = PlanLeg.objects.filter(pk=leg.pk, size__gte=F("ordered") + size, **beyond)
    if not counted.update(ordered=F("ordered") + size):
        raise OutsideEnvelope(
            f"{leg.side} {text_from_micro(place.size)} at {text_from_micro(place.price)} is outside leg {place.leg + 1}"
            f" of plan {row.pk}"
        )
    order_id = order_create(
        account=row.account,
        placement=Placement(
            key=key,
            market_id=leg.market_id,
            outcome_id=leg.outcome_id,
            side=Side(leg.side),
            price=Price(place.price),
            size=Shares(place.size),
            order_type=place.order_type,
            post_only=place.post_only,
            origin=origin_of(row),
            created_at=now,
            level=INTENT_LEVEL,
            reason=f"{row.kind}, order {place.number + 1}: {row.reason}",
            marketable=not place.order_type.rests,
            replaces_order_id=row.parameters.get("replaces"),
        ),
        size=place.size,
        verdict_id=row.verdict_id,
        now=now,
        facts=facts,
        plan_id=row.pk,
        plan_leg_id=leg.pk,
    )
    cost = Order.objects.values_list("reserved", flat=True).get(pk=order_id) if leg.side == Side.BUY else 0
    open_plan = ExecutionPlan.objects.filter(
        pk=row.pk, state=ExecutionPlan.State.ACTIVE, expires_at__gt=now, max_cost__gte=F("committed") + cost
    )
    if not open_plan.update(committed=F("committed") + cost):
        raise OutsideEnvelope(f"plan {row.pk} is over, or ${cost} more would pass its ${row.max_cost}")
    return order_id


def child_key(row: ExecutionPlan, number: int) -> str:
    """Return the child's identity: a UUIDv7 that follows from the plan's key and the child's number."""
    seed = hashlib.sha256(f"{row.key}:{number}".encode()).digest()
    return new_key(now=row.created_at, bits=random.Random(seed))  # noqa: S311 - derived, not secret


def plan_recount(row: ExecutionPlan, plan: Plan, children: list[Child]) -> int:
    """Store what the plan's legs have used and cost by its children's rows; return the size beyond the envelope.

    Only a fill that came after its order's end can go beyond: the bounds of the row are then full.
    """
    beyond = 0
    for leg in plan.legs:
        done, taken = filled(children, leg.number), used(children, leg.number)
        beyond += max(0, taken - leg.size)
        PlanLeg.objects.filter(plan=row, number=leg.number).update(
            ordered=decimal_from_micro(min(taken, leg.size)), filled=decimal_from_micro(done)
        )
    cost = min(committed(plan, children), micro_from_decimal(row.max_cost))
    if cost != micro_from_decimal(row.committed):
        row.committed = decimal_from_micro(cost)
        ExecutionPlan.objects.filter(pk=row.pk).update(committed=row.committed)
    return beyond
