from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, Usd
from orders.domain.conversions import split
from orders.models import Account, Fill, LedgerTransaction, Order, Position
from orders.services.conversions import fact_book
from orders.services.fills import FillError, FillResult, fill_record, fill_settle, fill_void
from orders.services.invariants import check_invariants, ledger_sum
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, account_make, micro, order_make, sent_order

pytestmark = pytest.mark.django_db


def book(order: Order, trade: str, size: str, price: str, fee: str = "0", **values: object) -> FillResult:
    return fill_record(
        order_id=order.pk,
        venue_trade_id=trade,
        role="taker",
        price=Price(micro(price)),
        size=Shares(micro(size)),
        fee=Usd(micro(fee)),
        venue_at=AT,
        now=AT,
        **values,  # type: ignore[arg-type]
    )


def test_a_fill_moves_order_position_cash_reservation_and_ledger_together() -> None:
    account, outcome = account_make("100"), outcome_make()
    order = sent_order(account, outcome, price="0.60", size="10")
    book(order, "t1", "10", "0.58", fee="0.09744")
    order.refresh_from_db()
    account.refresh_from_db()
    held = Position.objects.get()
    assert (order.state, order.filled_size, order.reserved) == ("filled", 10, 0)
    assert account.cash == Decimal("94.10256")  # 100 - 5.80 - 0.09744
    assert account.reserved_cash == 0
    assert (held.size, held.confirmed_size, held.cost, held.fees) == (10, 10, Decimal("5.8"), Decimal("0.09744"))
    assert check_invariants([account.pk]) == []
    assert ledger_sum() == {}


def test_the_same_trade_told_twice_is_booked_once() -> None:
    account, outcome = account_make("100"), outcome_make()
    order = sent_order(account, outcome, price="0.60", size="10")
    first = book(order, "t1", "4", "0.60")
    second = book(order, "t1", "4", "0.60")
    assert (first.created, second.created) == (True, False)
    assert second.fill_id == first.fill_id
    assert Fill.objects.count() == 1
    assert LedgerTransaction.objects.filter(kind="fill").count() == 1
    assert Position.objects.get().size == 4


def test_a_partial_fill_at_a_better_price_frees_its_share_of_the_reservation() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    order = sent_order(account, outcome, price="0.60", size="10")
    book(order, "t1", "5", "0.40")
    order.refresh_from_db()
    assert (order.state, order.filled_size, order.reserved) == ("sending", 5, 3)
    assert Account.objects.get(pk=account.pk).reserved_cash == 3
    assert check_invariants([account.pk]) == []


def test_a_sell_returns_cash_and_books_the_profit_over_average_cost() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    book(sent_order(account, outcome, price="0.50", size="10"), "t1", "10", "0.50")
    order = sent_order(account, outcome, side=Side.SELL, price="0.55", size="6")
    assert Position.objects.get().reserved_size == 6
    book(order, "t2", "6", "0.55")
    held = Position.objects.get()
    assert (held.size, held.reserved_size, held.cost, held.realized) == (4, 0, 2, Decimal("0.3"))
    assert Account.objects.get(pk=account.pk).cash == Decimal("98.3")
    assert check_invariants([account.pk]) == []


def test_a_fill_larger_than_the_order_is_refused_and_changes_nothing() -> None:
    account, outcome = account_make("100"), outcome_make()
    order = sent_order(account, outcome, price="0.50", size="10")
    with pytest.raises(FillError, match="trade t1 of 11 would fill 11 of 10"):
        book(order, "t1", "11", "0.50")
    assert Fill.objects.count() == 0
    assert check_invariants([account.pk]) == []


def test_a_fill_after_the_cancel_was_confirmed_is_still_booked() -> None:
    from orders.domain.lifecycle import OrderState
    from orders.services.states import order_advance, order_lock

    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    order = sent_order(account, outcome, price="0.50", size="10")
    locked = order_lock(order.pk)
    order_advance(locked, OrderState.LIVE, now=AT)
    order_advance(locked, OrderState.CANCELED, now=AT)
    assert Account.objects.get(pk=account.pk).reserved_cash == 0
    book(order, "late", "10", "0.50")
    order.refresh_from_db()
    assert (order.state, order.filled_size) == ("filled", 10)
    assert Account.objects.get(pk=account.pk).cash == 95
    assert check_invariants([account.pk]) == []


