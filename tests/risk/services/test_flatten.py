"""Flatten sells what is held at a floor, names what it cannot sell, and never buys."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from markets.domain.instruments import Side
from markets.models import Market, Outcome
from orders.domain.intents import OrderType
from orders.models import Account, ExecutionPlan, Order, PlanLeg
from orders.services import execution, plans
from orders.services.invariants import check_invariants
from risk.selectors import flattening
from risk.selectors.flattening import flatten_preview
from risk.services import plans as asked_plans
from risk.services.flatten import flatten
from risk.services.plans import PlanError, chase_wanted, draft_review, order_replace, slices_wanted
from tests.factories.markets import AT, book_make, market_make
from tests.factories.orders import MANUAL, ORIGIN, micro, order_make, placement
from tests.risk.conftest import Books
from tests.risk.services.test_plans import answer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]


@pytest.fixture(autouse=True)
def one_picture(monkeypatch: pytest.MonkeyPatch, books: Books) -> None:
    for module, name in ((plans, "_books"), (flattening, "books_read"), (asked_plans, "books_read")):
        monkeypatch.setattr(module, name, books.read)


def sent(account: Account, outcome: Outcome, **values: Any) -> Order:
    order = order_make(account, outcome, **values)
    execution.order_submit(order.pk, AT)
    return Order.objects.get(pk=order.pk)


def hold(account: Account, outcome: Outcome, size: str = "50", **values: Any) -> None:
    answer(sent(account, outcome, price="0.40", size=size, order_type=OrderType.FAK, **values), size)


def test_a_preview_names_the_floor_and_what_cannot_be_sold(account: Account, outcome: Outcome, books: Books) -> None:
    empty, gone = (market_make(fee_rate_ppm=0).outcomes.get(index=0) for _ in range(2))
    for each in (outcome, empty, gone):
        hold(account, each)
    books.set[empty.pk] = book_make(empty.pk, bid=None)
    Market.objects.filter(pk=gone.market_id).update(state="closed")
    seen = flatten_preview(account.pk, now=AT)
    (sale,) = seen.sold
    assert (sale.outcome_id, sale.size, sale.floor, sale.proceeds) == (
        outcome.pk, micro("50"), micro("0.48"), micro("24"),
    )  # fmt: skip
    assert [holding.reason for holding in seen.kept] == [
        "nobody bids for it",
        "the market is shut; it pays when it is decided",
    ]


def test_the_slippage_is_capped_by_the_profile(account: Account, outcome: Outcome, books: Books) -> None:
    hold(account, outcome)
    books.set[outcome.pk] = book_make(outcome.pk, bid=900_000, ask=920_000, tick=1_000)
    assert flatten_preview(account.pk, slippage_bps=5_000, now=AT).slippage_bps == 100
    assert flatten_preview(account.pk, slippage_bps=5_000, now=AT).sold[0].floor == 891_000
    assert flatten_preview(account.pk, slippage_bps=0, now=AT).sold[0].floor == 900_000


def test_a_thin_book_is_said(account: Account, outcome: Outcome, books: Books) -> None:
    hold(account, outcome)
    books.set[outcome.pk] = book_make(outcome.pk, bids=((480_000, 7_000_000),))
    assert flatten_preview(account.pk, now=AT).sold[0].note == "bids down to the floor take 7 shares now"


def test_a_flatten_ends_orders_and_plans_and_sells_when_the_shares_are_free(account: Account, outcome: Outcome) -> None:
    hold(account, outcome)
    offer = sent(account, outcome, side=Side.SELL, price="0.60", size="50")
    bid = sent(account, outcome, price="0.48", size="10", origin=MANUAL)
    result = flatten(account.pk, by="ada", clock=lambda: AT)
    assert (result.cancelled, result.refused) == (2, ())
    plan = ExecutionPlan.objects.get(pk=result.plan_id)
    assert (plan.kind, plan.origin_kind, PlanLeg.objects.get().size) == ("flatten", "exit", Decimal(50))
    assert plans.plan_advance(plan.pk, AT).order_ids == []  # our own bid would buy it
    answer(bid, "0")
    assert plans.plan_advance(plan.pk, AT).order_ids == []  # the offer still holds the shares
    answer(offer, "10", price="0.60")  # ten went before its cancel
    later = AT + timedelta(seconds=2)
    (sale_id,) = plans.plan_advance(plan.pk, later).order_ids
    sale = answer(Order.objects.get(pk=sale_id), "40", price="0.48")
    assert (sale.side, sale.size, sale.order_type) == ("sell", Decimal(40), "fak")
    assert plans.plan_advance(plan.pk, later).ended  # nothing is left to sell
    plan.refresh_from_db()
    assert (plan.state, plan.state_reason) == ("done", "sold 40 of 50 shares")
    assert check_invariants() == []


def test_a_strategys_flatten_leaves_what_others_bought(account: Account, outcome: Outcome) -> None:
    hold(account, outcome, "20")
    hold(account, outcome, "30", origin=MANUAL)
    result = flatten(account.pk, by="ada", strategy=ORIGIN, clock=lambda: AT)
    plan = ExecutionPlan.objects.get(pk=result.plan_id)
    assert (plan.origin_kind, plan.origin_id, PlanLeg.objects.get().size) == ("strategy", ORIGIN.id, Decimal(20))


def test_a_halted_account_is_not_flattened(account: Account, outcome: Outcome) -> None:
    hold(account, outcome)
    Account.objects.update(trading_state="halted")
    result = flatten(account.pk, by="ada", clock=lambda: AT)
    assert result.plan_id is None
    assert [verdict.rule for verdict in result.refused] == ["trading_state"]


def test_with_nothing_held_there_is_nothing_to_do(account: Account) -> None:
    result = flatten(account.pk, by="ada", clock=lambda: AT)
    assert (result.plan_id, result.preview.holdings) == (None, ())


# What a person asks for -----------------------------------------------------------------


def test_a_person_chases_and_the_same_key_again_is_the_same_plan(account: Account, outcome: Outcome) -> None:
    asked = placement(outcome, price="0.53", size="20", origin=MANUAL, level=-1)
    draft = chase_wanted(asked)
    assert draft is not None
    first = draft_review(account.pk, draft, by="ada", clock=lambda: AT)
    again = draft_review(account.pk, draft, by="ada", clock=lambda: AT)
    assert first.plan_id is None and first.message.startswith("limit 0.53 is 193 bps above")
    assert (again.plan_id, ExecutionPlan.objects.count()) == (None, 0)


def test_slices_that_would_be_too_small_are_refused_at_once(account: Account, outcome: Outcome) -> None:
    asked = placement(outcome, price="0.52", size="20", origin=MANUAL, level=-1)
    with pytest.raises(PlanError, match="5 slices are too many: each must be at least 5 shares"):
        slices_wanted(asked, count=5, interval_s=10, child="join", now=AT)
    draft = slices_wanted(asked, count=4, interval_s=10, child="take", now=AT)
    result = draft_review(account.pk, draft, by="ada", clock=lambda: AT)
    assert ExecutionPlan.objects.get(pk=result.plan_id).parameters["child"] == "take"
    assert draft_review(account.pk, draft, by="ada", clock=lambda: AT).plan_id == result.plan_id


def test_a_replacement_is_sized_when_the_old_order_has_ended(account: Account, outcome: Outcome) -> None:
    old = sent(account, outcome, price="0.45", size="40", origin=MANUAL)
    result = order_replace(
        account.pk, old.pk, price=micro("0.46"), size=micro("40"), origin=MANUAL, by="ada", clock=lambda: AT
    )
    assert result.message == ""
    plan_id = result.plan_id or 0
    assert plans.plan_advance(plan_id, AT).cancels == [old.pk]
    old.refresh_from_db()
    assert old.cancel_requested_at == AT
    answer(old, "12")  # twelve traded while the cancel travelled
    (new_id,) = plans.plan_advance(plan_id, AT).order_ids
    new = Order.objects.get(pk=new_id)
    assert (new.size, new.price, new.replaces_id, new.order_type) == (Decimal(28), Decimal("0.46"), old.pk, "gtc")
    assert plans.plan_advance(plan_id, AT).ended
    assert ExecutionPlan.objects.get(pk=plan_id).state == "done"


def test_an_order_that_is_gone_cannot_be_replaced(account: Account, outcome: Outcome) -> None:
    with pytest.raises(PlanError, match="does not rest"):
        order_replace(account.pk, 999, price=micro("0.4"), size=micro("5"), origin=MANUAL, by="ada")
