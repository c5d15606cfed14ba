"""Trades that fail to settle while the money or the shares they would move are elsewhere by now."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from markets.domain.instruments import Side
from markets.domain.trading import OrderWord, TradeStage
from orders.domain.lifecycle import OrderState
from orders.models import Account, Fill, LedgerTransaction, Order, Position
from orders.services.attach import venue_order_attach
from orders.services.invariants import check_invariants
from orders.services.legs import legs_ingest
from orders.services.sweep import stopped_cancel
from tests.factories.markets import outcome_make
from tests.factories.orders import AT
from tests.factories.venue import leg, live_order, sandbox_account, venue_order

pytestmark = pytest.mark.django_db
S = TradeStage


def test_a_sale_first_told_as_failed_moves_nothing_though_its_shares_are_gone() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    bought = live_order(account, outcome, price="0.50", size="10")
    legs_ingest(account.pk, [leg(bought, "t1", "10", S.CONFIRMED)], now=AT)
    first = live_order(account, outcome, side=Side.SELL, price="0.50", size="10")
    venue_order_attach(first.pk, venue_order(first, OrderWord.CANCELED, matched="0"), now=AT)
    second = live_order(account, outcome, side=Side.SELL, price="0.50", size="10")
    legs_ingest(account.pk, [leg(second, "t2", "10", S.CONFIRMED)], now=AT)
    for _ in range(2):
        assert legs_ingest(account.pk, [leg(first, "t3", "10", S.FAILED)], now=AT).refused == []
    money = Account.objects.get(pk=account.pk)
    assert (money.trading_state, money.cash, money.reserved_cash) == ("active", 100, 0)
    assert Fill.objects.filter(order=first, voided=True, settlement="failed").count() == 1
    assert Order.objects.get(pk=first.pk).state == OrderState.CANCELED
    assert check_invariants([account.pk]) == []


def test_a_purchase_first_told_as_failed_needs_no_cash_and_gives_its_part_of_the_reservation_back() -> None:
    account, outcome = sandbox_account("10"), outcome_make(fee_rate_ppm=0)
    order = live_order(account, outcome, price="0.50", size="20")
    result = legs_ingest(account.pk, [leg(order, "t1", "8", S.FAILED)], now=AT)
    assert (result.booked, result.voided, result.refused) == (1, 1, [])
    money, order = Account.objects.get(pk=account.pk), Order.objects.get(pk=order.pk)
    assert (order.state, order.filled_size, order.reserved) == ("live", 0, 6)
    assert (money.cash, money.reserved_cash) == (10, 6)
    assert LedgerTransaction.objects.filter(reference=f"fill:{Fill.objects.get().pk}").count() == 2
    assert check_invariants([account.pk]) == []


def test_what_fails_first_and_what_fails_later_end_the_same() -> None:
    outcome, ends = outcome_make(fee_rate_ppm=0), set()
    for stages in ((S.FAILED,), (S.MATCHED, S.FAILED), (S.FAILED, S.MATCHED), (S.MATCHED, S.MINED, S.FAILED)):
        account = sandbox_account("100")
        order = live_order(account, outcome, price="0.50", size="10")
        for stage in stages:
            legs_ingest(account.pk, [leg(order, f"t{order.pk}", "4", stage)], now=AT)
        order.refresh_from_db()
        money = Account.objects.get(pk=account.pk)
        facts = sorted(LedgerTransaction.objects.filter(account=account).values_list("kind", flat=True))
        ends.add((order.state, order.filled_size, order.reserved, money.cash, money.reserved_cash, tuple(facts)))
        assert check_invariants([account.pk]) == []
    assert len(ends) == 1, ends


def test_a_failed_sale_whose_dollars_others_have_set_aside_is_undone_when_they_let_go() -> None:
    account, outcome = sandbox_account("5"), outcome_make(fee_rate_ppm=0)
    bought = live_order(account, outcome, price="0.50", size="10")
    legs_ingest(account.pk, [leg(bought, "t1", "10", S.CONFIRMED)], now=AT)
    sold = live_order(account, outcome, side=Side.SELL, price="0.50", size="10")
    legs_ingest(account.pk, [leg(sold, "t2", "10")], now=AT)
    waiting = live_order(account, outcome, price="0.40", size="12")
    assert Account.objects.get(pk=account.pk).reserved_cash == Decimal("4.80")
    failed = leg(sold, "t2", "10", S.FAILED)
    assert legs_ingest(account.pk, [failed], now=AT).refused
    halted = Account.objects.get(pk=account.pk)
    assert halted.trading_state == "halted"
    assert "set aside" in halted.trading_state_reason
    # The halt takes what rests off; then the next look undoes the sale, and nothing is left to explain.
    assert stopped_cancel(AT + timedelta(seconds=1)) == 1
    assert legs_ingest(account.pk, [failed], now=AT).refused
    venue_order_attach(waiting.pk, venue_order(waiting, OrderWord.CANCELED, matched="0"), now=AT)
    assert legs_ingest(account.pk, [failed], now=AT).voided == 1
    assert legs_ingest(account.pk, [failed], now=AT).voided == 0
    money, held = Account.objects.get(pk=account.pk), Position.objects.get(account=account)
    assert (money.cash, money.reserved_cash, held.size, held.confirmed_size) == (0, 0, 10, 10)
    assert check_invariants([account.pk]) == []
