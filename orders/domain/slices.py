"""Slices over time (TWAP): the size in equal parts at jittered moments, each taking or joining the touch.

What one slice could not get is asked again by the next. There is one child per slice at most, and a resting
one must have ended before the next slice is sized.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from markets.domain.instruments import Side
from markets.domain.units import text_from_micro
from orders.domain.intents import OrderType
from orders.domain.plans import (
    LOT,
    Child,
    Leg,
    Phase,
    Place,
    Plan,
    PlanState,
    Steps,
    Touch,
    filled,
    is_too_small,
    left,
    used,
)

LOOK_AGAIN_MS = 1_000
TAKE, JOIN = "take", "join"


class Jitter(Protocol):
    """A seeded `random.Random`."""

    def randint(self, a: int, b: int, /) -> int: ...


def slice_times(*, start_ms: int, count: int, interval_ms: int, jitter_ms: int, rng: Jitter) -> tuple[int, ...]:
    """Return when each slice is due, rising. The first is due at once; the others up to `jitter_ms` early or late."""
    most = min(jitter_ms, interval_ms // 2)
    return (start_ms, *(start_ms + i * interval_ms + rng.randint(-most, most) for i in range(1, count)))


def slices_next(  # noqa: PLR0911 - one return per state
    plan: Plan, children: Sequence[Child], touch: Touch | None, now_ms: int
) -> Steps:
    times = [int(at) for at in plan.parameters["at_ms"]]
    due = sum(at <= now_ms for at in times)
    later = times[due] if due < len(times) else None
    done = filled(children, 0)
    if due == 0:
        return Steps(again_ms=times[0])
    if done >= plan.legs[0].size:
        return Steps(end=PlanState.DONE, reason="filled")
    has_child = any(child.created_ms >= times[due - 1] for child in children)
    working = [child for child in children if child.phase is not Phase.ENDED]
    if working:
        if has_child or plan.parameters.get("child") != JOIN:
            return Steps(again_ms=later)
        # It rests from an earlier slice: this one is sized when it has ended.
        return Steps(cancels=tuple(c.order_id for c in working if not c.ending), again_ms=now_ms + LOOK_AGAIN_MS)
    if not has_child and (steps := _slice(plan, children, touch, part=(due, len(times)))) is not None:
        return replace(steps, again_ms=later if steps.places else now_ms + LOOK_AGAIN_MS)
    if later is not None:
        return Steps(again_ms=later)
    total = text_from_micro(plan.legs[0].size)
    return Steps(end=PlanState.DONE, reason=f"filled {text_from_micro(done)} of {total}")


def _slice(plan: Plan, children: Sequence[Child], touch: Touch | None, *, part: tuple[int, int]) -> Steps | None:
    """Return the slice's order, no step while there is no price to be had, None when too little is due."""
    leg, joins = plan.legs[0], plan.parameters.get("child") == JOIN
    # What is voided stays counted as used: a slice never repairs a fill that failed.
    size = (leg.size * part[0] // part[1] - used(children, 0)) // LOT * LOT
    size = min(size, left(plan, children, 0))
    price = _price(leg, touch, joins=joins)
    if size < (int(plan.parameters.get("smallest", LOT)) if joins else LOT):
        return None
    if price is None:
        return Steps()
    if not joins and is_too_small(leg, price, size):
        return None
    order_type = OrderType.GTC if joins else OrderType.FAK
    place = Place(leg=0, number=len(children), price=price, size=size, order_type=order_type, post_only=joins)
    return Steps(places=(place,))


def _price(leg: Leg, touch: Touch | None, *, joins: bool) -> int | None:
    """Return the price to pay now, never beyond the worst; None while there is none to be had."""
    if touch is None:
        return None
    price = touch.bid if (leg.side is Side.BUY) is joins else touch.ask
    if price is None or not (joins or leg.allows(price)):
        return None
    if leg.side is Side.BUY:
        return min(price, leg.worst_price)
    return max(price, leg.worst_price)
