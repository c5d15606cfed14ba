"""Closing what is held and undoing what was traded: each leg is tried a few times at a price with a bound.

A flatten's floor is the best bid when it was approved less the slippage accepted. An unwinding sells what a
failed basket bought and buys back what it sold; what the basket may lose is shared out over its filled legs,
after the taker's fee, and sets their floors and ceilings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markets.domain.instruments import FeeSchedule, Side
from markets.domain.units import ONE, Price, Shares, round_up_to_tick, text_from_micro
from orders.domain.intents import OrderType
from orders.domain.plans import (
    LOT,
    Child,
    Leg,
    Phase,
    Place,
    Plan,
    PlanState,
    Scene,
    Steps,
    Unwinding,
    filled,
    is_too_small,
    left,
    of_leg,
)
from orders.domain.reserve import FEE_ROUNDING, cash_to_reserve, worst_taker_fee

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
        if _is_moot(leg, size, scene):
            continue
        waits = True
        if leg.side is Side.SELL and scene.free is not None:
            size = min(size, scene.free.get(leg.outcome_id, 0)) // LOT * LOT
        if size < LOT or not _is_met(leg, scene):
            continue  # no free shares, or nobody takes the worst price now; the expiry ends the waiting
        number = len(children) + len(places)
        places.append(Place(leg=leg.number, number=number, price=leg.worst_price, size=size, order_type=OrderType.FAK))
    if waits:
        return Steps(places=tuple(places), again_ms=scene.now_ms + LOOK_AGAIN_MS)
    return Steps(end=PlanState.DONE, reason=closing_words(plan, children))


def _is_moot(leg: Leg, size: int, scene: Scene) -> bool:
    """Whether nothing is left that could be done: somebody else sold the shares, or too little to buy back."""
    if leg.side is Side.BUY:
        return is_too_small(leg, leg.worst_price, size)
    return scene.held is not None and scene.held.get(leg.outcome_id, 0) < LOT


def _is_met(leg: Leg, scene: Scene) -> bool:
    """Whether somebody stands at the leg's worst price or better."""
    touch = scene.touches.get(leg.outcome_id)
    best = None if touch is None else touch.bid if leg.side is Side.SELL else touch.ask
    return best is not None and leg.allows(best)


def closing_words(plan: Plan, children: Sequence[Child]) -> str:
    """Return how much of what should be sold, or bought back, was."""
    words = []
    for side, verb in ((Side.SELL, "sold"), (Side.BUY, "bought back")):
        legs = [leg for leg in plan.legs if leg.side is side]
        done = sum(filled(children, leg.number) for leg in legs)
        if legs:
            total = sum(leg.size for leg in legs)
            words.append(f"{verb} {text_from_micro(done)} of {text_from_micro(total)} shares")
    return ", ".join(words)


def unwindings(
    plan: Plan, children: Sequence[Child], fees: Mapping[int, FeeSchedule | None], ticks: Mapping[int, int]
) -> tuple[Unwinding, ...]:
    """Return what must be sold and bought back to undo the filled legs, at prices that together lose the bound at most.

    The bound is shared out by what the legs cost or earned. `ticks` are by outcome. A sale whose floor comes to a
    dollar or more, and a purchase whose ceiling is under a tick, cannot be made; they are left out and said by
    what stays.
    """
    moved = [
        (leg, filled(children, leg.number) // LOT * LOT, sum(c.paid for c in of_leg(children, leg.number)))
        for leg in plan.legs
    ]
    total = sum(paid for _, size, paid in moved if size)
    out: list[Unwinding] = []
    for leg, size, paid in moved:
        if not size or not total:
            continue
        share = plan.unwind_bound * paid // total
        fee, tick = fees.get(leg.market_id), ticks.get(leg.outcome_id, LOT)
        bought = leg.side is Side.BUY
        price = (
            _floor(size, needs=paid - share, fee=fee, tick=tick)
            if bought
            else _ceiling(size, most=paid + share, fee=fee, tick=tick)
        )
        if price is not None:
            out.append(
                Unwinding(
                    market_id=leg.market_id,
                    outcome_id=leg.outcome_id,
                    side=Side.SELL if bought else Side.BUY,
                    size=size,
                    worst_price=price,
                    may_lose=share,
                    may_cost=0 if bought else paid + share,
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


def _ceiling(size: int, *, most: int, fee: FeeSchedule | None, tick: int) -> int | None:
    """Return the highest price on the tick at which buying `size`, in a few orders, costs `most` with its fees."""
    rounding = ATTEMPTS * (FEE_ROUNDING + 2)  # fees and prices are rounded up per order
    price = min(ONE - tick, max(0, most) * ONE // size // tick * tick)
    while price >= tick:
        cost = cash_to_reserve(side=Side.BUY, price=Price(price), size=Shares(size), may_take=True, fee=fee)
        if cost + rounding <= most:
            return price
        price -= tick
    return None
