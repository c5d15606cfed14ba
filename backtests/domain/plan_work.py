"""Execution plans in a replay: chases and baskets, stepped by the functions of `orders.domain` that step them live.

A plan is looked at right after the tick that made it, when one of its orders has ended, and when its own clock says
so. Its orders are made inside the envelope that the gate approved. Times are nanoseconds, money millionths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from backtests.domain.desk import ReplayDesk, Working
from backtests.domain.exchange import PLANNED, Timeline
from markets.domain.instruments import FeeSchedule, MarketFacts, MarketState, Side
from markets.domain.units import Price, Shares
from markets.domain.views import BookStatus, BookView
from orders.domain.drafts import PlanDraft
from orders.domain.intents import INTENT_LEVEL, OpenOrder, OrderType, Origin, Placement
from orders.domain.lifecycle import OrderState
from orders.domain.plan_steps import plan_next
from orders.domain.plans import (
    Child,
    Leg,
    Phase,
    Place,
    Plan,
    PlanKind,
    PlanState,
    Scene,
    Steps,
    Touch,
    cost_bound,
    outside,
    used,
)
from orders.domain.reserve import cash_to_reserve
from risk.domain.verdicts import Verdict
from risk.domain.whole import together_or_refused

MS = 10**6
UNWIND_LIFE_MS, UNWIND_ATTEMPTS = 600_000, 20
# How old a book may be on which a child is placed: taking, resting, leaving a position.
FRESH_TAKING_MS, FRESH_RESTING_MS, FRESH_EXIT_MS = 3_000, 15_000, 60_000
LOOK_AGAIN_MS, WAIT_MS = 2_000, 1_000
_CLOSING = (PlanKind.FLATTEN, PlanKind.UNWIND)


@dataclass(slots=True)
class _Work:
    """One plan and what was made of it."""

    number: int
    plan: Plan
    key: str
    origin: Origin
    reason: str
    made_at: datetime
    children: list[Working] = field(default_factory=list)
    parent: int = 0
    look: int = 0  # the number of the look that counts; older ones are out of date


class PlanWork:
    """Every plan of a replay."""

    def __init__(
        self,
        desk: ReplayDesk,
        timeline: Timeline,
        *,
        look: Callable[[int], None],
        facts: Callable[[], Mapping[int, MarketFacts]],
    ) -> None:
        self._desk = desk
        self._timeline = timeline
        self._look = look  # brings the desk's clock and books to a moment
        self._facts = facts
        self._plans: dict[int, _Work] = {}
        self.started = 0
        self.ended: dict[str, int] = {}  # by kind and state
        desk.on_plan, desk.on_child_ended, desk.planned = self.create, self._child_ended, self.planned

    def create(self, draft: PlanDraft, verdicts: Sequence[Verdict], facts: Mapping[int, MarketFacts]) -> int | None:
        """Count the verdicts on the envelope; start the plan with what they allow. Whole plans start whole or not."""
        verdicts = together_or_refused(draft, verdicts)
        for verdict in verdicts:
            self._desk.count(verdict)
        sizes = {v.placement.key: int(v.allowed_size) for v in verdicts if v.approved}
        placements = [p for p in draft.placements if sizes.get(p.key)]
        if not placements:
            return None
        legs = tuple(
            Leg(
                number=number,
                market_id=p.market_id,
                outcome_id=p.outcome_id,
                side=p.side,
                size=sizes[p.key],
                worst_price=p.price,
            )
            for number, p in enumerate(placements)
        )
        cost = cost_bound(legs, _fees(facts), orders=draft.orders)
        now_ms = self._desk.now_ns // MS
        plan = Plan(
            kind=draft.kind,
            legs=legs,
            created_ms=now_ms,
            expires_ms=now_ms + draft.life_s * 1_000,
            max_cost=cost,
            unwind_bound=min(draft.unwind_bound, cost),
            parameters=draft.parameters,
        )
        return self._start(plan, key=draft.key, origin=draft.origin or placements[0].origin, reason=draft.reason)

    def planned(self) -> tuple[OpenOrder, ...]:
        """Return what plans may still order, each leg as an order at its worst price: the gate counts it as open."""
        out = []
        for work in self._plans.values():
            if work.plan.state is not PlanState.ACTIVE:
                continue
            children = _children(work)
            for leg in work.plan.legs:
                size = leg.size - min(used(children, leg.number), leg.size)
                if size > 0:
                    out.append(_promised(work, leg, size))
        return tuple(out)

    def stop(self, at_ns: int) -> None:
        """End every plan and ask for the end of its orders."""
        for work in list(self._plans.values()):
            if work.number in self._plans:  # not yet ended with another
                self._cancel_children(work)
                self._finish(work, PlanState.CANCELED, at_ns)

    # Steps --------------------------------------------------------------------------------------------

    def _start(self, plan: Plan, *, key: str, origin: Origin, reason: str, parent: int = 0) -> int:
        self.started += 1
        work = _Work(self.started, plan, key, origin, reason, self._desk.now, parent=parent)
        self._plans[work.number] = work
        self._again(work, self._desk.now_ns)
        return work.number

    def _again(self, work: _Work, at_ns: int) -> None:
        work.look += 1
        self._timeline.put(at_ns, PLANNED, self._step, work.number, work.look)

    def _child_ended(self, at_ns: int, number: int) -> None:
        if (work := self._plans.get(number)) is not None:
            self._again(work, at_ns)

    def _step(self, at_ns: int, number: int, look: int) -> None:
        work = self._plans.get(number)
        if work is None or work.look != look or work.plan.state is not PlanState.ACTIVE:
            return
        self._look(at_ns)
        if self._is_stopped(work):
            self._cancel_children(work)
            self._finish(work, PlanState.CANCELED, at_ns)
            return
        scene = self._scene(work, at_ns)
        children = _children(work)
        steps = plan_next(work.plan, children, scene)
        for order_id in steps.cancels:
            self._desk.cancel(order_id)
        if steps.end is not None:
            self._finish(work, steps.end, at_ns)
        elif steps.unwind:
            self._unwind(work, steps)
        elif not steps.places:
            self._wait(work, steps.again_ms, scene)
        elif any(self._must_wait(work, place, scene) for place in steps.places):
            self._wait(work, scene.now_ms + WAIT_MS, scene)
        else:
            self._place(work, steps, scene, at_ns)

    def _wait(self, work: _Work, again_ms: int | None, scene: Scene) -> None:
        if again_ms is not None:
            self._again(work, min(again_ms, max(work.plan.expires_ms, scene.now_ms + WAIT_MS)) * MS)

    def _place(self, work: _Work, steps: Steps, scene: Scene, at_ns: int) -> None:
        """Make the children, all of them or none."""
        wanted = [(self._placement(work, place), place.size) for place in steps.places]
        children = _children(work)
        costs = [self._cost(placement, size, scene) for placement, size in wanted]
        beyond = [outside(work.plan, p, children, cost=c) for p, c in zip(steps.places, costs, strict=True)]
        if any(beyond):
            self._finish(work, PlanState.FAILED, at_ns)
        elif self._desk.short_of(wanted):
            if work.plan.kind in _CLOSING or work.plan.kind is PlanKind.REPLACE:
                self._wait(work, scene.now_ms + LOOK_AGAIN_MS, scene)
            else:
                self._finish(work, PlanState.FAILED, at_ns)
        else:
            for place, (placement, size) in zip(steps.places, wanted, strict=True):
                order_id = self._desk.order_create(placement, size, plan=work.number, leg=place.leg)
                work.children.append(self._desk.working[order_id])
            self._wait(work, steps.again_ms, scene)

    def _placement(self, work: _Work, place: Place) -> Placement:
        leg = work.plan.leg(place.leg)
        return Placement(
            key=f"{work.key}:{place.number}",
            market_id=leg.market_id,
            outcome_id=leg.outcome_id,
            side=leg.side,
            price=Price(place.price),
            size=Shares(place.size),
            order_type=place.order_type,
            post_only=place.post_only,
            origin=work.origin,
            created_at=self._desk.now,
            level=INTENT_LEVEL,
            reason=work.reason,
            marketable=not place.order_type.rests,
        )

    def _cost(self, placement: Placement, size: int, scene: Scene) -> int:
        may_take = not placement.post_only
        fee = scene.fees.get(placement.market_id) if may_take else None
        return cash_to_reserve(
            side=placement.side, price=placement.price, size=Shares(size), may_take=may_take, fee=fee
        )

    def _must_wait(self, work: _Work, place: Place, scene: Scene) -> bool:
        """Whether there is no book to place on, or a bid of ours would be what a closing sale meets."""
        leg = work.plan.leg(place.leg)
        if leg.outcome_id not in scene.touches:
            return True
        return work.plan.kind in _CLOSING and any(
            order.outcome_id == leg.outcome_id and order.side is Side.BUY and order.price >= place.price
            for order in self._desk.open_orders
        )

    def _is_stopped(self, work: _Work) -> bool:
        known = self._facts()
        shut = [known[leg.market_id].state is not MarketState.OPEN for leg in work.plan.legs]
        return bool(self._desk.killed) or (all(shut) if work.plan.kind in _CLOSING else any(shut))

    def _scene(self, work: _Work, at_ns: int) -> Scene:
        now_ms, plan = at_ns // MS, work.plan
        facts = {leg.market_id: self._facts()[leg.market_id] for leg in plan.legs}
        rests = plan.kind is PlanKind.REPLACE or plan.parameters.get("child") == "join"
        touches = {}
        for leg in plan.legs:
            book = self._desk.books.get(leg.outcome_id)
            limit = FRESH_RESTING_MS if rests else FRESH_TAKING_MS
            if book is not None and _is_usable(book, now_ms, limit, exit_=leg.side is Side.SELL):
                touches[leg.outcome_id] = Touch(bid=book.best_bid, ask=book.best_ask, tick=book.tick)
        positions = self._desk.holdings.positions if plan.kind in _CLOSING else None
        return Scene(
            now_ms=now_ms,
            touches=touches,
            ticks={o.outcome_id: int(known.tick) for known in facts.values() for o in known.outcomes},
            fees=_fees(facts),
            free=None if positions is None else {i: int(p.available) for i, p in positions.items()},
            held=None if positions is None else {i: int(p.size) for i, p in positions.items()},
        )

    # Ends ---------------------------------------------------------------------------------------------

    def _unwind(self, work: _Work, steps: Steps) -> None:
        """Sell what a failed basket bought, inside the bound that was approved with it."""
        work.plan = replace(work.plan, state=PlanState.UNWINDING)
        legs = tuple(
            Leg(
                number=number,
                market_id=item.market_id,
                outcome_id=item.outcome_id,
                side=Side.SELL,
                size=item.size,
                worst_price=item.worst_price,
            )
            for number, item in enumerate(steps.unwind)
        )
        now_ms = self._desk.now_ns // MS
        undo = Plan(
            kind=PlanKind.UNWIND,
            legs=legs,
            created_ms=now_ms,
            expires_ms=now_ms + UNWIND_LIFE_MS,
            max_cost=0,
            parameters={"attempts": UNWIND_ATTEMPTS},
        )
        self._start(undo, key=f"{work.key}:undo", origin=work.origin, reason="undoes a basket", parent=work.number)

    def _cancel_children(self, work: _Work) -> None:
        for child in work.children:
            if not child.ended:
                self._desk.cancel(child.order.order_id)

    def _finish(self, work: _Work, state: PlanState, at_ns: int) -> None:
        name = f"{work.plan.kind} {state}"
        self.ended[name] = self.ended.get(name, 0) + 1
        del self._plans[work.number]
        parent = self._plans.get(work.parent)
        if parent is not None and parent.plan.state is PlanState.UNWINDING:
            self._finish(parent, PlanState.FAILED, at_ns)


def _children(work: _Work) -> list[Child]:
    return [
        Child(
            order_id=item.order.order_id,
            leg=item.leg,
            price=int(item.order.price),
            size=int(item.order.size),
            phase=Phase.ENDED if item.ended else Phase.WORKING,
            filled=int(item.order.filled),
            paid=item.paid,
            reserved=item.reserved,
            ending=item.order.cancel_requested,
            created_ms=item.created_ms,
        )
        for item in work.children
    ]


def _promised(work: _Work, leg: Leg, size: int) -> OpenOrder:
    return OpenOrder(
        order_id=-(work.number * 100 + leg.number + 1),
        key=work.key,
        market_id=leg.market_id,
        outcome_id=leg.outcome_id,
        side=leg.side,
        price=Price(leg.worst_price),
        size=Shares(size),
        filled=Shares(0),
        order_type=OrderType.FAK,
        post_only=False,
        state=OrderState.NEW,
        origin=work.origin,
        created_at=work.made_at,
        level=INTENT_LEVEL,
    )


def _is_usable(book: BookView, now_ms: int, limit_ms: int, *, exit_: bool) -> bool:
    """Whether a child may be placed on the book; an exit may trust one that an entry would not."""
    if book.is_crossed or book.status in (BookStatus.CLOSED, BookStatus.MISSING):
        return False
    return book.age_ms(now_ms) <= FRESH_EXIT_MS if exit_ else book.is_fresh(now_ms, limit_ms)


def _fees(facts: Mapping[int, MarketFacts]) -> dict[int, FeeSchedule | None]:
    return {market_id: known.fee for market_id, known in facts.items()}
