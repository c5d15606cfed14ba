"""What the venue shows of an order: listed steps only, on evidence only, and a contradiction stops the account."""

from __future__ import annotations

import pytest
from django.db import transaction

from alerts.models import AuditEvent
from markets.domain.trading import OrderWord
from orders.domain.lifecycle import OrderState
from orders.models import Account, Order, OrderSubmission
from orders.services import conflicts
from orders.services.attach import end_when_booked, order_found, venue_order_attach
from orders.services.conflicts import conflict_record
from orders.services.invariants import check_invariants
from orders.services.states import StateConflict, order_advance, order_lock
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, order_make
from tests.factories.venue import live_order, sandbox_account, venue_order

pytestmark = pytest.mark.django_db
S = OrderState


@pytest.fixture
def order() -> Order:
    return live_order(sandbox_account("100"), outcome_make(fee_rate_ppm=0), price="0.50", size="10")


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def test_an_order_that_is_over_does_not_come_back(order: Order) -> None:
    with transaction.atomic():
        locked = order_lock(order.pk)
        order_advance(locked, S.CANCELED, now=AT)
        assert end_when_booked(locked, now=AT) is False
        assert order_found(locked, now=AT) is False
    for word in (OrderWord.LIVE, OrderWord.MATCHED, OrderWord.EXPIRED):
        assert venue_order_attach(order.pk, venue_order(order, word, matched="10"), now=AT) is False
    assert (fresh(order).state, fresh(order).reserved) == ("canceled", 0)


def test_an_order_that_was_never_sent_takes_no_state_from_the_venue() -> None:
    order = order_make(sandbox_account("100"), outcome_make(fee_rate_ppm=0), price="0.50", size="10")
    assert venue_order_attach(order.pk, venue_order(order, OrderWord.CANCELED), now=AT) is False
    assert (fresh(order).state, fresh(order).reserved) == ("reserved", 5)


def test_an_end_of_an_order_without_a_signed_request_of_ours_ends_nothing(order: Order) -> None:
    OrderSubmission.objects.all().delete()
    assert venue_order_attach(order.pk, venue_order(order, OrderWord.CANCELED), now=AT) is False
    assert (fresh(order).state, fresh(order).reserved) == ("live", 5)


def test_an_end_without_its_figure_only_proves_that_the_order_existed() -> None:
    order = live_order(sandbox_account("100"), outcome_make(fee_rate_ppm=0), state=S.UNKNOWN, price="0.50", size="10")
    assert venue_order_attach(order.pk, venue_order(order, OrderWord.CANCELED, matched=None), now=AT) is True
    assert (fresh(order).state, fresh(order).reserved) == ("live", 5)
    assert OrderSubmission.objects.get().ending == ""
    assert venue_order_attach(order.pk, venue_order(order, OrderWord.CANCELED), now=AT) is True
    assert (fresh(order).state, fresh(order).reserved) == ("canceled", 0)
    assert check_invariants() == []


def test_another_token_under_our_hash_halts_the_account_and_changes_nothing(order: Order) -> None:
    assert venue_order_attach(order.pk, venue_order(order, OrderWord.CANCELED, token_id="5"), now=AT) is False
    account = Account.objects.get()
    assert (account.trading_state, fresh(order).state) == ("halted", "live")
    assert "the venue shows buy of 5, we sent buy of" in account.trading_state_reason


def test_a_second_contradiction_is_told_and_the_first_reason_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "_told", set())
    monkeypatch.setattr(conflicts, "_MOST_TOLD", 1)
    account = sandbox_account("100")
    told = [("trade a", "twice"), ("trade a", "twice"), ("trade b", "thrice"), ("trade a", "twice")]
    news = [conflict_record(account.pk, subject=who, problem=what, now=AT) for who, what in told]
    # The same is not told again, until the memory of what was told has been emptied.
    assert news == [True, False, True, True]
    account.refresh_from_db()
    assert (account.trading_state, account.trading_state_reason) == ("halted", "trade a: twice")
    assert AuditEvent.objects.filter(kind="reconcile.difference", severity="critical").count() == 3


def test_a_contradiction_is_news_again_when_somebody_let_the_account_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "_told", set())
    account = sandbox_account("100")
    assert conflict_record(account.pk, subject="trade a", problem="twice", now=AT) is True
    Account.objects.update(trading_state="active", trading_state_reason="")
    assert conflict_record(account.pk, subject="trade a", problem="twice", now=AT) is True
    assert Account.objects.get().trading_state == "halted"


def test_a_step_of_an_order_that_moved_meanwhile_writes_nothing(order: Order) -> None:
    with pytest.raises(StateConflict, match=f"order {order.pk} is no longer live"), transaction.atomic():
        stale = order_lock(order.pk)
        Order.objects.filter(pk=order.pk).update(state=S.MATCHED)
        order_advance(stale, S.CANCELED, now=AT)
    assert (fresh(order).state, fresh(order).reserved, Account.objects.get().reserved_cash) == ("live", 5, 5)
    assert not AuditEvent.objects.filter(kind="order.canceled").exists()
