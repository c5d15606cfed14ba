"""A failed basket is traded back: what it bought is sold, what it sold is bought again, within its bound."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from markets.domain.instruments import Side
from markets.models import Outcome
from orders.domain.drafts import PlanDraft, basket_draft
from orders.domain.intents import Basket, BasketPolicy, OrderType
from orders.models import Account, ExecutionPlan, Order, Position
from orders.services import execution, plans
from orders.services.invariants import check_invariants
from tests.factories.markets import AT, market_make
from tests.factories.orders import micro, order_make, placement
from tests.risk.conftest import Books
from tests.risk.services.test_plans import answer, approve, row_of, wanted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]


@pytest.fixture(autouse=True)
def one_picture(monkeypatch: pytest.MonkeyPatch, books: Books) -> None:
    monkeypatch.setattr(plans, "_books", books.read)


@pytest.fixture
def outcomes() -> list[Outcome]:
    return [market_make(fee_rate_ppm=0).outcomes.get(index=0) for _ in range(2)]


@pytest.fixture
def held(account: Account, outcomes: list[Outcome]) -> Outcome:
    """Twenty shares of the second outcome, bought at 0.40."""
    order = order_make(account, outcomes[1], price="0.40", size="20", order_type=OrderType.FAK)
    execution.order_submit(order.pk, AT)
    answer(Order.objects.get(pk=order.pk), "20", price="0.40")
    return outcomes[1]


def swap(outcomes: list[Outcome], *, bound: str = "1") -> PlanDraft:
    """Buy the first and sell the second, both or neither."""
    legs = [wanted(outcomes[0], size="20"), wanted(outcomes[1], side=Side.SELL, price="0.48", size="20")]
    both = Basket(legs=(), policy=BasketPolicy.ALL_OR_NONE, worst_loss=micro(bound))
    return basket_draft(both, legs, key=str(placement(outcomes[0]).key))


def broken(account: Account, outcomes: list[Outcome], **values: Any) -> int:
    """Return a swap of which only the sale was filled."""
    plan_id = approve(account, swap(outcomes, **values))
    assert plan_id is not None
    first, second = plans.plan_advance(plan_id, AT).order_ids
    answer(Order.objects.get(pk=first), "0")
    answer(Order.objects.get(pk=second), "20", price="0.48")
    plans.plan_advance(plan_id, AT)
    return plan_id


def test_a_sale_whose_partner_failed_is_bought_back_within_the_bound(
    account: Account, outcomes: list[Outcome], held: Outcome
) -> None:
    plan_id = broken(account, outcomes)
    undo = ExecutionPlan.objects.get(parent_id=plan_id)
    (leg,) = undo.legs.all()
    # It brought $9.60 and $1 may be lost: 20 shares for $10.60 at most, 0.52 a share on the tick.
    assert (leg.side, leg.size, leg.worst_price, undo.max_cost) == ("buy", 20, Decimal("0.52"), Decimal("10.6"))
    assert row_of(plan_id).state == "unwinding"
    (purchase,) = plans.plan_advance(undo.pk, AT).order_ids
    answer(Order.objects.get(pk=purchase), "20", price="0.52")
    plans.plan_advance(undo.pk, AT)
    plans.plan_advance(plan_id, AT)
    reason = f"leg 1 was not filled whole; undone by plan {undo.pk}: bought back 20 of 20 shares"
    assert (row_of(plan_id).state, row_of(plan_id).state_reason) == ("failed", reason)
    assert Position.objects.get(account=account, outcome=held).size == 20
    assert check_invariants() == []


def test_both_sides_are_undone_by_plans_of_their_own(account: Account, outcomes: list[Outcome], held: Outcome) -> None:
    third = market_make(fee_rate_ppm=0).outcomes.get(index=0)
    draft = swap(outcomes)
    legs = [*draft.placements, wanted(third, size="20")]
    both = Basket(legs=(), policy=BasketPolicy.ALL_OR_NONE, worst_loss=micro("2"))
    plan_id = approve(account, basket_draft(both, legs, key=draft.key))
    assert plan_id is not None
    ids = plans.plan_advance(plan_id, AT).order_ids
    for order_id, size, price in zip(ids, ("20", "20", "0"), ("0.52", "0.48", "0.52"), strict=True):
        answer(Order.objects.get(pk=order_id), size, price=price)
    plans.plan_advance(plan_id, AT)
    sale, purchase = ExecutionPlan.objects.filter(parent_id=plan_id).order_by("id")
    assert [sale.legs.get().side, purchase.legs.get().side] == ["sell", "buy"]
    # $2 shared by what was moved, 10.40 and 9.60: 9.36 must come back, 10.56 may be spent.
    assert (sale.legs.get().worst_price, purchase.max_cost) == (Decimal("0.47"), Decimal("10.56"))
    Account.objects.filter(pk=account.pk).update(trading_state="reduce_only")
    assert len(plans.plan_advance(sale.pk, AT).order_ids) == 1
    assert plans.plan_advance(purchase.pk, AT).ended, "buying is an entry"
    assert row_of(purchase.pk).state_reason == "the account may only reduce"
    plans.plan_advance(plan_id, AT)
    assert row_of(plan_id).state == "unwinding", "the sale still works"


def test_automatic_orders_that_are_off_buy_nothing_back(
    account: Account, outcomes: list[Outcome], held: Outcome
) -> None:
    plan_id = broken(account, outcomes)
    Account.objects.filter(pk=account.pk).update(auto_trade=False)
    undo = ExecutionPlan.objects.get(parent_id=plan_id)
    assert plans.plan_advance(undo.pk, AT).ended
    assert row_of(undo.pk).state_reason == "automatic orders are off"
    plans.plan_advance(plan_id, AT)
    assert row_of(plan_id).state == "failed" and "automatic orders are off" in row_of(plan_id).state_reason


def test_buying_back_waits_for_an_own_offer_that_it_would_meet(
    account: Account, outcomes: list[Outcome], held: Outcome
) -> None:
    plan_id = broken(account, outcomes)
    undo = ExecutionPlan.objects.get(parent_id=plan_id)
    Position.objects.filter(account=account, outcome=held).update(size=5, confirmed_size=5)
    offer = order_make(account, held, side=Side.SELL, price="0.51", size="5")
    execution.order_submit(offer.pk, AT)
    assert plans.plan_advance(undo.pk, AT).order_ids == []
    Order.objects.filter(pk=offer.pk).update(price="0.53")
    assert len(plans.plan_advance(undo.pk, AT).order_ids) == 1
