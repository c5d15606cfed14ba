"""What a plan does next: one pure question for every kind, with expiry and the end of all children around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orders.domain.baskets import basket_next
from orders.domain.chase import chase_next
from orders.domain.closing import closing_next, closing_words
from orders.domain.intents import BasketPolicy
from orders.domain.plans import Child, Phase, Plan, PlanKind, PlanState, Scene, Steps, left
from orders.domain.replacing import replacing_next
from orders.domain.slices import slices_next

LOOK_AGAIN_MS = 1_000
POLL_MS = 5_000  # a child's end wakes the plan; this finds the end whose news was lost
_CLOSING = (PlanKind.UNWIND, PlanKind.FLATTEN)


def plan_next(plan: Plan, children: Sequence[Child], scene: Scene) -> Steps:
    """Return what to do now."""
    if plan.state is not PlanState.ACTIVE:
        return Steps()  # over, or waiting for the plan that undoes it
    if scene.now_ms >= plan.expires_ms:
        return _expired(plan, children, scene)
    steps = _of_kind(plan, children, scene)
    if steps.end is None and not steps.unwind:
        soon = scene.now_ms + POLL_MS if steps.again_ms is None else steps.again_ms
        return replace(steps, again_ms=min(soon, plan.expires_ms))
    return steps


def _of_kind(plan: Plan, children: Sequence[Child], scene: Scene) -> Steps:
    if plan.kind in _CLOSING:
        return closing_next(plan, children, scene)
    if plan.kind is PlanKind.TWAP:
        return slices_next(plan, children, scene.touches.get(plan.legs[0].outcome_id), scene.now_ms)
    if plan.kind is PlanKind.BASKET:
        return basket_next(plan, children, fees=scene.fees, ticks=scene.ticks)
    if plan.kind is PlanKind.REPLACE:
        return replacing_next(plan, children, scene.replaced, scene.now_ms)
    return chase_next(plan, children)


def _expired(plan: Plan, children: Sequence[Child], scene: Scene) -> Steps:
    """End what still works, and the plan when nothing does any more; a broken basket is undone first."""
    working = [child for child in children if child.phase is not Phase.ENDED]
    if working and plan.kind is not PlanKind.REPLACE:
        cancels = tuple(child.order_id for child in working if not child.ending)
        return Steps(cancels=cancels, again_ms=scene.now_ms + LOOK_AGAIN_MS)
    if plan.kind is PlanKind.BASKET and plan.parameters["policy"] != BasketPolicy.BEST_EFFORT and children:
        return basket_next(plan, children, fees=scene.fees, ticks=scene.ticks, stops=True)
    if plan.kind in _CLOSING:
        return Steps(end=PlanState.EXPIRED, reason=f"its time is over: {closing_words(plan, children)}")
    if not any(left(plan, children, leg.number) for leg in plan.legs):
        return Steps(end=PlanState.DONE, reason="filled")
    return Steps(end=PlanState.EXPIRED, reason="its time is over")
