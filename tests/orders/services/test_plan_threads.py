"""Eight threads on one plan: whatever order they come in, its children stay inside what the gate approved (I12)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum

from markets.domain.instruments import Side
from markets.models import Outcome
from markets.selectors.catalogue import market_facts
from orders.domain.drafts import chase_draft
from orders.domain.intents import INTENT_LEVEL, OrderType
from orders.domain.lifecycle import OPEN
from orders.domain.plans import Place
from orders.models import Account, ExecutionPlan, Order, PaperOrder, PlanLeg
from orders.services import plans
from orders.services.accounts import account_lock
from orders.services.children import OutsideEnvelope, child_create
from orders.services.envelopes import plan_create
from orders.services.invariants import check_invariants
from orders.services.kill import kill_install
from orders.services.paper import paper_sync
from orders.services.plan_states import plan_lock
from tests.factories.markets import book_make, outcome_make
from tests.factories.orders import AT, account_make, micro, paper_order, paper_trade, placement
from tests.orders.services.test_races import WORKERS, race

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    kill_install()

    def read(outcome_ids: Iterable[int]) -> Any:
        return {outcome_id: book_make(outcome_id) for outcome_id in outcome_ids}

    monkeypatch.setattr(plans, "_books", read)
    return account_make("1000")


def envelope(account: Account, outcome: Outcome, *, size: str = "20", price: str = "0.52") -> int:
    """Store a chase that may buy `size` shares, up to `price` each, as the gate leaves it."""
    fields = {"order_type": OrderType.FAK, "level": INTENT_LEVEL, "marketable": True}
    wanted = placement(outcome, Side.BUY, price, size, **fields)
    draft = chase_draft(wanted, touch=micro("0.50"), tick=10_000)
    assert draft is not None
    with transaction.atomic():
        return plan_create(
            account=account_lock(account.pk), draft=draft, sizes={wanted.key: micro(size)}, verdict_ids=[1],
            facts=market_facts([outcome.market_id]), by="ada", now=AT,
        )  # fmt: skip


def answer(order: Order, filled: str) -> None:
    """Let the simulated venue fill some of the order and end it, and book our side."""
    whole = Decimal(filled) == order.size
    paper_order(order, state=PaperOrder.State.FILLED if whole else PaperOrder.State.CANCELED, filled=filled)
    paper_trade(order, filled, role="taker")
    paper_sync(str(order.venue_order_id), now=AT)


def within(plan_id: int, account: Account) -> None:
    """Nothing passes the envelope, and what is set aside is what the open children need."""
    row, leg = ExecutionPlan.objects.get(pk=plan_id), PlanLeg.objects.get(plan_id=plan_id)
    children = Order.objects.filter(plan_id=plan_id)
    used = sum(child.size if child.state in OPEN else child.filled_size for child in children)
    assert used <= leg.ordered <= leg.size == 20
    assert row.committed <= row.max_cost
    assert all(child.price <= leg.worst_price for child in children)
    account.refresh_from_db()
    assert account.reserved_cash == (Order.objects.aggregate(total=Sum("reserved"))["total"] or 0)
    assert check_invariants([account.pk]) == []


def test_eight_threads_take_each_step_of_a_plan_once(account: Account) -> None:
    outcome = outcome_make(fee_rate_ppm=0)
    plan_id = envelope(account, outcome)
    for round_, (made, filled) in enumerate([(1, "5"), (2, "15")]):
        steps = race(lambda _: len(plans.plan_advance(plan_id, AT).order_ids))
        assert sum(steps) == 1, f"round {round_}: one child, whoever made it"
        newest = Order.objects.filter(plan_id=plan_id).order_by("-id").first()
        assert newest is not None
        assert (Order.objects.filter(plan_id=plan_id).count(), newest.state) == (made, "sending")
        within(plan_id, account)
        answer(newest, filled)
    assert sum(race(lambda _: plans.plan_advance(plan_id, AT).ended)) == WORKERS
    row = ExecutionPlan.objects.get(pk=plan_id)
    assert (row.state, row.state_reason) == ("done", "filled")
    assert Order.objects.filter(plan_id=plan_id).aggregate(total=Sum("filled_size"))["total"] == 20
    within(plan_id, account)


@pytest.mark.parametrize("locked", [True, False], ids=["under the plan's lock", "by the conditional updates alone"])
def test_eight_threads_with_a_child_each_place_no_more_than_was_approved(account: Account, locked: bool) -> None:
    plan_id = envelope(account, outcome_make(fee_rate_ppm=0))

    def work(number: int) -> int:
        made = 0
        for again in range(2):
            place = Place(
                leg=0, number=8 * again + number, price=micro("0.52"), size=micro("3"), order_type=OrderType.FAK
            )
            try:
                with transaction.atomic():
                    row = plan_lock(plan_id) if locked else ExecutionPlan.objects.get(pk=plan_id)
                    child_create(row, place, now=AT)
            except OutsideEnvelope:
                continue
            made += 1
        return made

    assert sum(race(work)) == Order.objects.filter(plan_id=plan_id).count() == 6, "six of 3 shares fit into 20"
    assert PlanLeg.objects.get(plan_id=plan_id).ordered == 18
    within(plan_id, account)


def test_eight_threads_with_the_same_child_make_one_order(account: Account) -> None:
    plan_id = envelope(account, outcome_make(fee_rate_ppm=0))
    place = Place(leg=0, number=0, price=micro("0.52"), size=micro("20"), order_type=OrderType.FAK)

    def work(_: int) -> int:
        with transaction.atomic():
            return child_create(plan_lock(plan_id), place, now=AT)

    assert len(set(race(work))) == Order.objects.filter(plan_id=plan_id).count() == 1
    within(plan_id, account)


def test_a_plan_that_is_cancelled_while_others_advance_it_leaves_no_child_that_nobody_asked_to_end(
    account: Account,
) -> None:
    outcome = outcome_make(fee_rate_ppm=0)
    for round_ in range(4):
        plan_id = envelope(account, outcome)

        def work(number: int, plan_id: int = plan_id) -> int:
            if number == 0:
                return plans.plan_cancel(plan_id, "enough", "ada", AT)
            return len(plans.plan_advance(plan_id, AT + timedelta(milliseconds=number)).order_ids)

        race(work)
        row = ExecutionPlan.objects.get(pk=plan_id)
        assert (row.state, row.state_reason) == ("canceled", "enough"), round_
        left = Order.objects.filter(plan_id=plan_id, state__in=OPEN, cancel_requested_at=None)
        assert not left.exists(), f"round {round_}: an order would trade for a plan that is over"
        assert plans.plan_advance(plan_id, AT).order_ids == []
        within(plan_id, account)
