"""The one loop: decide, compare with what rests, review, record. The same live, on paper and in replays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from markets.domain.instruments import Side
from markets.domain.units import Shares
from orders.domain.changes import Dropped, drop_self_trades, plan_changes
from orders.domain.drafts import PlanDraft, basket_draft, chase_draft
from orders.domain.intents import INTENT_LEVEL, Basket, OpenOrder, OrderIntent, Origin, Placement, Urgency
from orders.domain.ledger import Position
from orders.domain.urgency import intent_placement
from risk.domain.desk import Desk
from risk.domain.verdicts import Verdict
from risk.rules.review import review
from strategies.domain.base import Decision, Strategy
from strategies.domain.exits import decide_with_exits
from strategies.domain.view import NOTHING, MarketView

KeyMaker = Callable[[datetime], str]
_OUTSIDE = "outside its universe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a decision means for the orders that rest now."""

    placements: tuple[Placement, ...]
    stale_order_ids: tuple[int, ...]
    dropped: tuple[Dropped, ...] = ()
    kept: int = 0
    drafts: tuple[PlanDraft, ...] = ()  # what takes more than one order: chases and baskets

    @property
    def is_empty(self) -> bool:
        """Whether the orders already are what is wanted."""
        return not (self.placements or self.stale_order_ids or self.drafts)

    @property
    def wanted(self) -> tuple[Placement, ...]:
        """Everything that the gate is asked about: single orders, then the envelopes."""
        return (*self.placements, *(placement for draft in self.drafts for placement in draft.placements))


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleResult:
    """What one pass through the gate came to."""

    decision: Decision
    plan: Plan
    verdicts: tuple[Verdict, ...] = ()  # on single orders
    created: tuple[int | None, ...] = ()  # per verdict the order it made; none for a desk that only observes
    plan_verdicts: tuple[tuple[Verdict, ...], ...] = ()  # per draft, on its envelope
    plans: tuple[int | None, ...] = ()  # per draft the plan it made

    @property
    def order_ids(self) -> tuple[int, ...]:
        """The orders that wait to be submitted."""
        return tuple(order_id for order_id in self.created if order_id is not None)

    @property
    def plan_ids(self) -> tuple[int, ...]:
        """The plans that wait for their first step."""
        return tuple(plan_id for plan_id in self.plans if plan_id is not None)

    @property
    def observed(self) -> tuple[Verdict, ...]:
        """What was allowed and yet became no order: the desk only observes, or the money was gone."""
        made = zip(self.verdicts, self.created, strict=True)
        single = [verdict for verdict, order_id in made if verdict.approved and order_id is None]
        return (*single, *(v for v in self._not_planned() if v.approved))

    @property
    def refused(self) -> tuple[Verdict, ...]:
        return tuple(v for v in (*self.verdicts, *self._not_planned()) if v.refused)

    def _not_planned(self) -> list[Verdict]:
        pairs = zip(self.plan_verdicts, self.plans, strict=True)
        return [verdict for verdicts, plan_id in pairs if plan_id is None for verdict in verdicts]


def run_cycle(strategy: Strategy, view: MarketView, desk: Desk, *, origin: Origin, new_key: KeyMaker) -> CycleResult:
    """Let `strategy` decide on `view` and carry the decision through the gate of `desk`."""
    return decision_apply(decide_with_exits(strategy, view), view, desk, origin=origin, new_key=new_key)


