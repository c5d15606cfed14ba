"""Execution plans: several orders under one approval, and the envelope that none of them may leave.

The gate approves an envelope once: per leg an outcome, a side, a size and a worst price; for the whole a
maximum cost, an expiry, and what undoing filled legs may lose. A child order uses its full size while it
may still trade, whatever is known of it, and what it filled for ever, also when the fill failed to settle
afterwards: no order is ever placed to repair one that is not finished. Prices, sizes and dollars are
millionths, times are Unix milliseconds. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from markets.domain.instruments import FeeSchedule, Side
from markets.domain.units import ONE, Price, Shares
from orders.domain.intents import OrderType
from orders.domain.reserve import FEE_ROUNDING, cash_to_reserve

LOT = 10_000  # venues take sizes of a hundredth of a share
TAKING_MINIMUM = ONE  # dollars: venues refuse a smaller buy that takes at once


class PlanKind(StrEnum):
    CHASE = "chase"  # takes at the touch, then a little worse, then at the worst price
    TWAP = "twap"  # slices over time
    BASKET = "basket"  # legs that belong together
    UNWIND = "unwind"  # undoes the filled legs of a basket that failed: sells them, or buys them back
    EXIT = "exit"
    FLATTEN = "flatten"  # closes positions, never opens one
    REPLACE = "replace"  # places the new order when the old one has ended


class PlanState(StrEnum):
    ACTIVE = "active"
    UNWINDING = "unwinding"
    DONE = "done"
    CANCELED = "canceled"
    EXPIRED = "expired"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        return self not in (PlanState.ACTIVE, PlanState.UNWINDING)


class Phase(StrEnum):
    """What a child order can still do."""

    WORKING = "working"
    UNKNOWN = "unknown"  # nobody knows; it counts as working and nothing replaces it (I5)
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One outcome and side of the envelope."""

    number: int
    market_id: int
    outcome_id: int
    side: Side
    size: int
    worst_price: int

    def allows(self, price: int) -> bool:
        return price <= self.worst_price if self.side is Side.BUY else price >= self.worst_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One order of a plan as our records have it. `paid` are dollars of its fills, fees included (a sell: earned)."""

    order_id: int
    leg: int
    price: int
    size: int
    phase: Phase
    filled: int = 0
    voided: int = 0  # filled once, and then the settlement failed
    paid: int = 0
    reserved: int = 0
    ending: bool = False  # a cancel was asked for
    created_ms: int = 0

    @property
    def used(self) -> int:
        """What it takes of its leg."""
        done = self.filled + self.voided
        return done if self.phase is Phase.ENDED else max(self.size, done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan as it stands. `parameters` are those of its kind, fixed when it was approved."""

    kind: PlanKind
    legs: tuple[Leg, ...]
    created_ms: int
    expires_ms: int
    max_cost: int
    unwind_bound: int = 0
    state: PlanState = PlanState.ACTIVE
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def leg(self, number: int) -> Leg:
        return next(leg for leg in self.legs if leg.number == number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """The best prices of an outcome now, of a book that may be traded on."""

    bid: int | None
    ask: int | None
    tick: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a step is decided on. `touches` are of books fresh enough to trade on; ticks by outcome, fees by market."""

    now_ms: int
    touches: Mapping[int, Touch] = field(default_factory=dict)
    ticks: Mapping[int, int] = field(default_factory=dict)
    fees: Mapping[int, FeeSchedule | None] = field(default_factory=dict)
    replaced: Child | None = None  # the order that a replacement waits for
    free: Mapping[int, int] | None = None  # shares that may be sold now, by outcome; None: nobody looked
    held: Mapping[int, int] | None = None  # all shares, those not settled or promised elsewhere included


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Make this child. `number` counts the children of the plan: the same number is the same order."""

    leg: int
    number: int
    price: int
    size: int
    order_type: OrderType
    post_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwinding:
    """A leg of the plan that undoes this one: what was bought is sold, what was sold is bought back."""

    market_id: int
    outcome_id: int
    size: int
    worst_price: int
    may_lose: int
    side: Side = Side.SELL
    may_cost: int = 0  # dollars that buying back may take, fees included


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What to do now. Everything else waits until `again_ms`, or until a child ends."""

    places: tuple[Place, ...] = ()
    cancels: tuple[int, ...] = ()
    again_ms: int | None = None
    unwind: tuple[Unwinding, ...] = ()
    end: PlanState | None = None
    reason: str = ""


def of_leg(children: Iterable[Child], leg: int) -> list[Child]:
    return [child for child in children if child.leg == leg]


def used(children: Iterable[Child], leg: int) -> int:
    """Return how much of the leg's size is filled, open, unknown or was voided."""
    return sum(child.used for child in children if child.leg == leg)


def left(plan: Plan, children: Sequence[Child], leg: int) -> int:
    """Return the size, in whole lots, that may still be ordered of a leg."""
    return max(0, plan.leg(leg).size - used(children, leg)) // LOT * LOT


def filled(children: Iterable[Child], leg: int) -> int:
    return sum(child.filled for child in children if child.leg == leg)


def committed(plan: Plan, children: Iterable[Child]) -> int:
    """Return the dollars that the plan's buys have cost and may still cost."""
    buys = {leg.number for leg in plan.legs if leg.side is Side.BUY}
    return sum(child.paid + child.reserved for child in children if child.leg in buys)


def is_too_small(leg: Leg, price: int, size: int) -> bool:
    """Whether what is left is not worth an order that takes: under a lot, or a buy under the venue's dollar."""
    return size < LOT or (leg.side is Side.BUY and price * size < TAKING_MINIMUM * ONE)


def outside(plan: Plan, place: Place, children: Sequence[Child], *, cost: int) -> str:
    """Return why `place` would leave the envelope, or nothing. `cost` is what a buy would set aside."""
    leg = next((leg for leg in plan.legs if leg.number == place.leg), None)
    if leg is None:
        return f"the plan has no leg {place.leg}"
    if not leg.allows(place.price):
        return f"price {place.price} is beyond the worst of {leg.worst_price}"
    if place.size <= 0 or place.size > plan.leg(place.leg).size - used(children, place.leg):
        return f"size {place.size} is more than is left of leg {place.leg}"
    if leg.side is Side.BUY and committed(plan, children) + cost > plan.max_cost:
        return f"it could cost {cost}, with the others more than {plan.max_cost}"
    return ""


def cost_bound(legs: Iterable[Leg], fees: Mapping[int, FeeSchedule | None], *, orders: int) -> int:
    """Return the dollars that all buys of an envelope may cost: at their worst prices, fees included.

    `fees` are by market. Fees and prices are rounded up per order, so the number of `orders` matters.
    """
    total = 0
    for leg in legs:
        if leg.side is Side.BUY:
            fee = fees.get(leg.market_id)
            price, size = Price(leg.worst_price), Shares(leg.size)
            total += cash_to_reserve(side=leg.side, price=price, size=size, may_take=True, fee=fee)
            total += orders * (FEE_ROUNDING + 2)
    return total