def test_a_void_undoes_shares_cash_and_fee_exactly_once() -> None:
    account, outcome = account_make("100"), outcome_make()
    order = sent_order(account, outcome, price="0.60", size="10")
    book(order, "t1", "4", "0.60", fee="0.0384")
    made = book(order, "t2", "6", "0.58", fee="0.05", settlement="matched")
    assert fill_void(made.fill_id, reason="settlement failed", now=AT) is True
    assert fill_void(made.fill_id, reason="settlement failed", now=AT) is False
    order.refresh_from_db()
    held = Position.objects.get()
    assert (order.state, order.filled_size) == ("canceled", 4)
    assert (held.size, held.cost, held.fees) == (4, Decimal("2.4"), Decimal("0.0384"))
    assert Account.objects.get(pk=account.pk).cash == Decimal("97.5616")
    assert check_invariants([account.pk]) == []


def test_provisional_shares_are_held_but_may_not_be_sold() -> None:
    from orders.services.placement import ReservationError

    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    made = book(sent_order(account, outcome, price="0.50", size="10"), "t1", "10", "0.50", settlement="matched")
    with pytest.raises(ReservationError, match="0 are"):
        order_make(account, outcome, side=Side.SELL, size="10")
    assert fill_settle(made.fill_id, "mined", now=AT)
    assert fill_settle(made.fill_id, "confirmed", now=AT)
    assert not fill_settle(made.fill_id, "mined", now=AT)  # out of order: changes nothing
    order_make(account, outcome, side=Side.SELL, size="10")
    with pytest.raises(FillError, match="is confirmed, and the venue now says failed"):
        fill_settle(made.fill_id, "failed", now=AT + timedelta(seconds=1))


def test_fees_rounded_fill_by_fill_never_outgrow_what_was_set_aside() -> None:
    # 5 at 0.04 cost 0.20, the worst fee is 5 x 0.07 x 0.0384 = 0.01344, and 0.001 for rounding: all there is.
    account, outcome = account_make("0.21444"), outcome_make(fee_rate_ppm=70_000)
    order = sent_order(account, outcome, price="0.04", size="5")
    assert Account.objects.get(pk=account.pk).reserved_cash == Decimal("0.21444")
    fills = [("4.9", "0.01317")] + [("0.01", "0.00003")] * 10  # each of the small ones rounds up by a tenth
    for number, (size, fee) in enumerate(fills):
        fill_record(
            order_id=order.pk,
            venue_trade_id=f"t{number}",
            role="taker",
            price=Price(micro("0.04")),
            size=Shares(micro(size)),
            fee=Usd(micro(fee)),
            venue_at=AT,
            now=AT,
        )
        Account.objects.update(cash=F("reserved_cash"))  # what a fill gave back is spent elsewhere at once
    assert Order.objects.get().state == "filled"
    assert Account.objects.get(pk=account.pk).reserved_cash == 0


def test_what_was_sold_before_its_purchase_settled_is_not_settled_twice() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    bought = sent_order(account, outcome, price="0.60", size="10")
    fill = book(bought, "t1", "10", "0.60", settlement="matched")
    Position.objects.update(confirmed_size=10)  # somebody let the provisional shares be promised
    sold = sent_order(account, outcome, side=Side.SELL, price="0.50", size="4")
    Position.objects.update(confirmed_size=0)
    book(sold, "t2", "4", "0.50")
    assert fill_settle(fill.fill_id, "confirmed", now=AT)
    held = Position.objects.get()
    assert (held.size, held.confirmed_size) == (6, 6)


def test_a_void_leaves_what_was_split_and_merged_alone() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    pair = list(outcome.market.outcomes.order_by("index"))
    markets = {o.pk: o.market_id for o in pair}
    fact = split([o.pk for o in pair], micro("20"))
    fact_book(account, fact, reference="chain:1", markets=markets, memo="split", at=AT, now=AT)
    order = sent_order(account, outcome, price="0.60", size="10")
    fill = book(order, "t1", "10", "0.60", settlement="matched")
    assert fill_settle(fill.fill_id, "failed", now=AT)
    held = Position.objects.get(outcome=outcome)
    assert (held.size, held.confirmed_size, held.cost, held.realized) == (20, 20, 10, 0)
    account.refresh_from_db()
    assert account.cash == 80
    assert check_invariants([account.pk]) == []