def decision_apply(
    decision: Decision,
    view: MarketView,
    desk: Desk,
    *,
    origin: Origin,
    new_key: KeyMaker,
    asked_sizes: Mapping[int, int] = NOTHING,
) -> CycleResult:
    """Cancel what is no longer wanted, have the rest reviewed, record every verdict."""
    with desk.open(view.now) as account:
        # Planned against what rests under the lock, not against what the view saw a moment ago.
        plan = decision_plan(
            decision,
            view,
            account.portfolio.open_orders,
            origin=origin,
            new_key=new_key,
            asked_sizes=asked_sizes,
            positions=account.portfolio.positions,
        )
        for order_id in plan.stale_order_ids:
            account.cancel(order_id)
        # One review for all of it: what one order or envelope is allowed, the next one sees reserved.
        answers = iter(review(plan.wanted, account.context(plan.wanted)) if plan.wanted else ())
        verdicts = tuple(islice(answers, len(plan.placements)))
        created = tuple(account.record(verdict) for verdict in verdicts)
        envelopes = tuple(tuple(islice(answers, len(draft.placements))) for draft in plan.drafts)
        plans = tuple(account.record_plan(d, found) for d, found in zip(plan.drafts, envelopes, strict=True))
    return CycleResult(
        decision=decision, plan=plan, verdicts=verdicts, created=created, plan_verdicts=envelopes, plans=plans
    )


def decision_plan(
    decision: Decision,
    view: MarketView,
    open_orders: Sequence[OpenOrder],
    *,
    origin: Origin,
    new_key: KeyMaker,
    asked_sizes: Mapping[int, int] = NOTHING,
    positions: Mapping[int, Position] | None = None,
) -> Plan:
    """Return the placements and cancels that carry `decision` out.

    `open_orders` and `positions` (default: the view's) are the account's. `asked_sizes` names, for
    orders that the gate made smaller, the size that was asked for: the same wish again is then
    no change, and the order keeps its place in the queue.
    """
    if asked_sizes:
        open_orders = [
            replace(order, size=Shares(asked_sizes[order.order_id])) if order.order_id in asked_sizes else order
            for order in open_orders
        ]
    market_of = {o.outcome_id: facts.market_id for facts in view.markets.values() for o in facts.outcomes}
    quoted = plan_changes(
        tuple(quote for quote in decision.quotes if quote.outcome_id in market_of),
        open_orders,
        origin=origin,
        market_of=market_of,
        now=view.now,
        new_key=new_key,
    )
    wished = {
        placement.key: (placement, intent)
        for intent in decision.intents
        if intent.outcome_id in market_of
        for placement in [_placed(intent, market_of[intent.outcome_id], view, origin=origin, new_key=new_key)]
    }
    once = [placement for placement, _ in wished.values()]
    allowed, crossing = drop_self_trades(once, open_orders) if once else ((), ())
    held = view.positions if positions is None else positions
    ended = {order.order_id for order in open_orders if _is_own(order, origin) and not order.cancel_requested}
    stale = tuple(dict.fromkeys((*quoted.stale_order_ids, *(i for i in decision.cancels if i in ended))))
    ready, waiting = _until_shares_are_free((*quoted.placements, *allowed), stale, open_orders, held)
    urgent = {
        key for key, (_, intent) in wished.items() if intent.urgency is Urgency.HIGH and intent.order_type is None
    }
    chased = {p.key: draft for p in ready if p.key in urgent and (draft := _chase(p, view)) is not None}
    baskets, broken = _baskets(decision, view, open_orders, market_of, origin=origin, new_key=new_key)
    return Plan(
        placements=tuple(p for p in ready if p.key not in chased),
        stale_order_ids=stale,
        dropped=(*quoted.dropped, *crossing, *waiting, *broken, *_unwatched(decision, market_of)),
        kept=quoted.kept,
        drafts=(*chased.values(), *baskets),
    )


def _placed(intent: OrderIntent, market_id: int, view: MarketView, *, origin: Origin, new_key: KeyMaker) -> Placement:
    return intent_placement(
        intent,
        key=new_key(view.now),
        market_id=market_id,
        origin=origin,
        now=view.now,
        marketable=crosses(intent, view),
    )


def _is_own(order: OpenOrder, origin: Origin) -> bool:
    return (order.origin.kind, order.origin.id) == (origin.kind, origin.id)


def _chase(placement: Placement, view: MarketView) -> PlanDraft | None:
    """Return the three-step chase of an urgent order; None where one order does it."""
    book = view.books.get(placement.outcome_id)
    if book is None:
        return None
    touch = book.best_ask if placement.side is Side.BUY else book.best_bid
    return chase_draft(placement, touch=touch, tick=book.tick)


