"""Trades that the books cannot hold: nothing is written, not a share and not a cent, and the reason has its numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, Usd
from markets.models import Outcome
from markets.selectors.catalogue import market_facts
from orders.domain.conversions import cash_moved, shares_in, shares_out
from orders.domain.ledger import Entry, OversoldError, Position, UnbalancedError
from orders.domain.lifecycle import OrderState
from orders.models import Account, ChainAction, Fill, LedgerEntry, LedgerTransaction, Order
from orders.models import Position as PositionRow
from orders.services.books import transaction_record
from orders.services.chain_booking import action_confirmed, effects_of, fact_of
from orders.services.conversions import ConversionError, fact_book, held, is_booked
from orders.services.fills import FillError, VenueTrade, fill_book, fill_failed, fill_record, fill_void
from orders.services.invariants import check_invariants
from orders.services.settlement import SettlementError, payouts_of, resolution_apply, resolutions_apply
from orders.services.states import order_advance, order_lock
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, account_make, micro, sent_order
from tests.orders.services.test_settlement import hold, resolve

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return account_make("100")


@pytest.fixture
def outcome() -> Outcome:
    return outcome_make(fee_rate_ppm=0)


def book(order: Order, trade: str, size: str, price: str, **values: Any) -> int:
    return fill_record(
        order_id=order.pk, venue_trade_id=trade, role="maker", price=Price(micro(price)), size=Shares(micro(size)),
        fee=Usd(0), venue_at=AT, now=AT, **values,
    ).fill_id  # fmt: skip


def ended(order: Order) -> Order:
    """End the order at the venue; what it traded before may still be told."""
    with transaction.atomic():
        locked = order_lock(order.pk)
        order_advance(locked, OrderState.LIVE, now=AT)
        order_advance(locked, OrderState.CANCELED, now=AT)
    return locked


def picture() -> Any:
    """Return everything that a booking may change."""
    return (
        list(Account.objects.order_by("pk").values_list("cash", "reserved_cash")),
        list(PositionRow.objects.order_by("pk").values_list("size", "confirmed_size", "reserved_size", "cost")),
        list(Order.objects.order_by("pk").values_list("state", "filled_size", "reserved")),
        Fill.objects.count(), LedgerTransaction.objects.count(), LedgerEntry.objects.count(),
    )  # fmt: skip


# Fills ----------------------------------------------------------------------------------


def test_a_late_sale_of_shares_that_are_gone_is_refused(account: Account, outcome: Outcome) -> None:
    book(sent_order(account, outcome, price="0.50", size="10"), "t1", "10", "0.50")
    late = ended(sent_order(account, outcome, side=Side.SELL, price="0.60", size="10"))
    book(sent_order(account, outcome, side=Side.SELL, price="0.60", size="10"), "t2", "10", "0.60")
    before = picture()
    with pytest.raises(FillError, match=f"order {late.pk}: sold 10 shares while holding 0"):
        book(late, "t3", "10", "0.60")
    assert picture() == before
    assert check_invariants() == []


def test_a_late_sale_of_shares_that_another_order_has_promised_is_refused(account: Account, outcome: Outcome) -> None:
    book(sent_order(account, outcome, price="0.50", size="10"), "t1", "10", "0.50")
    late = ended(sent_order(account, outcome, side=Side.SELL, price="0.60", size="10"))
    sent_order(account, outcome, side=Side.SELL, price="0.70", size="6")
    before = picture()
    with pytest.raises(FillError, match="takes shares that other orders have promised"):
        book(late, "t2", "5", "0.60")
    assert picture() == before
    book(late, "t2", "4", "0.60")  # four are not promised
    assert PositionRow.objects.get().size == 6
    assert check_invariants() == []


def test_a_late_purchase_without_free_cash_is_refused(account: Account, outcome: Outcome) -> None:
    late = ended(sent_order(account, outcome, price="0.50", size="10"))
    sent_order(account, outcome, price="0.50", size="192", post_only=True)  # $96 of the $100
    before = picture()
    with pytest.raises(FillError, match=rf"order {late.pk}: a fill of \$5 finds only \$4 free"):
        book(late, "t1", "10", "0.50")
    assert picture() == before


def test_a_fill_of_an_order_that_was_filled_at_the_same_time_is_refused(account: Account, outcome: Outcome) -> None:
    order = sent_order(account, outcome, price="0.50", size="10")
    trade = VenueTrade(
        trade_id="t1", role="maker", price=Price(micro("0.5")), size=Shares(micro("4")), fee=Usd(0), at=AT
    )
    with pytest.raises(FillError, match=f"order {order.pk} was filled by somebody else"), transaction.atomic():
        stale = order_lock(order.pk)
        Order.objects.filter(pk=order.pk).update(filled_size=1)
        fill_book(stale, trade, now=AT)
    assert (Fill.objects.count(), PositionRow.objects.count()) == (0, 0)


def test_a_purchase_that_failed_cannot_be_undone_once_its_shares_are_sold(account: Account, outcome: Outcome) -> None:
    bought = book(sent_order(account, outcome, price="0.50", size="10"), "t1", "10", "0.50", settlement="matched")
    PositionRow.objects.update(confirmed_size=10)
    book(sent_order(account, outcome, side=Side.SELL, price="0.60", size="8"), "t2", "8", "0.60")
    before = picture()
    with pytest.raises(FillError, match="cannot be voided: without it the account"):
        fill_void(bought, reason="drill", now=AT)
    assert picture() == before


def test_a_trade_first_told_as_failed_is_on_file_once(account: Account, outcome: Outcome) -> None:
    order = sent_order(account, outcome, price="0.50", size="10")
    trade = VenueTrade(
        trade_id="t1", role="maker", price=Price(micro("0.5")), size=Shares(micro("4")), fee=Usd(0), at=AT
    )
    with transaction.atomic():
        first = fill_failed(order_lock(order.pk), trade, now=AT)
        again = fill_failed(order_lock(order.pk), trade, now=AT)
    assert (first.created, again.created, again.fill_id) == (True, False, first.fill_id)
    assert LedgerTransaction.objects.filter(kind="void").count() == 1
    assert Account.objects.get().cash == 100


# Facts ----------------------------------------------------------------------------------


def test_entries_that_do_not_sum_to_zero_are_never_stored(account: Account) -> None:
    legs = [Entry(asset="usd", book="own", amount=5), Entry(asset="usd", book="outside", amount=-4)]
    before = picture()
    with pytest.raises(UnbalancedError, match=r"deposit x: entries do not sum to zero: \{'usd': 1\}"):
        transaction_record(account_id=account.pk, kind="deposit", reference="x", entries=legs, at=AT)
    assert picture() == before


def fact(account: Account, told: Any, outcome: Outcome) -> int:
    with transaction.atomic():
        return fact_book(
            account, told, reference="x:1", markets={outcome.pk: outcome.market_id}, memo="drill", at=AT, now=AT
        )


def test_shares_that_are_not_there_promised_or_paid_for_do_not_move(account: Account, outcome: Outcome) -> None:
    book(sent_order(account, outcome, price="0.50", size="10"), "t1", "10", "0.50")
    row = PositionRow.objects.get()
    held_now = Position(
        outcome_id=outcome.pk, market_id=1, size=Shares(micro("20")), confirmed=Shares(micro("20")),
        cost=Usd(micro("10")),
    )  # fmt: skip
    sent_order(account, outcome, side=Side.SELL, price="0.60", size="7")
    before = picture()
    with pytest.raises(ConversionError, match="x:1: "):
        fact(account, shares_out(held_now, micro("11")), outcome)
    with pytest.raises(ConversionError, match=f"takes shares of {outcome.pk} that orders have promised"):
        fact(account, shares_out(held_now, micro("4")), outcome)
    with pytest.raises(ConversionError, match=r"the account has not \$95.000001 free"):
        fact(account, cash_moved(-micro("95.000001")), outcome)
    assert picture() == before
    assert (held(account.pk, outcome.pk), is_booked(account.pk, "x:1")) == (micro("10"), False)
    fact(account, shares_in(outcome.pk, micro("2"), cost=0), outcome)
    row.refresh_from_db()
    assert (row.size, is_booked(account.pk, "x:1")) == (12, True)
    assert check_invariants() == []


def action(account: Account, kind: str, amount: str, **expected: Any) -> ChainAction:
    return ChainAction(account=account, kind=kind, amount=Decimal(amount), expected={"says": [kind], **expected})


def test_a_transfer_of_shares_takes_their_part_of_the_cost_and_one_of_dollars_takes_dollars(
    account: Account, outcome: Outcome
) -> None:
    book(sent_order(account, outcome, price="0.50", size="10"), "t1", "10", "0.50")
    shares = action(account, "transfer", "4", outcome=outcome.pk)
    made = fact_of(shares)
    assert made is not None
    assert [(part.size, part.dollars) for part in made.movements] == [(-micro("4"), micro("2"))]
    assert effects_of(shares) == {outcome.token_id: -micro("4")}
    dollars = fact_of(action(account, "transfer", "1.5"))
    assert dollars is not None and (dollars.cash, dollars.movements) == (-micro("1.5"), ())
    assert effects_of(action(account, "transfer", "1.5")) == {}


def test_shares_of_which_nothing_is_held_are_known_as_none(account: Account, outcome: Outcome) -> None:
    other = outcome.market.outcomes.get(index=1)
    given, others = outcome.pk, other.pk
    told = action(account, "convert", "10", given=[given], others=[others], fee_bips=100)
    # One per cent of what comes out stays with the venue.
    assert effects_of(told) == {outcome.token_id: -micro("10"), other.token_id: micro("9.9")}
    with pytest.raises(OversoldError, match="converted 10 shares while holding 0"):
        fact_of(told)


def test_an_approval_moves_nothing_of_ours(account: Account) -> None:
    assert (fact_of(action(account, "approve", "0")), effects_of(action(account, "approve", "0"))) == (None, {})


@pytest.mark.parametrize("state", ["wanted", "confirmed", "failed"])
def test_only_what_is_under_way_is_confirmed(account: Account, state: str) -> None:
    made = action(account, "approve", "0")
    made.state, made.key, made.created_at = state, "x", AT
    made.save()
    assert action_confirmed(made.pk, now=AT) is False
    assert ChainAction.objects.get().state == state


# Payouts --------------------------------------------------------------------------------


def test_an_open_market_pays_nothing(account: Account, outcome: Outcome) -> None:
    hold(account, outcome, "10", "0.40")
    assert resolutions_apply(AT) == 0
    with pytest.raises(SettlementError, match=f"market {outcome.market_id} is open, not resolved"):
        payouts_of(market_facts([outcome.market_id])[outcome.market_id])
    assert PositionRow.objects.get().size == 10


def test_a_market_that_has_paid_an_account_pays_it_no_second_time(account: Account, outcome: Outcome) -> None:
    hold(account, outcome, "10", "0.40")
    late = ended(sent_order(account, outcome, price="0.50", size="10"))
    resolve(outcome, "1", "0")
    assert resolution_apply(outcome.market_id, now=AT) == 1
    book(late, "t9", "10", "0.50")
    assert resolution_apply(outcome.market_id, now=AT) == 0
    assert LedgerTransaction.objects.filter(kind="redeem").count() == 1
    assert (Account.objects.get().cash, PositionRow.objects.get().size) == (101, 10)
    assert check_invariants() == []
