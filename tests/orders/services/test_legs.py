from __future__ import annotations

import itertools
import random
from decimal import Decimal

import pytest

from markets.domain.instruments import Side
from markets.domain.trading import OrderWord, Role, TradeStage
from orders.domain.intents import OrderType
from orders.domain.lifecycle import OrderState
from orders.models import Account, Fill, LedgerTransaction, Order, OrderSubmission, Position
from orders.services.attach import venue_order_attach
from orders.services.invariants import check_invariants
from orders.services.legs import legs_ingest
from tests.factories.markets import outcome_make
from tests.factories.orders import AT
from tests.factories.venue import leg, live_order, sandbox_account, venue_order

pytestmark = pytest.mark.django_db
S = TradeStage


def test_matched_counts_at_once_and_only_confirmed_may_be_sold() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    order = live_order(account, outcome, price="0.50", size="10")
    assert legs_ingest(account.pk, [leg(order, "t1", "10")], now=AT).booked == 1
    held = Position.objects.get()
    assert (held.size, held.confirmed_size) == (10, 0)
    for stage in (S.MINED, S.CONFIRMED):
        assert legs_ingest(account.pk, [leg(order, "t1", "10", stage, transaction_hash="0x1")], now=AT).settled == 1
    held.refresh_from_db()
    assert (held.size, held.confirmed_size) == (10, 10)
    assert Fill.objects.get().transaction_hash == "0x1"
    assert Order.objects.get().state == OrderState.FILLED
    assert check_invariants([account.pk]) == []


def test_every_order_of_messages_of_two_trades_ends_the_same() -> None:
    outcome = outcome_make(fee_rate_ppm=0)
    ends = set()
    told = [("a", S.MATCHED), ("a", S.MINED), ("a", S.CONFIRMED), ("b", S.MATCHED), ("b", S.RETRYING), ("b", S.FAILED)]
    orders = list(itertools.permutations(told))
    for messages in random.Random(3).sample(orders, 40):
        account = sandbox_account("100")
        order = live_order(account, outcome, price="0.50", size="10")
        for trade, stage in [*messages, *messages]:
            size = "4" if trade == "a" else "6"
            assert not legs_ingest(account.pk, [leg(order, f"{trade}{order.pk}", size, stage)], now=AT).refused
        order.refresh_from_db()
        held = Position.objects.get(account=account)
        money = Account.objects.get(pk=account.pk)
        ends.add((order.state, order.filled_size, held.size, held.confirmed_size, money.cash, money.reserved_cash))
        assert check_invariants([account.pk]) == []
    assert ends == {("canceled", Decimal(4), Decimal(4), Decimal(4), Decimal(98), Decimal(0))}


def test_a_failed_trade_is_voided_once_and_a_confirmation_after_it_halts_the_account() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    order = live_order(account, outcome, price="0.50", size="10")
    legs_ingest(account.pk, [leg(order, "t1", "4")], now=AT)
    assert legs_ingest(account.pk, [leg(order, "t1", "4", S.FAILED)], now=AT).voided == 1
    assert legs_ingest(account.pk, [leg(order, "t1", "4", S.FAILED)], now=AT).voided == 0
    assert LedgerTransaction.objects.filter(kind="void").count() == 1
    assert Account.objects.get(pk=account.pk).cash == 100
    result = legs_ingest(account.pk, [leg(order, "t1", "4", S.CONFIRMED)], now=AT)
    assert "failed is now told as confirmed" in result.refused[0]
    account.refresh_from_db()
    assert account.trading_state == "halted"
    assert "trade t1" in account.trading_state_reason
    assert check_invariants([account.pk]) == []


def test_a_trade_of_another_size_halts_the_account() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    order = live_order(account, outcome, price="0.50", size="10")
    legs_ingest(account.pk, [leg(order, "t1", "4")], now=AT)
    assert "of 4000000 is now told as 5000000" in legs_ingest(account.pk, [leg(order, "t1", "5")], now=AT).refused[0]
    assert Account.objects.get(pk=account.pk).trading_state == "halted"
    assert Order.objects.get().filled_size == 4


