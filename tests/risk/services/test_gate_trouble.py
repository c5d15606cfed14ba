"""The gate when something goes wrong between its parts: money that is gone, a row that is there, a lost race."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares
from markets.models import Outcome
from orders.domain.drafts import PlanDraft
from orders.domain.intents import INTENT_LEVEL, OrderType, OriginKind
from orders.models import Account, ExecutionPlan, Order
from orders.services.execution import order_submit
from orders.services.paper import paper_sync
from orders.services.placement import ReservationError
from risk.domain.verdicts import Decision
from risk.models import Halt, RiskVerdict
from risk.services import gate, halts
from risk.services import plans as asked
from risk.services.gate import GateDesk, placements_review, review_manual
from risk.services.halts import HaltError
from risk.services.manual import UnknownOutcome, manual_origin, placement_make
from risk.services.plans import PlanError, chase_wanted, draft_review, order_replace, slices_wanted
from tests.factories.markets import AT
from tests.factories.orders import MANUAL, ORIGIN, account_make, micro, order_make, paper_order, placement
from tests.risk.conftest import Books

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]


def manual(account: Account, outcome: Outcome, price: str = "0.40", **values: Any) -> gate.ManualResult:
    wanted = placement(outcome, price=price, size=values.pop("size", "10"), origin=MANUAL)
    return review_manual(account.pk, wanted, by="ann", clock=lambda: AT, **values)


# Orders ---------------------------------------------------------------------------------


def test_money_that_is_gone_after_the_rules_allowed_it_is_a_refusal_and_no_order(
    account: Account, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broke(**_: Any) -> int:
        raise ReservationError("buying 10 at 0.4 needs $4 with fees; $3 is free")

    monkeypatch.setattr(gate, "order_create", broke)
    desk = GateDesk(account_id=account.pk, origin=ORIGIN, clock=lambda: AT)
    (verdict,) = placements_review(desk, [placement(outcome, price="0.40", size="10")], now=AT)
    row = RiskVerdict.objects.get()
    assert (verdict.decision, verdict.rule, verdict.allowed_size) == (Decision.REFUSED, "reservation", 0)
    assert (row.decision, row.rule, row.allowed_size, row.order_id) == ("refused", "reservation", 0, None)
    assert row.checks[-1]["rule"] == "reservation" and "$3 is free" in row.message
    assert (desk.order_ids, Order.objects.count()) == ([], 0)


def test_the_same_refusal_twice_in_one_review_is_one_row(account: Account, outcome: Outcome) -> None:
    desk = GateDesk(account_id=account.pk, origin=ORIGIN, clock=lambda: AT)
    off_tick = [placement(outcome, price="0.505", size="10") for _ in range(2)]
    assert [v.decision for v in placements_review(desk, off_tick, now=AT)] == [Decision.REFUSED] * 2
    assert RiskVerdict.objects.get().rule == "price_tick"


def test_a_person_who_asks_again_is_shown_the_refusal_that_was_counted(account: Account, outcome: Outcome) -> None:
    first, second = manual(account, outcome, "0.405"), manual(account, outcome, "0.405")
    assert first.order_id is None
    assert (second.verdict.pk, second.verdict.repeats) == (first.verdict.pk, 1)


def test_the_same_form_again_is_the_order_that_it_made(account: Account, outcome: Outcome) -> None:
    wanted = placement(outcome, price="0.40", size="10", origin=MANUAL)
    results = [review_manual(account.pk, wanted, by="ann", clock=lambda: AT) for _ in range(2)]
    assert results[0].order_id == results[1].order_id == Order.objects.get().pk


def test_a_row_that_nobody_made_is_an_error_and_not_an_answer(
    account: Account, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise IntegrityError("another constraint")

    monkeypatch.setattr(gate, "placements_review", broken)
    with pytest.raises(IntegrityError):
        manual(account, outcome)


def test_an_observing_desk_cancels_nothing(account: Account, outcome: Outcome) -> None:
    order = order_make(account, outcome, price="0.40")
    desk = GateDesk(account_id=account.pk, origin=ORIGIN, mode=gate.OBSERVE, clock=lambda: AT)
    with desk.open(AT) as held:
        held.cancel(order.pk)
        assert [o.order_id for o in held.open_orders] == [order.pk]
    assert (Order.objects.get().cancel_requested_at, desk.cancelled_ids) == (None, [])


def test_a_persons_order_is_made_complete_or_its_outcome_is_not_known(outcome: Outcome) -> None:
    origin = manual_origin(user_id=7, name="a" * 200)
    assert (origin.kind, origin.id, len(origin.label)) == (OriginKind.MANUAL, 7, 120)
    terms: dict[str, Any] = {
        "side": Side.BUY, "price": Price(micro("0.40")), "size": Shares(micro("10")), "order_type": OrderType.GTC,
        "post_only": True, "origin": origin, "now": AT,
    }  # fmt: skip
    made = placement_make(outcome_id=outcome.pk, **terms)
    assert (made.market_id, made.level, made.created_at) == (outcome.market_id, INTENT_LEVEL, AT)
    assert made.key != placement_make(outcome_id=outcome.pk, **terms).key
    with pytest.raises(UnknownOutcome, match="there is no outcome 999999"):
        placement_make(outcome_id=999_999, **terms)


# Plans ----------------------------------------------------------------------------------


@pytest.fixture
def plan_books(monkeypatch: pytest.MonkeyPatch, books: Books) -> Books:
    monkeypatch.setattr(asked, "books_read", books.read)
    return books


def sliced(outcome: Outcome) -> PlanDraft:
    wanted = placement(outcome, price="0.52", size="20", origin=MANUAL)
    return slices_wanted(wanted, count=4, interval_s=10, child="take", now=AT)


def test_the_same_plan_again_is_the_plan_that_it_made(account: Account, outcome: Outcome, plan_books: Books) -> None:
    draft = sliced(outcome)
    first, again = (draft_review(account.pk, draft, by="ann", clock=lambda: AT) for _ in range(2))
    assert first.plan_id == again.plan_id == ExecutionPlan.objects.get().pk
    assert (first.message, len(again.verdicts)) == ("", 1)


def test_a_plan_that_lost_its_race_is_the_one_that_won(
    account: Account, outcome: Outcome, plan_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = sliced(outcome)
    winner = draft_review(account.pk, draft, by="ann", clock=lambda: AT)
    with monkeypatch.context() as patch:
        patch.setattr(asked, "_stored", _blind_once(asked._stored))
        loser = draft_review(account.pk, draft, by="ann", clock=lambda: AT)
    assert (loser.plan_id, [v.pk for v in loser.verdicts]) == (winner.plan_id, [v.pk for v in winner.verdicts])
    assert ExecutionPlan.objects.count() == RiskVerdict.objects.count() == 1


def _blind_once(real: Any) -> Any:
    """When it looks first, the other one is not there yet."""
    looks: list[int] = []

    def look(*args: Any) -> Any:
        looks.append(1)
        return [] if len(looks) == 1 else real(*args)

    return look


def test_a_row_in_the_way_that_belongs_to_no_plan_is_an_error(
    account: Account, outcome: Outcome, plan_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise IntegrityError("another constraint")

    monkeypatch.setattr(GateDesk, "open", broken)
    with pytest.raises(IntegrityError):
        draft_review(account.pk, sliced(outcome), by="ann", clock=lambda: AT)


def test_a_refused_plan_says_why_and_asking_again_shows_the_same_row(
    account: Account, outcome: Outcome, plan_books: Books
) -> None:
    halts.halt_create(account.pk, Halt.Kind.HALTED, "looks odd", "ann", now=AT)
    first = draft_review(account.pk, sliced(outcome), by="ann", clock=lambda: AT)
    again = draft_review(account.pk, sliced(outcome), by="ann", clock=lambda: AT)
    assert (first.plan_id, again.plan_id) == (None, None)
    assert "halted" in first.message
    assert [v.pk for v in again.verdicts] == [v.pk for v in first.verdicts]


def test_without_a_book_or_with_the_touch_at_the_limit_one_order_does_it(outcome: Outcome, plan_books: Books) -> None:
    assert chase_wanted(placement(outcome, price="0.52", size="20")) is None
    selling = chase_wanted(placement(outcome, Side.SELL, "0.46", "20"))
    assert selling is not None and selling.parameters["prices"] == [480_000, 460_000]
    plan_books.gone = True
    assert chase_wanted(placement(outcome, price="0.54", size="20")) is None


def test_slices_too_small_for_the_venue_are_refused_with_the_smallest(outcome: Outcome) -> None:
    wanted = placement(outcome, price="0.52", size="40")
    for child, count, fine in (("join", 8, True), ("join", 9, False), ("take", 4_000, True), ("take", 4_001, False)):
        ask: dict[str, Any] = {"count": count, "interval_s": 10, "child": child, "now": AT}
        if fine:
            assert slices_wanted(wanted, **ask).orders == count
            continue
        with pytest.raises(PlanError, match="each must be at least " + ("5" if child == "join" else "0.01")):
            slices_wanted(wanted, **ask)


def test_an_order_is_replaced_once_at_a_time(account: Account, outcome: Outcome, plan_books: Books) -> None:
    old = order_make(account, outcome, price="0.40", size="10", post_only=True)
    order_submit(old.pk, AT)
    paper_order(old)
    paper_sync(str(old.venue_order_id), now=AT)
    terms: dict[str, Any] = {
        "price": Price(micro("0.41")), "size": Shares(micro("10")), "origin": MANUAL, "by": "ann", "clock": lambda: AT,
    }  # fmt: skip
    first = order_replace(account.pk, old.pk, **terms)
    assert first.plan_id is not None
    with pytest.raises(PlanError, match=f"plan {first.plan_id} replaces order {old.pk} already"):
        order_replace(account.pk, old.pk, **terms)
    with pytest.raises(PlanError):
        order_replace(account_make("10").pk, old.pk, **terms)
    assert ExecutionPlan.objects.count() == 1


# Stops ----------------------------------------------------------------------------------


def test_a_kill_needs_a_reason_and_a_release_a_person(account: Account) -> None:
    with pytest.raises(HaltError, match="needs a reason"):
        halts.kill("  ", "ann", now=AT)
    halts.kill("drill", "ann", now=AT)
    with pytest.raises(HaltError, match="a release needs a person's name"):
        halts.release(" ", halts.RELEASE_PHRASE, now=AT)
    assert Halt.objects.filter(kind="kill", lifted_at=None).count() == 1
    assert halts.release("ann", f" {halts.RELEASE_PHRASE.upper()} ", now=AT) is True
    assert halts.release("ann", halts.RELEASE_PHRASE, now=AT) is False


def test_halts_of_one_cause_are_lifted_together_and_the_others_hold(account: Account) -> None:
    halts.halt_create(account.pk, Halt.Kind.REDUCE_ONLY, "by hand", "ann", now=AT)
    halts.halt_create(account.pk, Halt.Kind.HALTED, "by hand, all of it", "ann", now=AT)
    halts.halt_create(account.pk, Halt.Kind.REDUCE_ONLY, "a loss", "watch", cause="daily_loss", now=AT)
    halts.kill("drill", "ann", now=AT)
    assert halts.halts_lift(account.pk, by="ann", now=AT) == 2
    assert halts.halts_lift(None, by="ann", cause="kill", now=AT) == 0, "a kill is released, not lifted"
    account.refresh_from_db()
    assert account.trading_state == "reduce_only"
    assert halts.halts_lift(account.pk, by="watch", cause="daily_loss", now=AT) == 1
    account.refresh_from_db()
    assert account.trading_state == "active"
