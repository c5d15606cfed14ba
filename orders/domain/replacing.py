"""Replacing an order: ask for the old one's end, wait for it, place what it left unfilled at the new terms.

A cancel is a request, and its answer does not say what was filled before it (V8). So the new order is sized
when the old one has ended; until then the envelope holds room for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from markets.domain.units import Price, Shares
from orders.domain.intents import INTENT_LEVEL, OpenOrder, OrderType, Origin, Placement
from orders.domain.lifecycle import OrderState
from orders.domain.plans import LOT, Child, Phase, Place, Plan, PlanState, Steps

LIFE_S = 120
_UNCERTAIN = frozenset({OrderState.UNKNOWN, OrderState.QUARANTINED})
LOOK_AGAIN_MS = 1_000


def replace_obstacle(order_id: int, old: OpenOrder | None) -> str:
    """Return why an order cannot be replaced, or nothing. `old` is None for one that is not open."""
    if old is None or not old.order_type.rests:
        return f"order {order_id} does not rest: there is nothing to replace"
    if old.state in _UNCERTAIN or old.cancel_requested:
        state = "on its way out" if old.cancel_requested else old.state
        return f"order {order_id} is {state}: wait for its end, then place a new one"
    return ""


def replacement_of(old: OpenOrder, *, price: Price, size: Shares, key: str, origin: Origin, now: datetime) -> Placement:
    """Return what a replacement asks of the gate: `size` shares beyond what the old order has filled so far.

    It rests until it is cancelled, whatever the old one's expiry was, and takes over its post-only.
    """
    return Placement(
        key=key,
        market_id=old.market_id,
        outcome_id=old.outcome_id,
        side=old.side,
        price=price,
        size=size,
        order_type=OrderType.GTC,
        post_only=old.post_only,
        origin=origin,
        created_at=now,
        level=INTENT_LEVEL,
        reason=f"replaces order {old.order_id}",
        replaces_order_id=old.order_id,
    )


def replacing_next(plan: Plan, children: Sequence[Child], replaced: Child | None, now_ms: int) -> Steps:
    """Return the next step. The leg's size is what was wanted beyond what the old order had filled then."""
    if children:
        return Steps(end=PlanState.DONE, reason=f"replaced by order {children[0].order_id}")
    if replaced is None:
        return Steps(end=PlanState.FAILED, reason="the order to replace is not there")
    if replaced.phase is not Phase.ENDED:
        cancels = () if replaced.ending else (replaced.order_id,)
        return Steps(cancels=cancels, again_ms=now_ms + LOOK_AGAIN_MS)
    since = max(0, replaced.filled + replaced.voided - int(plan.parameters["filled"]))
    size = (plan.legs[0].size - since) // LOT * LOT
    order_type = OrderType(plan.parameters["order_type"])
    if size < int(plan.parameters.get("smallest", LOT)):
        return Steps(end=PlanState.DONE, reason="the old order filled so much that too little is left to place")
    place = Place(
        leg=0,
        number=0,
        price=plan.legs[0].worst_price,
        size=size,
        order_type=order_type,
        post_only=bool(plan.parameters.get("post_only")),
    )
    return Steps(places=(place,))