def test_two_orders_of_ours_in_one_trade_are_two_fills() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    other = outcome.market.outcomes.exclude(pk=outcome.pk).first()
    first = live_order(account, outcome, price="0.40", size="10")
    second = live_order(account, other, price="0.60", size="10")
    result = legs_ingest(account.pk, [leg(first, "t1", "10", role=Role.TAKER), leg(second, "t1", "10")], now=AT)
    assert (result.booked, result.unknown, result.refused) == (2, {}, [])
    assert Account.objects.get(pk=account.pk).cash == 90  # a dollar a pair, from both sides ours
    assert check_invariants([account.pk]) == []


def test_dust_and_fees_are_booked_to_the_millionth_as_the_venue_clears_them() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=40_000)
    order = live_order(account, outcome, price="0.35", size="33.33")
    told = leg(order, "t1", "33.3333", role=Role.TAKER, price="0.3475", dollars=11_583_321)
    assert legs_ingest(account.pk, [told], now=AT).refused == []
    # 33.3333 x 0.04 x 0.3475 x 0.6525 = 0.3023247
    assert Account.objects.get(pk=account.pk).cash == Decimal(100) - Decimal("11.583321") - Decimal("0.30232")
    assert Fill.objects.get().fee == Decimal("0.30232")
    assert check_invariants([account.pk]) == []


def test_legs_of_orders_that_are_not_ours_are_named_and_change_nothing() -> None:
    account, outcome = sandbox_account("100"), outcome_make()
    order = live_order(account, outcome, price="0.50", size="10")
    result = legs_ingest(account.pk, [leg(order, "t1", "4", order_id="0xF0")], now=AT)
    assert list(result.unknown) == ["0xf0"]
    assert result.changed == 0
    assert not Fill.objects.exists()


@pytest.mark.parametrize(
    ("values", "words"), [({"side": Side.SELL}, "is told as sell"), ({"price": "0.51"}, "may buy at 0.5")]
)
def test_a_leg_that_cannot_be_the_orders_own_halts_the_account(values: dict[str, object], words: str) -> None:
    account, outcome = sandbox_account("100"), outcome_make()
    order = live_order(account, outcome, price="0.50", size="10")
    result = legs_ingest(account.pk, [leg(order, "t1", "4", **values)], now=AT)
    assert words in result.refused[0]
    assert not Fill.objects.exists()
    assert Account.objects.get(pk=account.pk).trading_state == "halted"


def test_a_fill_before_our_answer_and_one_after_the_end_are_booked() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    early = live_order(account, outcome, price="0.50", size="10", state=OrderState.SENDING)
    legs_ingest(account.pk, [leg(early, "t1", "4")], now=AT)
    assert Order.objects.get(pk=early.pk).state == OrderState.SENDING  # the answer says what became of the rest
    legs_ingest(account.pk, [leg(early, "t2", "6")], now=AT)
    assert Order.objects.get(pk=early.pk).state == OrderState.FILLED
    late = live_order(account, outcome, price="0.50", size="10", state=OrderState.CANCELED)
    legs_ingest(account.pk, [leg(late, "t3", "10")], now=AT)
    assert Order.objects.get(pk=late.pk).state == OrderState.FILLED
    assert check_invariants([account.pk]) == []


def test_a_fill_is_evidence_about_an_unknown_order() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    order = live_order(account, outcome, price="0.50", size="10", state=OrderState.UNKNOWN)
    OrderSubmission.objects.filter(pk=order.pk).update(unknown_since_ms=1, next_read_ms=2)
    legs_ingest(account.pk, [leg(order, "t1", "4")], now=AT)
    assert Order.objects.get(pk=order.pk).state == OrderState.LIVE
    assert OrderSubmission.objects.get(pk=order.pk).next_read_ms is None