def _baskets(
    decision: Decision,
    view: MarketView,
    open_orders: Sequence[OpenOrder],
    market_of: Mapping[int, int],
    *,
    origin: Origin,
    new_key: KeyMaker,
) -> tuple[tuple[PlanDraft, ...], tuple[Dropped, ...]]:
    """Return the baskets as drafts, and those with a leg that cannot be placed as dropped."""
    drafts: list[PlanDraft] = []
    dropped: list[Dropped] = []
    for basket in decision.baskets:
        if any(leg.outcome_id not in market_of for leg in basket.legs):
            continue  # `_unwatched` names the leg
        legs = [_placed(leg, market_of[leg.outcome_id], view, origin=origin, new_key=new_key) for leg in basket.legs]
        _, crossing = drop_self_trades(legs, open_orders)
        if crossing:
            dropped += _with_basket(basket, crossing)
        elif legs:
            drafts.append(basket_draft(basket, legs, key=new_key(view.now)))
    return tuple(drafts), tuple(dropped)


def _with_basket(basket: Basket, crossing: Sequence[Dropped]) -> list[Dropped]:
    return [
        replace(item, reason=f"{item.reason}, and with it {len(basket.legs)} legs of a basket") for item in crossing
    ]


def _until_shares_are_free(
    placements: Sequence[Placement],
    stale_order_ids: Sequence[int],
    open_orders: Sequence[OpenOrder],
    positions: Mapping[int, Position],
) -> tuple[tuple[Placement, ...], tuple[Dropped, ...]]:
    """Hold back sells whose shares a leaving order still has: its cancel is a request, and it may yet trade.

    They are placed by the tick that finds the shares free, instead of being refused now.
    """
    leaving: dict[int, int] = {}
    for order in open_orders:
        if order.side is Side.SELL and (order.cancel_requested or order.order_id in stale_order_ids):
            leaving[order.outcome_id] = order.order_id
    if not leaving:
        return tuple(placements), ()
    free = {outcome_id: int(position.available) for outcome_id, position in positions.items()}
    ready: list[Placement] = []
    waiting: list[Dropped] = []
    for placement in placements:
        outcome_id = placement.outcome_id
        if placement.side is Side.SELL and outcome_id in leaving and placement.size > free.get(outcome_id, 0):
            reason = f"waits for the end of order {leaving[outcome_id]}, which still holds the shares"
            waiting.append(_dropped(outcome_id, placement.side, placement.price, placement.level, reason))
            continue
        if placement.side is Side.SELL:
            free[outcome_id] = free.get(outcome_id, 0) - int(placement.size)
        ready.append(placement)
    return tuple(ready), tuple(waiting)


def crosses(intent: OrderIntent, view: MarketView) -> bool:
    """Whether the intent would take from the book it was decided on."""
    book = view.books.get(intent.outcome_id)
    if book is None:
        return False
    if intent.side is Side.BUY:
        return book.best_ask is not None and intent.limit_price >= book.best_ask
    return book.best_bid is not None and intent.limit_price <= book.best_bid


def _unwatched(decision: Decision, market_of: Mapping[int, int]) -> tuple[Dropped, ...]:
    """A strategy trades inside its universe only; anything else is refused here, with the reason."""
    out: list[Dropped] = []
    for quote in decision.quotes:
        if quote.outcome_id not in market_of:
            out.append(_dropped(quote.outcome_id, quote.side, quote.price, quote.level, _OUTSIDE))
    for intent in (*decision.intents, *(leg for basket in decision.baskets for leg in basket.legs)):
        if intent.outcome_id not in market_of:
            out.append(_dropped(intent.outcome_id, intent.side, intent.limit_price, INTENT_LEVEL, _OUTSIDE))
    return tuple(out)


def _dropped(outcome_id: int, side: Side, price: int, level: int, reason: str) -> Dropped:
    return Dropped(outcome_id=outcome_id, side=side, price=price, level=level, reason=reason)
