"""Plans that wait for the gate: what is wanted, as the worst placements that the envelope allows, one per leg.

The gate reviews those placements with every rule. What it allows of each becomes a leg; the parameters say
how the children are made. Sizes and prices are millionths, times Unix milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from markets.domain.instruments import Side
from markets.domain.units import Usd
from orders.domain import baskets, chase, closing, replacing, slices
from orders.domain.intents import Basket, BasketPolicy, OrderType, Origin, Placement
from orders.domain.plans import LOT, PlanKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDraft:
    """A plan before its approval. `whole`: with every leg in full, or not at all."""

    key: str
    kind: PlanKind
    placements: tuple[Placement, ...]  # the envelope; all of one origin
    life_s: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    orders: int = 1  # children at most, per leg
    whole: bool = False
    unwind_bound: int = 0
    reason: str = ""
    origin: Origin | None = None  # in whose name the orders are made; None: the placements'


def chase_draft(placement: Placement, *, touch: int | None, tick: int) -> PlanDraft | None:
    """Return the chase from `touch` (the best price to take) to the placement's limit.

    None when there is nothing to chase: the touch is at the limit or beyond, so one order does it.
    """
    prices = chase.chase_prices(placement.side, touch=touch, worst=placement.price, tick=tick)
    if len(prices) < 2 or placement.order_type is not OrderType.FAK:
        return None
    return PlanDraft(
        key=placement.key,
        kind=PlanKind.CHASE,
        placements=(placement,),
        life_s=chase.LIFE_S,
        parameters={"prices": [int(price) for price in prices]},
        orders=len(prices),
        reason=placement.reason,
    )


def slices_draft(
    placement: Placement,
    *,
    count: int,
    interval_s: int,
    jitter_s: int,
    joins: bool,
    smallest: int,
    now: datetime,
    rng: slices.Jitter,
) -> PlanDraft:
    """Return a TWAP of `placement`; its price is the worst one, its type is set here. `smallest` is for joining."""
    start_ms = int(now.timestamp() * 1000)
    times = slices.slice_times(
        start_ms=start_ms, count=count, interval_ms=interval_s * 1000, jitter_ms=jitter_s * 1000, rng=rng
    )
    kind = OrderType.GTC if joins else OrderType.FAK
    return PlanDraft(
        key=placement.key,
        kind=PlanKind.TWAP,
        placements=(replace(placement, order_type=kind, post_only=False, expires_at=None, parts=count),),
        life_s=count * interval_s + max(30, interval_s),
        parameters={"at_ms": list(times), "child": slices.JOIN if joins else slices.TAKE, "smallest": smallest},
        orders=count,
        reason=placement.reason,
    )


def basket_draft(basket: Basket, placements: Sequence[Placement], *, key: str) -> PlanDraft:
    """Return the basket as a plan; `placements` are its legs. What it declares to lose at worst bounds the undoing."""
    whole = basket.policy is not BasketPolicy.BEST_EFFORT
    kind = OrderType.FOK if whole else OrderType.FAK
    legs = tuple(replace(p, order_type=kind, post_only=False, expires_at=None) for p in placements)
    return PlanDraft(
        key=key,
        kind=PlanKind.BASKET,
        placements=legs,
        life_s=baskets.LIFE_S,
        parameters={"policy": str(basket.policy)},
        whole=whole,
        unwind_bound=int(basket.worst_loss) if whole else 0,
        reason=basket.reason,
    )


def flatten_draft(placements: Sequence[Placement], *, key: str, reason: str, origin: Origin | None = None) -> PlanDraft:
    """Return a plan that sells all of `placements`, which name the floor of each sale."""
    if any(placement.side is not Side.SELL for placement in placements):
        raise ValueError("a flatten only sells")
    return PlanDraft(
        key=key,
        kind=PlanKind.FLATTEN,
        placements=tuple(placements),
        life_s=closing.LIFE_S,
        parameters={"attempts": closing.ATTEMPTS},
        orders=closing.ATTEMPTS,
        reason=reason,
        origin=origin,
    )


def replace_draft(placement: Placement, *, order_id: int, filled: int, smallest: int) -> PlanDraft:
    """Return the replacement of an order. `placement.size` is what is wanted beyond `filled`, its fill so far."""
    return PlanDraft(
        key=placement.key,
        kind=PlanKind.REPLACE,
        placements=(placement,),
        life_s=replacing.LIFE_S,
        parameters={
            "replaces": order_id,
            "filled": filled,
            "order_type": str(placement.order_type),
            "post_only": placement.post_only,
            "smallest": smallest if placement.order_type.rests else LOT,
        },
        whole=True,
        reason=placement.reason,
    )


def expires_at(draft: PlanDraft, now: datetime) -> datetime:
    return now + timedelta(seconds=draft.life_s)


def worst_loss(placements: Sequence[Placement], sizes: Mapping[str, int]) -> Usd:
    """Return what the envelope's buys cost at most before fees; a sale can lose no more than what is held."""
    return Usd(sum(-(-int(p.price) * sizes[p.key] // 1_000_000) for p in placements if p.side is Side.BUY))


def undo_stake(placements: Sequence[Placement], sizes: Mapping[str, int]) -> Usd:
    """Return what buying back every sale could lose at most: up to a dollar a share, for what it was sold at worst."""
    return Usd(sum(sizes[p.key] - int(p.price) * sizes[p.key] // 1_000_000 for p in placements if p.side is Side.SELL))