def test_better_prices_may_buy_more_shares_but_not_spend_more_dollars() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    order = live_order(account, outcome, price="0.60", size="10", order_type=OrderType.FAK, state=OrderState.MATCHED)
    assert legs_ingest(account.pk, [leg(order, "t1", "15", price="0.40", role=Role.TAKER)], now=AT).refused == []
    order.refresh_from_db()
    assert (order.state, order.size, order.filled_size) == ("filled", 15, 15)
    assert legs_ingest(account.pk, [leg(order, "t2", "1", price="0.40", role=Role.TAKER)], now=AT).refused
    assert check_invariants([account.pk]) == []


def test_an_end_waits_for_every_share_that_the_venue_counts() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    order = live_order(account, outcome, price="0.50", size="10")
    assert not venue_order_attach(order.pk, venue_order(order, OrderWord.CANCELED, matched="4"), now=AT)
    assert Order.objects.get().state == OrderState.LIVE
    assert Account.objects.get(pk=account.pk).reserved_cash == 5
    legs_ingest(account.pk, [leg(order, "t1", "4")], now=AT)
    assert Order.objects.get().state == OrderState.CANCELED
    assert Account.objects.get(pk=account.pk).reserved_cash == 0


def test_a_failed_part_counts_towards_the_end() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    order = live_order(account, outcome, price="0.50", size="10")
    legs_ingest(account.pk, [leg(order, "t1", "4", S.FAILED), leg(order, "t2", "6")], now=AT)
    order.refresh_from_db()
    assert (order.state, order.filled_size) == ("canceled", 6)
    assert "complete at 6 of 10" in order.state_reason
    assert check_invariants([account.pk]) == []


def test_attaching_is_repeatable_and_never_leaves_an_end() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    order = live_order(account, outcome, price="0.50", size="10", state=OrderState.UNKNOWN)
    assert venue_order_attach(order.pk, venue_order(order), now=AT)
    assert not venue_order_attach(order.pk, venue_order(order), now=AT)
    assert venue_order_attach(order.pk, venue_order(order, OrderWord.CANCELED, reason="CANCELED"), now=AT)
    assert not venue_order_attach(order.pk, venue_order(order), now=AT)  # an old reading
    assert Order.objects.get().state == OrderState.CANCELED


def test_an_order_that_is_not_what_we_sent_halts_the_account() -> None:
    account, outcome = sandbox_account("100"), outcome_make()
    order = live_order(account, outcome, price="0.50", size="10")
    assert not venue_order_attach(order.pk, venue_order(order, side=Side.SELL), now=AT)
    assert Account.objects.get(pk=account.pk).trading_state == "halted"


def test_a_killed_order_without_a_size_filled_nothing() -> None:
    account, outcome = sandbox_account("100"), outcome_make()
    order = live_order(account, outcome, price="0.50", size="10", order_type=OrderType.FOK, state=OrderState.UNKNOWN)
    killed = venue_order(order, OrderWord.CANCELED, matched=None, size=None)
    assert venue_order_attach(order.pk, killed, now=AT)
    assert Order.objects.get().state == OrderState.CANCELED


def test_a_match_without_its_figure_is_the_size_that_was_listed() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    order = live_order(account, outcome, price="0.50", size="10", state=OrderState.UNKNOWN)
    assert venue_order_attach(order.pk, venue_order(order, OrderWord.MATCHED, matched=None), now=AT)
    said = OrderSubmission.objects.get()
    assert (said.ending, said.matched_claim) == (OrderState.FILLED, 10)
    assert Order.objects.get().state in {OrderState.LIVE, OrderState.MATCHED}  # no end before its trades are booked


def test_an_end_without_a_figure_is_read_again_and_settles_nothing() -> None:
    account, outcome = sandbox_account("100"), outcome_make(fee_rate_ppm=0)
    order = live_order(account, outcome, price="0.50", size="10", state=OrderState.UNKNOWN)
    assert venue_order_attach(order.pk, venue_order(order, OrderWord.CANCELED, matched=None), now=AT)
    assert Order.objects.get().state == OrderState.LIVE
    assert OrderSubmission.objects.get().matched_claim is None
    assert Account.objects.get(pk=account.pk).reserved_cash > 0
