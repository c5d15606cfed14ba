"""Baskets: legs that belong together, on a venue that fills each on its own.

all_or_none: every leg at once, whole or not at all; if any fails, the filled ones are undone.
sequential: the same, one leg after the other. best_effort: every leg takes what is there and keeps it.
A filled leg cannot be cancelled, only traded back: a bought one is sold, a sold one bought. Nothing is undone
while a leg's fate is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markets.domain.instruments import FeeSchedule
from orders.domain.closing import unwindings
from orders.domain.intents import BasketPolicy, OrderType
from orders.domain.plans import Child, Phase, Place, Plan, PlanState, Steps, filled, of_leg

LIFE_S = 60


def basket_next(
    plan: Plan,
    children: Sequence[Child],
    *,
    fees: Mapping[int, FeeSchedule | None],
    ticks: Mapping[int, int],
    stops: bool = False,
) -> Steps:
    """Return the legs to place now, or how to undo what was filled. `stops`: place nothing more."""
    policy = BasketPolicy(plan.parameters["policy"])
    if any(child.phase is not Phase.ENDED for child in children) and policy is not BasketPolicy.BEST_EFFORT:
        # Legs that were to be placed together stay together, but none is placed beside one that failed.
        return Steps()
    waiting = [leg for leg in plan.legs if not of_leg(children, leg.number)]
    short = [leg for leg in plan.legs if of_leg(children, leg.number) and filled(children, leg.number) < leg.size]
    if policy is BasketPolicy.BEST_EFFORT:
        return _best_effort(plan, children, waiting=[] if stops else [leg.number for leg in waiting])
    if not short and not waiting:
        return Steps(end=PlanState.DONE, reason="every leg is filled")
    broken = bool(short) or stops or (policy is BasketPolicy.ALL_OR_NONE and bool(children))
    if broken:
        return _undo(plan, children, fees, ticks, failed=(short or waiting)[0].number)
    now = waiting if policy is BasketPolicy.ALL_OR_NONE else waiting[:1]
    return Steps(places=_places(plan, [leg.number for leg in now], OrderType.FOK, first=len(children)))


def _best_effort(plan: Plan, children: Sequence[Child], *, waiting: list[int]) -> Steps:
    if waiting:
        return Steps(places=_places(plan, waiting, OrderType.FAK, first=len(children)))
    if any(child.phase is not Phase.ENDED for child in children):
        return Steps()
    whole = sum(filled(children, leg.number) >= leg.size for leg in plan.legs)
    return Steps(end=PlanState.DONE, reason=f"{whole} of {len(plan.legs)} legs are filled whole")


def _undo(
    plan: Plan,
    children: Sequence[Child],
    fees: Mapping[int, FeeSchedule | None],
    ticks: Mapping[int, int],
    *,
    failed: int,
) -> Steps:
    reason = f"leg {failed + 1} was not filled whole"
    if not any(filled(children, leg.number) for leg in plan.legs):
        return Steps(end=PlanState.FAILED, reason=f"{reason}; nothing was bought or sold")
    undo = unwindings(plan, children, fees, ticks)
    if not undo:
        return Steps(
            end=PlanState.FAILED, reason=f"{reason}; what was filled cannot be undone within the bound, and stays"
        )
    return Steps(unwind=undo, reason=reason)


def _places(plan: Plan, legs: Sequence[int], order_type: OrderType, *, first: int) -> tuple[Place, ...]:
    return tuple(
        Place(
            leg=number,
            number=first + index,
            price=plan.leg(number).worst_price,
            size=plan.leg(number).size,
            order_type=order_type,
        )
        for index, number in enumerate(legs)
    )
