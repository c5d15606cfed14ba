"""Closing what is held: legs that only sell, each tried a few times at a price with a floor.

A flatten's floor is the best bid when it was approved less the slippage accepted. The floor of an unwinding
shares out what the basket may lose over its filled legs, after the taker's fee.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markets.domain.instruments import FeeSchedule, Side
from markets.domain.units import ONE, Price, Shares, round_up_to_tick, text_from_micro
from orders.domain.intents import OrderType
from orders.domain.plans import (
    LOT,
    Child,
    Phase,
    Place,
    Plan,
    PlanState,
    Scene,
    Steps,
    Unwinding,
    filled,
    left,
    of_leg,
)
from orders.domain.reserve import worst_taker_fee

ATTEMPTS = 5  # per leg
LOOK_AGAIN_MS = 1_000
LIFE_S = 120


def floor_price(bid: int, *, slippage_bps: int, tick: int) -> int:
    """Return the worst price of a sale into `bid`: on the tick, and not beyond the slippage."""
    return max(tick, round_up_to_tick(bid - bid * slippage_bps // 10_000, tick))


def closing_next(plan: Plan, children: Sequence[Child], scene: Scene) -> Steps:
    places: list[Place] = []
    waits = False
    for leg in plan.legs:
        mine = of_leg(children, leg.number)
        size = left(plan, children, leg.number)
        if any(child.phase is not Phase.ENDED for child in mine):
            waits = True
            continue
        if size < LOT or len(mine) >= int(plan.parameters.get("attempts", ATTEMPTS)):
            continue
        if scene.held is not None and scene.held.get(leg.outcome_id, 0) < LOT:
            continue  # somebody else sold them
        waits = True
        if scene.free is not None:
            size = min(size, scene.free.get(leg.outcome_id, 0)) // LOT * LOT
        touch = scene.touches.get(leg.outcome_id)
        if size < LOT or touch is None or touch.bid is None or touch.bid < leg.worst_price:
            continue  # no free shares, or nobody pays the floor now; the expiry ends the waiting
        number = len(children) + len(places)
        places.append(Place(leg=leg.number, number=number, price=leg.worst_price, size=size, order_type=OrderType.FAK))
    if waits:
        return Steps(places=tuple(places), again_ms=scene.now_ms + LOOK_AGAIN_MS)
    return Steps(end=PlanState.DONE, reason=closing_words(plan, children))


def closing_words(plan: Plan, children: Sequence[Child]) -> str:
    """Return how much of what should be sold was sold."""
    total = sum(leg.size for leg in plan.legs)
    sold = sum(filled(children, leg.number) for leg in plan.legs)
    return f"sold {text_from_micro(sold)} of {text_from_micro(total)} shares"


def unwindings(
    plan: Plan, children: Sequence[Child], fees: Mapping[int, FeeSchedule | None], ticks: Mapping[int, int]
) -> tuple[Unwinding, ...]:
    """Return what must be sold to undo the plan's filled buys, at prices that together lose the bound at most.

    The bound is shared out by what the legs cost. `ticks` are by outcome. A sale whose floor comes to a dollar
    or more cannot be made; it is left out, and the shares stay.
    """
    bought = [
        (leg, filled(children, leg.number) // LOT * LOT, sum(c.paid for c in of_leg(children, leg.number)))
        for leg in plan.legs
        if leg.side is Side.BUY
    ]
    total = sum(paid for _, size, paid in bought if size)
    out: list[Unwinding] = []
    for leg, size, paid in bought:
        if not size or not total:
            continue
        share = plan.unwind_bound * paid // total
        floor = _floor(size, needs=paid - share, fee=fees.get(leg.market_id), tick=ticks.get(leg.outcome_id, LOT))
        if floor is not None:
            out.append(
                Unwinding(
                    market_id=leg.market_id, outcome_id=leg.outcome_id, size=size, worst_price=floor, may_lose=share
                )
            )
    return tuple(out)


def _floor(size: int, *, needs: int, fee: FeeSchedule | None, tick: int) -> int | None:
    """Return the lowest price on the tick at which selling `size` brings `needs` after its fee."""
    price = max(tick, round_up_to_tick(max(0, -(-needs * ONE // size)), tick))
    while price <= ONE - tick:
        # At a better price the fee may be larger, but what is left after it is more still.
        cost = 0 if fee is None else worst_taker_fee(price=Price(price), size=Shares(size), fee=fee)
        if price * size // ONE - cost >= needs:
            return price
        price += tick
    return None
