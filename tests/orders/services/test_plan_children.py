"""A plan in trouble: no book, no money, a late fill, a step outside its envelope, and everything that ends it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from alerts.models import AuditEvent
from markets.domain.instruments import Side
from markets.models import Market, Outcome
from markets.selectors.catalogue import market_facts
from markets.tickstore import TickstoreUnavailable
from orders.domain.drafts import PlanDraft, replace_draft
from orders.domain.intents import OrderType
from orders.domain.plans import Place, PlanState, Unwinding
from orders.models import Account, ExecutionPlan, Order, PaperOrder, PlanLeg
from orders.services import plans
from orders.services.accounts import account_lock
from orders.services.children import OutsideEnvelope, child_create
from orders.services.envelopes import plan_create, unwind_create
from orders.services.invariants import check_invariants
from orders.services.kill import kill_install
from orders.services.paper import paper_sync
from orders.services.plan_states import plan_end, plan_lock
from tests.factories.markets import book_make, outcome_make
from tests.factories.orders import AT, account_make, micro, paper_order, paper_trade, placement, sent_order
from tests.orders.services.test_plan_threads import answer, envelope, within

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> dict[int, Any]:
    """The books that plans see: fresh ones, or those that a test puts there."""
    put: dict[int, Any] = {}

    def read(outcome_ids: Iterable[int]) -> Any:
        return {i: put.get(i, book_make(i)) for i in outcome_ids}

    monkeypatch.setattr(plans, "_books", read)
    return put


@pytest.fixture
def account(books: dict[int, Any]) -> Account:
    kill_install()
    return account_make("1000")


@pytest.fixture
def outcome(account: Account) -> Outcome:
    return outcome_make(fee_rate_ppm=0)


def row_of(plan_id: int) -> ExecutionPlan:
    return ExecutionPlan.objects.get(pk=plan_id)


def child(plan_id: int) -> Order:
    return Order.objects.filter(plan_id=plan_id).latest("id")


def stored(account: Account, draft: PlanDraft, outcome: Outcome) -> int:
    (wanted,) = draft.placements
    with transaction.atomic():
        return plan_create(
            account=account_lock(account.pk), draft=draft, sizes={wanted.key: int(wanted.size)}, verdict_ids=[1],
            facts=market_facts([outcome.market_id]), by="ada", now=AT,
        )  # fmt: skip


# Rounds ---------------------------------------------------------------------------------


def test_a_plan_that_fails_stops_no_other(account: Account, outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = envelope(account, outcome), envelope(account, outcome_make(fee_rate_ppm=0))
    real = plans.plan_lock

    def lock(plan_id: int) -> ExecutionPlan:
        if plan_id == bad:
            raise RuntimeError("broke")
        return real(plan_id)

    monkeypatch.setattr(plans, "plan_lock", lock)
    assert plans.plans_advance(AT) == 1
    assert (Order.objects.filter(plan_id=bad).count(), child(good).state) == (0, "sending")


def test_a_child_whose_submission_fails_is_left_to_the_sweep(
    account: Account, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_id = envelope(account, outcome)

    def broken(*_: Any) -> int:
        raise RuntimeError("broke")

    with monkeypatch.context() as patch:
        patch.setattr(plans, "orders_submit", broken)
        assert plans.plan_advance(plan_id, AT).order_ids == [child(plan_id).pk]
    assert child(plan_id).state == "reserved"
    assert plans.plan_advance(plan_id, AT).order_ids == [], "it may still be sent: nothing takes its place"
    within(plan_id, account)


@pytest.mark.parametrize("book", ["crossed", "closed", "gone"])
def test_on_a_book_that_cannot_be_trusted_nothing_is_placed(
    account: Account, outcome: Outcome, books: dict[int, Any], monkeypatch: pytest.MonkeyPatch, book: str
) -> None:
    plan_id = envelope(account, outcome)
    if book == "gone":

        class Store:
            def books_get(self, outcome_ids: Any) -> Any:
                raise TickstoreUnavailable("no answer")

        monkeypatch.undo()
        monkeypatch.setattr(plans, "get_tickstore", Store)
    else:
        bad: dict[str, Any] = {"bid": 530_000} if book == "crossed" else {"status": "closed"}
        books[outcome.pk] = book_make(outcome.pk, **bad)
    assert plans.plan_advance(plan_id, AT).order_ids == []
    assert (row_of(plan_id).state, row_of(plan_id).next_due_at) == ("active", AT + timedelta(seconds=1))
    assert Account.objects.get(pk=account.pk).reserved_cash == 0


def test_a_market_that_closes_ends_the_plan_and_asks_for_the_end_of_its_child(
    account: Account, outcome: Outcome
) -> None:
    plan_id = envelope(account, outcome)
    plans.plan_advance(plan_id, AT)
    Market.objects.filter(pk=outcome.market_id).update(state="closed")
    assert plans.plan_advance(plan_id, AT).ended
    assert row_of(plan_id).state_reason == child(plan_id).cancel_reason == "the market takes no orders any more"


# The envelope ---------------------------------------------------------------------------


def test_fills_that_come_after_their_orders_end_may_go_beyond_and_are_told_once(
    account: Account, outcome: Outcome
) -> None:
    plan_id = envelope(account, outcome)
    plans.plan_advance(plan_id, AT)
    first = child(plan_id)
    answer(first, "5")
    plans.plan_advance(plan_id, AT)
    second = child(plan_id)
    answer(second, "15")
    # Three more of the first one had traded before its end: 23 of 20.
    paper_trade(first, "3", role="taker")
    PaperOrder.objects.filter(venue_order_id=first.venue_order_id).update(filled=8)
    paper_sync(str(first.venue_order_id), now=AT)
    for _ in range(3):
        plans.plan_advance(plan_id, AT)
    (told,) = AuditEvent.objects.filter(kind="plan.overfilled")
    assert (told.severity, told.payload["beyond"]) == ("critical", 3_000_000)
    row, leg = row_of(plan_id), PlanLeg.objects.get()
    assert (row.state, leg.filled, leg.ordered) == ("done", 23, 20)
    assert row.committed <= row.max_cost
    assert check_invariants() == []


def test_a_step_outside_the_envelope_fails_the_plan_and_reserves_nothing(
    account: Account, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_id = envelope(account, outcome)

    def outside(*_: Any, **__: Any) -> int:
        raise OutsideEnvelope("buy 21 at 0.52 is outside leg 1")

    monkeypatch.setattr(plans, "child_create", outside)
    done = plans.plan_advance(plan_id, AT)
    assert (done.ended, done.order_ids) == (True, [])
    assert (row_of(plan_id).state, row_of(plan_id).state_reason) == ("failed", "buy 21 at 0.52 is outside leg 1")
    assert Account.objects.get(pk=account.pk).reserved_cash == 0


def test_the_same_draft_and_the_same_child_again_are_what_they_made(account: Account, outcome: Outcome) -> None:
    wanted = placement(outcome, Side.BUY, "0.52", "20", order_type=OrderType.FAK)
    draft = PlanDraft(key=wanted.key, kind="chase", placements=(wanted,), life_s=60, parameters={"prices": [520_000]})  # type: ignore[arg-type]
    plan_id = stored(account, draft, outcome)
    assert stored(account, draft, outcome) == plan_id
    place = Place(leg=0, number=0, price=micro("0.52"), size=micro("20"), order_type=OrderType.FAK)
    with transaction.atomic():
        row = plan_lock(plan_id)
        assert child_create(row, place, now=AT) == child_create(row, place, now=AT)
    assert (Order.objects.count(), PlanLeg.objects.get().ordered) == (1, 20)


def test_a_replacement_without_the_money_waits_for_it(account: Account, outcome: Outcome) -> None:
    old = sent_order(account, outcome, price="0.40", size="10", post_only=True)
    paper_order(old, state=PaperOrder.State.CANCELED)
    paper_sync(str(old.venue_order_id), now=AT)
    wanted = placement(outcome, Side.BUY, "0.50", "10")
    plan_id = stored(account, replace_draft(wanted, order_id=old.pk, filled=0, smallest=micro("5")), outcome)
    Account.objects.filter(pk=account.pk).update(cash=Decimal("4.99"))
    assert plans.plan_advance(plan_id, AT).order_ids == []
    assert (row_of(plan_id).state, row_of(plan_id).next_due_at) == ("active", AT + timedelta(seconds=2))
    Account.objects.filter(pk=account.pk).update(cash=Decimal(1000))
    assert plans.plan_advance(plan_id, AT).order_ids == [child(plan_id).pk]
    assert (child(plan_id).replaces_id, child(plan_id).reserved) == (old.pk, 5)


# Ends -----------------------------------------------------------------------------------


def unwinding(account: Account, outcome: Outcome) -> tuple[int, int]:
    """Return a basket that is being undone, and the plan that sells its ten shares."""
    bought = sent_order(account, outcome, price="0.50", size="10", order_type=OrderType.FAK)
    answer(bought, "10")
    parent = envelope(account, outcome)
    with transaction.atomic():
        row = plan_lock(parent)
        item = Unwinding(
            market_id=outcome.market_id, outcome_id=outcome.pk, size=micro("10"), worst_price=micro("0.45"), may_lose=0
        )
        undo = unwind_create(row, [item], now=AT)
        assert unwind_create(row, [item], now=AT) == undo, "once"
        ExecutionPlan.objects.filter(pk=parent).update(state="unwinding", state_reason="leg 2 was not filled whole")
    return parent, undo


def test_a_basket_waits_for_what_undoes_it_and_ends_with_it(account: Account, outcome: Outcome) -> None:
    parent, undo = unwinding(account, outcome)
    assert plans.plan_advance(parent, AT).ended is False
    assert row_of(parent).next_due_at == AT + timedelta(seconds=2)
    plans.plan_advance(undo, AT)
    answer(child(undo), "10")
    plans.plan_advance(undo, AT)
    assert plans.plan_advance(parent, AT).ended
    assert row_of(parent).state_reason == (f"leg 2 was not filled whole; undone by plan {undo}: sold 10 of 10 shares")


def test_cancelling_a_plan_ends_what_undoes_it_and_asks_for_the_end_of_every_child(
    account: Account, outcome: Outcome
) -> None:
    parent, undo = unwinding(account, outcome)
    plans.plan_advance(undo, AT)
    other = envelope(account, outcome_make(fee_rate_ppm=0))
    plans.plan_advance(other, AT)
    assert plans.plans_cancel(account.pk, "enough", "ada", AT) == 2, "the one that undoes ends with its basket"
    assert {row_of(pk).state for pk in (parent, undo, other)} == {"canceled"}
    assert [child(pk).cancel_reason for pk in (undo, other)] == ["enough", "enough"]
    assert plans.plan_cancel(parent, "again", "ada", AT) is False


def test_a_plan_ends_once(account: Account, outcome: Outcome) -> None:
    plan_id = envelope(account, outcome)
    with transaction.atomic():
        row = plan_lock(plan_id)
        assert plan_end(row, PlanState.DONE, "filled", now=AT) is True
        assert plan_end(row, PlanState.FAILED, "late", now=AT) is False
    assert (row_of(plan_id).state, row_of(plan_id).state_reason) == ("done", "filled")
    assert AuditEvent.objects.filter(kind__in=("plan.done", "plan.failed")).count() == 1
