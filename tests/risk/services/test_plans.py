"""A plan from its approval to its end on PostgreSQL and the simulated venue's rows: inside its envelope, always."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from markets.domain.instruments import Side
from markets.models import Market, Outcome
from orders.domain.drafts import PlanDraft, basket_draft, chase_draft, slices_draft
from orders.domain.intents import INTENT_LEVEL, Basket, BasketPolicy, OrderType
from orders.domain.lifecycle import TradingState
from orders.domain.plans import Place
from orders.models import Account, ExecutionPlan, Order, PaperOrder, PlanLeg
from orders.selectors.portfolio import held_outcomes, traded_markets
from orders.services import children, execution, kill, plans
from orders.services.accounts import trading_state_set
from orders.services.children import OutsideEnvelope, child_create
from orders.services.faults import Crash, hook_install
from orders.services.invariants import check_invariants
from orders.services.paper import paper_sync
from orders.services.plan_states import plan_lock
from risk.models import RiskVerdict
from risk.rules.review import review
from risk.services import gate
from risk.services.gate import GateDesk
from tests.factories.markets import AT, book_make, market_make
from tests.factories.orders import MANUAL, ORIGIN, micro, paper_order, paper_trade, placement
from tests.risk.conftest import Books

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books", "plan_books")]


@pytest.fixture
def plan_books(monkeypatch: pytest.MonkeyPatch, books: Books) -> None:
    def read(outcome_ids: Iterable[int]) -> Any:
        return books.read(outcome_ids)

    monkeypatch.setattr(plans, "_books", read)


def approve(account: Account, draft: PlanDraft, *, mode: str = gate.RUNNING, now: datetime = AT) -> int | None:
    desk = GateDesk(account_id=account.pk, origin=ORIGIN, mode=mode, clock=lambda: now)
    with desk.open(now) as held:
        plan_id = held.record_plan(draft, review(draft.placements, held.context(draft.placements)))
    return plan_id


def wanted(outcome: Outcome, side: Side = Side.BUY, price: str = "0.52", size: str = "20", **values: Any) -> Any:
    fields = {"order_type": OrderType.FAK, "level": INTENT_LEVEL, "marketable": True}
    return placement(outcome, side, price, size, **{**fields, **values})


def chase(outcome: Outcome, *, touch: str = "0.50", **values: Any) -> PlanDraft:
    draft = chase_draft(wanted(outcome, **values), touch=micro(touch), tick=10_000)
    assert draft is not None
    return draft


def answer(order: Order, filled: str = "0", *, price: str | None = None) -> Order:
    """Let the simulated venue take the order, fill some and end it; then book our side."""
    order.refresh_from_db()
    done = Decimal(filled) == order.size
    paper_order(order, state=PaperOrder.State.FILLED if done else PaperOrder.State.CANCELED, filled=filled)
    if Decimal(filled):
        paper_trade(order, filled, price, role="taker")
    paper_sync(str(order.venue_order_id), now=AT)
    order.refresh_from_db()
    return order


def children_rows(plan_id: int | None) -> list[Order]:
    return list(Order.objects.filter(plan_id=plan_id).order_by("id"))


def row_of(plan_id: int | None) -> ExecutionPlan:
    return ExecutionPlan.objects.get(pk=plan_id)


# The gate -------------------------------------------------------------------------------


def test_an_approved_envelope_is_stored_with_its_verdict_and_legs(account: Account, outcome: Outcome) -> None:
    plan_id = approve(account, chase(outcome))
    row, leg, verdict = row_of(plan_id), PlanLeg.objects.get(), RiskVerdict.objects.get()
    assert (row.kind, row.state, row.verdict_id) == ("chase", "active", verdict.pk)
    assert (leg.size, leg.worst_price, leg.ordered) == (Decimal(20), Decimal("0.52"), Decimal(0))
    assert Decimal("10.4") <= row.max_cost < Decimal("10.41")  # 20 x 0.52 without a fee, and rounding
    assert (verdict.decision, verdict.price) == ("approved", Decimal("0.52"))


def test_the_book_of_a_working_plan_is_kept_although_nothing_is_open(account: Account, outcome: Outcome) -> None:
    plan_id = approve(account, chase(outcome)) or 0
    assert (held_outcomes([account.pk]), traded_markets()) == ({outcome.pk}, {outcome.market_id})
    plans.plan_cancel(plan_id, "enough", "ada", AT)
    assert (held_outcomes([account.pk]), traded_markets()) == (set(), set())


def test_the_same_draft_twice_is_one_plan(account: Account, outcome: Outcome) -> None:
    draft = chase(outcome)
    first = approve(account, draft)
    with pytest.raises(IntegrityError), transaction.atomic():
        approve(account, draft)  # its verdict is on file under that key
    assert list(ExecutionPlan.objects.values_list("pk", flat=True)) == [first]


def test_what_a_plan_may_still_order_counts_against_the_limits(account: Account, outcome: Outcome) -> None:
    assert approve(account, chase(outcome, size="48")) is not None  # $25 of $100 in this market
    for _ in range(4):
        approve(account, slices(outcome, size="48", origin=MANUAL))
    committed = sum(leg.size * leg.worst_price for leg in PlanLeg.objects.all())
    assert committed <= Decimal(100)
    assert RiskVerdict.objects.filter(rule="market_exposure").exists()


def test_a_strategy_has_one_plan_per_outcome_and_side(account: Account, outcome: Outcome) -> None:
    assert approve(account, chase(outcome)) is not None
    assert approve(account, chase(outcome, size="10"), now=AT + timedelta(seconds=1)) is None
    assert RiskVerdict.objects.latest("id").rule == "plan_working"


def test_an_observing_desk_stores_verdicts_and_no_plan(account: Account, outcome: Outcome) -> None:
    assert approve(account, chase(outcome), mode=gate.OBSERVE) is None
    assert (RiskVerdict.objects.get().decision, ExecutionPlan.objects.count()) == ("observed", 0)


def basket(
    account: Account, *, sizes: tuple[str, str] = ("20", "20"), **values: Any
) -> tuple[PlanDraft, list[Outcome]]:
    outcomes = [market_make(fee_rate_ppm=0).outcomes.get(index=0) for _ in sizes]
    legs = [wanted(outcome, size=size) for outcome, size in zip(outcomes, sizes, strict=True)]
    policy = values.get("policy", BasketPolicy.ALL_OR_NONE)
    both = Basket(legs=(), policy=policy, worst_loss=micro(values.get("bound", "2")))
    return basket_draft(both, legs, key=str(placement(outcomes[0]).key)), outcomes


def test_a_basket_with_a_refused_leg_is_refused_whole(account: Account) -> None:
    draft, _ = basket(account, sizes=("20", "400"))  # the second is above the size of an order
    assert approve(account, draft) is None
    rules = dict(RiskVerdict.objects.values_list("asked_size", "rule"))
    assert rules == {Decimal(20): "whole_plan", Decimal(400): "order_size"}
    assert "leg 2 of the plan was refused" in RiskVerdict.objects.get(rule="whole_plan").message


def test_best_effort_takes_the_legs_that_are_allowed(account: Account) -> None:
    draft, outcomes = basket(account, sizes=("20", "1"), policy=BasketPolicy.BEST_EFFORT)  # $0.52: under the minimum
    approve(account, draft)
    assert [leg.outcome_id for leg in PlanLeg.objects.all()] == [outcomes[0].pk]


# Chase ----------------------------------------------------------------------------------


def test_a_chase_steps_up_and_counts_what_it_used(account: Account, outcome: Outcome) -> None:
    plan_id = approve(account, chase(outcome))
    (first_id,) = plans.plan_advance(plan_id, AT).order_ids
    first = Order.objects.get(pk=first_id)
    assert (first.state, first.price, first.size, first.order_type) == ("sending", Decimal("0.50"), Decimal(20), "fak")
    assert plans.plan_advance(plan_id, AT).order_ids == []  # it may still fill
    answer(first, "5")
    assert row_of(plan_id).next_due_at == AT  # its end woke the plan
    (second_id,) = plans.plan_advance(plan_id, AT).order_ids
    second = answer(Order.objects.get(pk=second_id), "15")
    assert (second.price, second.size) == (Decimal("0.52"), Decimal(15))
    assert plans.plan_advance(plan_id, AT).ended
    row, leg = row_of(plan_id), PlanLeg.objects.get()
    assert (row.state, row.state_reason, leg.filled) == ("done", "filled", Decimal(20))
    plans.plan_advance(plan_id, AT)
    assert row_of(plan_id).committed == Decimal("2.5") + Decimal("7.8")
    assert row_of(plan_id).next_due_at is None
    assert check_invariants() == []


def test_an_unknown_child_holds_its_plan(account: Account, outcome: Outcome) -> None:
    plan_id = approve(account, chase(outcome))
    plans.plan_advance(plan_id, AT)
    Order.objects.update(state="unknown")
    later = AT + timedelta(seconds=20)
    assert plans.plan_advance(plan_id, later).order_ids == []
    assert PlanLeg.objects.get().ordered == Decimal(20)


def test_a_crash_after_the_step_makes_no_second_child(account: Account, outcome: Outcome) -> None:
    plan_id = approve(account, chase(outcome))

    def die(name: str) -> None:
        if name == "plan.stepped":
            raise Crash

    remove = hook_install(die)
    try:
        with pytest.raises(Crash):
            plans.plan_advance(plan_id, AT)  # inside the transaction: nothing was committed
    finally:
        remove()
    assert children_rows(plan_id) == []
    assert (PlanLeg.objects.get().ordered, row_of(plan_id).committed) == (0, 0)
    plans.plan_advance(plan_id, AT)
    plans.plan_advance(plan_id, AT)
    assert len(children_rows(plan_id)) == 1


def test_without_a_fresh_book_nothing_is_placed_until_the_plan_expires(
    account: Account, outcome: Outcome, books: Books
) -> None:
    plan_id = approve(account, chase(outcome))
    old = AT + timedelta(seconds=4)  # the book was confirmed at AT, taking allows 3 s
    assert plans.plan_advance(plan_id, old).order_ids == []
    assert plans.plan_advance(plan_id, AT + timedelta(seconds=61)).ended
    assert row_of(plan_id).state == "expired"


# What is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "size", "leg"), [("0.53", "20", 0), ("0.52", "20.01", 0), ("0.52", "20", 1)])
def test_a_child_outside_its_envelope_is_refused_and_reserves_nothing(
    account: Account, outcome: Outcome, price: str, size: str, leg: int
) -> None:
    plan_id = approve(account, chase(outcome))
    place = Place(leg=leg, number=0, price=micro(price), size=micro(size), order_type=OrderType.FAK)
    with transaction.atomic(), pytest.raises(OutsideEnvelope):
        child_create(plan_lock(plan_id or 0), place, now=AT)
    account.refresh_from_db()
    assert (account.reserved_cash, PlanLeg.objects.get().ordered, Order.objects.count()) == (0, 0, 0)


def test_a_plan_that_is_over_makes_no_child(account: Account, outcome: Outcome) -> None:
    plan_id = approve(account, chase(outcome)) or 0
    assert plans.plan_cancel(plan_id, "no longer wanted", "ada", AT)
    place = Place(leg=0, number=0, price=micro("0.5"), size=micro("20"), order_type=OrderType.FAK)
    with transaction.atomic(), pytest.raises(OutsideEnvelope, match="is over"):
        child_create(plan_lock(plan_id), place, now=AT)
    account.refresh_from_db()
    assert account.reserved_cash == 0


def test_the_tables_repeat_the_bounds(account: Account, outcome: Outcome) -> None:
    plan_id = approve(account, chase(outcome))
    with pytest.raises(IntegrityError), transaction.atomic():
        PlanLeg.objects.update(ordered=21)
    with pytest.raises(IntegrityError), transaction.atomic():
        ExecutionPlan.objects.filter(pk=plan_id).update(committed=11)


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("kill", "the kill switch is set"),
        ("halt", "the account is halted: drill"),
        ("reduce", "the account may only reduce"),
        ("auto", "automatic orders are off"),
        ("market", "the market takes no orders any more"),
    ],
)
def test_every_stop_ends_a_plan_before_its_next_child(
    account: Account, outcome: Outcome, stop: str, reason: str
) -> None:
    plan_id = approve(account, chase(outcome))
    plans.plan_advance(plan_id, AT)
    answer(children_rows(plan_id)[0], "5")
    if stop == "kill":
        kill.kill_set("drill", "ada", AT)
    elif stop == "auto":
        Account.objects.update(auto_trade=False)
    elif stop == "market":
        Market.objects.update(state="closed")
    else:
        state = TradingState.HALTED if stop == "halt" else TradingState.REDUCE_ONLY
        trading_state_set(account_id=account.pk, state=state, reason="drill")
    assert plans.plan_advance(plan_id, AT).order_ids == []
    assert (row_of(plan_id).state, row_of(plan_id).state_reason) == ("canceled", reason)


def test_cancelling_everything_ends_plans_first(account: Account, outcome: Outcome) -> None:
    plan_id = approve(account, chase(outcome))
    plans.plan_advance(plan_id, AT)
    assert execution.cancel_all(account.pk, "by hand", "ada", AT) == 1
    answer(children_rows(plan_id)[0], "0")
    assert plans.plans_advance(AT + timedelta(seconds=1)) == 0
    row = row_of(plan_id)
    assert (row.state, row.state_reason, row.committed, row.next_due_at) == ("canceled", "by hand", 0, None)


def test_cancelling_one_market_leaves_the_others(account: Account, outcome: Outcome) -> None:
    other = market_make(fee_rate_ppm=0).outcomes.get(index=0)
    first, second = approve(account, chase(outcome)), approve(account, chase(other))
    for plan_id in (first, second):
        plans.plan_advance(plan_id, AT)
    assert execution.cancel_market(account.pk, other.market_id, "by hand", "ada", AT) == 1
    assert [row_of(first).state, row_of(second).state] == ["active", "canceled"]


# Slices, baskets, closing ---------------------------------------------------------------


def slices(outcome: Outcome, *, count: int = 4, **values: Any) -> PlanDraft:
    return slices_draft(
        wanted(outcome, **values), count=count, interval_s=10, jitter_s=0, joins=False, smallest=micro("5"), now=AT,
        rng=random.Random(1),
    )  # fmt: skip


def test_slices_follow_the_clock(account: Account, outcome: Outcome, books: Books) -> None:
    plan_id = approve(account, slices(outcome, size="40", price="0.52"))
    sizes = []
    for second in (0, 5, 10, 20, 30):
        now = AT + timedelta(seconds=second)
        ms = int(now.timestamp() * 1000)
        books.set[outcome.pk] = book_make(outcome.pk, confirmed_ms=ms)
        for order_id in plans.plan_advance(plan_id, now).order_ids:
            order = answer(Order.objects.get(pk=order_id), "3" if second == 10 else "0")
            sizes.append(order.size)
    assert sizes == [Decimal(10), Decimal(20), Decimal(27), Decimal(37)]


def test_a_plan_in_slices_may_be_larger_than_one_order(account: Account, outcome: Outcome) -> None:
    approve(account, slices(outcome, size="150"))  # $78, in four orders of $19.50
    assert PlanLeg.objects.get().size == Decimal(150)


def test_a_basket_whose_second_leg_fails_sells_the_first_within_its_bound(account: Account, books: Books) -> None:
    draft, _ = basket(account, bound="1")
    plan_id = approve(account, draft)
    ids = plans.plan_advance(plan_id, AT).order_ids
    assert [Order.objects.get(pk=i).order_type for i in ids] == ["fok", "fok"]
    answer(Order.objects.get(pk=ids[0]), "20", price="0.52")
    answer(Order.objects.get(pk=ids[1]), "0")
    plans.plan_advance(plan_id, AT)
    undo = ExecutionPlan.objects.get(parent_id=plan_id)
    (leg,) = undo.legs.all()
    # 20 shares cost $10.40; $1 may be lost: $9.40 must come back, 0.47 a share.
    assert (row_of(plan_id).state, leg.side, leg.size, leg.worst_price) == ("unwinding", "sell", 20, Decimal("0.47"))
    (sale_id,) = plans.plan_advance(undo.pk, AT).order_ids
    answer(Order.objects.get(pk=sale_id), "20", price="0.48")
    plans.plan_advance(undo.pk, AT)
    plans.plan_advance(plan_id, AT)
    row = row_of(plan_id)
    assert row.state == "failed"
    assert row.state_reason == f"leg 2 was not filled whole; undone by plan {undo.pk}: sold 20 of 20 shares"
    assert check_invariants() == []


def test_a_basket_is_created_whole_or_not_at_all(account: Account) -> None:
    draft, _ = basket(account)
    plan_id = approve(account, draft)
    Account.objects.update(cash=11)  # the second leg finds no money
    assert plans.plan_advance(plan_id, AT).order_ids == []
    assert (row_of(plan_id).state, Order.objects.filter(plan_id=plan_id).count()) == ("failed", 0)


def test_eight_workers_make_one_child(account: Account, outcome: Outcome) -> None:
    plan_id = approve(account, chase(outcome))
    made = [plans.plan_advance(plan_id, AT).order_ids for _ in range(8)]
    assert sum(len(ids) for ids in made) == 1
    assert children.child_key(row_of(plan_id), 0) == str(children_rows(plan_id)[0].client_key)
    assert connection.in_atomic_block
