"""The three-step chase: take at the touch, then 1.5 % worse, then at the worst price accepted.

Every step takes what is there and leaves nothing resting. A step begins when the one before has ended;
one whose fate is unknown ends nothing, so nothing follows it.
"""

from __future__ import annotations

from collections.abc import Sequence

from markets.domain.instruments import Side
from markets.domain.units import ONE, round_down_to_tick, round_up_to_tick, text_from_micro
from orders.domain.intents import OrderType
from orders.domain.plans import Child, Phase, Place, Plan, PlanState, Steps, filled, is_too_small, left

STEP_PPM = 15_000
LIFE_S = 60


def chase_prices(side: Side, *, touch: int | None, worst: int, tick: int) -> tuple[int, ...]:
    """Return the price of each step, best first; one only when the touch is at the worst price or beyond."""
    if touch is None:
        return (worst,)
    if side is Side.BUY:
        second = round_down_to_tick(touch + touch * STEP_PPM // ONE, tick)
        return (*sorted({p for p in (touch, second) if p < worst}), worst)
    second = round_up_to_tick(touch - touch * STEP_PPM // ONE, tick)
    return (*sorted({p for p in (touch, second) if p > worst}, reverse=True), worst)


def chase_next(plan: Plan, children: Sequence[Child]) -> Steps:
    if any(child.phase is not Phase.ENDED for child in children):
        return Steps()
    prices = [int(price) for price in plan.parameters["prices"]]
    leg, done = plan.legs[0], filled(children, 0)
    size = left(plan, children, 0)
    if size == 0 and done >= leg.size:
        return Steps(end=PlanState.DONE, reason="filled")
    step = len(children)
    if step >= len(prices) or is_too_small(leg, prices[step], size):
        return Steps(end=PlanState.DONE, reason=f"filled {text_from_micro(done)} of {text_from_micro(leg.size)}")
    return Steps(places=(Place(leg=0, number=step, price=prices[step], size=size, order_type=OrderType.FAK),))
