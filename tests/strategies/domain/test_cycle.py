"""The one loop on a desk in memory: a repeated tick places nothing, a moved book replaces one order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from markets.domain.instruments import Side
from orders.domain.drafts import PlanDraft
from orders.domain.intents import Basket, BasketPolicy, OpenOrder, OrderIntent, Placement, Urgency
from orders.domain.plans import PlanKind
from risk.domain.context import GateContext
from risk.domain.verdicts import Verdict
from strategies.domain.base import Base, Decision, TradingParameters
from strategies.domain.cycle import decision_plan, run_cycle
from strategies.domain.view import MarketView
from strategies.library.market_making import MarketMaking
from tests.factories.risk import context, limits, portfolio
from tests.factories.strategies import NO, OWN, YES, book, holding, key, micro, mirror, resting, view

PARAMS = {"fair_value": "mid", "half_spread": "0.02", "volatility_factor": "0", "inventory_skew": "0"}


class MemoryDesk:
    """A desk without a database: approved placements become resting orders at once."""

    def __init__(self, yes_book: Any) -> None:
        self.orders: list[OpenOrder] = []
        self.cancelled: list[int] = []
        self.verdicts: list[Verdict] = []
        self.drafts: list[PlanDraft] = []
        self.yes_book = yes_book

    @contextmanager
    def open(self, now: datetime) -> Iterator[MemoryDesk]:
        self.now = now
        yield self

    @property
    def open_orders(self) -> Sequence[OpenOrder]:
        return self.orders

    @property
    def portfolio(self) -> Any:
        return portfolio(open_orders=tuple(self.orders))

    @property
    def limits(self) -> Any:
        return limits()

    def context(self, placements: Sequence[Placement]) -> GateContext:
        books = {YES: self.yes_book, NO: mirror(self.yes_book)}
        return context(portfolio=self.portfolio, books=books)

    def cancel(self, order_id: int, *, reason: str = "") -> None:
        self.cancelled.append(order_id)
        self.orders = [order for order in self.orders if order.order_id != order_id]

    def record(self, verdict: Verdict) -> int | None:
        self.verdicts.append(verdict)
        if not verdict.approved:
            return None
        wanted = verdict.placement
        order_id = len(self.verdicts)
        self.orders.append(
            resting(order_id, wanted.side, "0.5", "1").__class__(
                order_id=order_id, key=wanted.key, market_id=wanted.market_id, outcome_id=wanted.outcome_id,
                side=wanted.side, price=wanted.price, size=verdict.allowed_size, filled=0, order_type=wanted.order_type,
                post_only=wanted.post_only, state="live", origin=wanted.origin, created_at=wanted.created_at,
                level=wanted.level,
            )
        )  # fmt: skip
        return order_id

    def record_plan(self, draft: PlanDraft, verdicts: Sequence[Verdict]) -> int | None:
        self.verdicts += verdicts
        if any(verdict.refused for verdict in verdicts):
            return None
        self.drafts.append(draft)
        return len(self.drafts)


def _cycle(desk: MemoryDesk) -> Any:
    seen = view(MarketMaking(), desk.yes_book, params=PARAMS, orders=desk.orders)
    return run_cycle(MarketMaking(), seen, desk, origin=OWN, new_key=key)


def test_a_repeated_tick_places_nothing() -> None:
    desk = MemoryDesk(book("0.45", "0.55"))
    first = _cycle(desk)
    assert (len(first.order_ids), first.refused) == (2, ())
    again = _cycle(desk)
    assert (again.order_ids, again.plan.stale_order_ids, again.plan.kept, again.verdicts) == ((), (), 2, ())


def test_a_moved_book_replaces_what_moved() -> None:
    desk = MemoryDesk(book("0.45", "0.55"))
    _cycle(desk)
    desk.yes_book = book("0.48", "0.58")  # the middle moved by three cents: both quotes follow
    moved = _cycle(desk)
    assert len(desk.cancelled) == 2
    assert {(v.placement.outcome_id, int(v.placement.price)) for v in moved.verdicts} <= {(YES, 510_000), (NO, 450_000)}


def test_an_order_that_the_gate_made_smaller_is_no_reason_to_replace_it() -> None:
    seen = view(MarketMaking(), book("0.45", "0.55"), params=PARAMS)
    decision = MarketMaking().decide(seen)
    shrunk = [resting(1, Side.BUY, "0.48", "12"), resting(2, Side.BUY, "0.48", "20", outcome_id=NO)]
    plan = decision_plan(decision, seen, shrunk, origin=OWN, new_key=key)
    assert plan.stale_order_ids == (1,)
    plan = decision_plan(decision, seen, shrunk, origin=OWN, new_key=key, asked_sizes={1: micro("20")})
    assert plan.is_empty


class _Taker(Base):
    """Takes YES once, and reaches outside its universe."""

    name, title, description, params = "taker", "Taker", "", TradingParameters

    def decide(self, seen: MarketView) -> Decision:
        wants = {"side": Side.BUY, "size": micro("10"), "limit_price": micro("0.55"), "urgency": Urgency.HIGH}
        return Decision(intents=(OrderIntent(outcome_id=YES, **wants), OrderIntent(outcome_id=999, **wants)))


def test_an_intent_that_reaches_the_book_is_marketable_and_foreign_outcomes_are_dropped() -> None:
    strategy = _Taker()
    seen = view(strategy, book("0.45", "0.55"))
    plan = decision_plan(strategy.decide(seen), seen, (), origin=OWN, new_key=key)
    (placement,) = plan.placements
    assert (placement.outcome_id, placement.marketable, placement.order_type) == (YES, True, "fak")
    assert [(d.outcome_id, d.reason) for d in plan.dropped] == [(999, "outside its universe")]


def test_a_moved_offer_waits_until_its_old_order_gave_the_shares_back() -> None:
    held = {YES: holding(YES, "20", reserved="20")}
    offer = resting(5, Side.SELL, "0.55", "20")
    strategy = MarketMaking()
    seen = view(
        strategy, book("0.45", "0.55"), params=PARAMS, positions=held.values(), own={YES: micro("20")}, orders=[offer]
    )
    decision = strategy.decide(seen)
    plan = decision_plan(decision, seen, [offer], origin=OWN, new_key=key)
    assert plan.stale_order_ids == (5,)
    assert [(p.outcome_id, p.side) for p in plan.placements] == [(YES, Side.BUY)]
    assert [d.reason for d in plan.dropped] == ["waits for the end of order 5, which still holds the shares"]
    free = {YES: holding(YES, "20")}  # the cancel is confirmed
    plan = decision_plan(decision, seen, [], origin=OWN, new_key=key, positions=free)
    assert [(p.outcome_id, p.side) for p in plan.placements] == [(YES, Side.BUY), (YES, Side.SELL)]


class _Wants(Base):
    """Wants what it is given."""

    name, title, description, params = "wants", "Wants", "", TradingParameters

    def __init__(self, **wanted: Any) -> None:
        self.wanted = wanted

    def decide(self, seen: MarketView) -> Decision:
        return Decision(**self.wanted)


def _leg(outcome_id: int, limit: str) -> OrderIntent:
    return OrderIntent(
        outcome_id=outcome_id, side=Side.BUY, size=micro("10"), limit_price=micro(limit), urgency=Urgency.HIGH
    )


def test_an_urgent_intent_with_room_above_the_touch_is_chased() -> None:
    desk = MemoryDesk(book("0.45", "0.47"))
    strategy = _Wants(intents=(_leg(YES, "0.48"),))
    result = run_cycle(strategy, view(strategy, desk.yes_book), desk, origin=OWN, new_key=key)
    (draft,) = desk.drafts
    assert (draft.kind, draft.parameters["prices"]) == (PlanKind.CHASE, [micro("0.47"), micro("0.48")])
    assert (result.plan_ids, result.order_ids, result.refused) == ((1,), (), ())


def test_a_basket_becomes_one_plan_and_is_reviewed_leg_by_leg() -> None:
    desk = MemoryDesk(book("0.45", "0.47"))
    basket = Basket(legs=(_leg(YES, "0.47"),), policy=BasketPolicy.ALL_OR_NONE, worst_loss=micro("1"))
    strategy = _Wants(baskets=(basket,))
    result = run_cycle(strategy, view(strategy, desk.yes_book), desk, origin=OWN, new_key=key)
    (draft,) = desk.drafts
    assert (draft.kind, draft.whole, draft.unwind_bound) == (PlanKind.BASKET, True, micro("1"))
    assert [p.order_type for p in draft.placements] == ["fok"]
    assert [len(verdicts) for verdicts in result.plan_verdicts] == [1]


def test_a_basket_that_would_trade_with_ourselves_is_dropped_whole() -> None:
    ours = resting(3, Side.SELL, "0.46", "10")
    basket = Basket(legs=(_leg(YES, "0.47"), _leg(NO, "0.2")), policy=BasketPolicy.BEST_EFFORT, worst_loss=0)
    strategy = _Wants(baskets=(basket,))
    seen = view(strategy, book("0.45", "0.47"))
    plan = decision_plan(strategy.decide(seen), seen, [ours], origin=OWN, new_key=key)
    assert plan.drafts == ()
    assert "with it 2 legs of a basket" in plan.dropped[0].reason


def test_an_own_one_shot_order_is_cancelled_on_request_only() -> None:
    mine, asked, theirs = (
        resting(1, Side.BUY, "0.4", "10", level=-1),
        resting(2, Side.BUY, "0.4", "10", level=-1, cancel_requested=True),
        resting(3, Side.BUY, "0.4", "10", level=-1, origin=replace(OWN, id=99)),
    )
    strategy = _Wants(cancels=(1, 2, 3, 4))
    seen = view(strategy, book("0.45", "0.47"))
    plan = decision_plan(strategy.decide(seen), seen, [mine, asked, theirs], origin=OWN, new_key=key)
    assert plan.stale_order_ids == (1,)
