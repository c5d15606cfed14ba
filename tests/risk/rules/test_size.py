"""Lots, the largest and the smallest order, and the money or shares for it."""

from __future__ import annotations

import pytest

from markets.domain.instruments import FeeSchedule, Side
from orders.domain.intents import OrderType
from risk.rules import funds, size
from tests.factories.risk import ask, facts, held, limits, micro, portfolio, wanted


def test_sizes_are_cut_to_whole_hundredths() -> None:
    check = ask(size.lot, wanted(size="10.019"))
    assert (check.passed, check.allowed_size) == (True, micro("10.01"))
    assert not ask(size.lot, wanted(size="0.009")).passed


def test_an_order_above_the_limit_is_cut_to_it() -> None:
    check = ask(size.order_size, wanted(price="0.52", size="100"), limits=limits(order_size="25"))
    assert check.passed
    assert check.allowed_size == micro("48.07")  # 48.07 x 0.52 = 24.9964; 48.08 would be 25.0016


def test_leaving_a_position_is_never_cut_by_the_order_size() -> None:
    assert ask(size.order_size, wanted(Side.SELL, size="1000"), limits=limits(order_size="25")).allowed_size is None


@pytest.mark.parametrize(
    ("order_type", "shares", "passes"),
    [(OrderType.GTC, "4.99", False), (OrderType.GTC, "5", True), (OrderType.FAK, "0.01", True)],
)
def test_the_venues_minimum_binds_orders_that_may_rest(order_type: OrderType, shares: str, passes: bool) -> None:
    assert ask(size.minimum_size, wanted(size=shares, order_type=order_type)).passed is passes


def test_a_market_without_facts_has_no_minimum_that_is_met() -> None:
    check = ask(size.minimum_size, wanted(size="1000"), facts={})
    assert (check.passed, check.note) == (False, "the market is not in the catalogue")


@pytest.mark.parametrize(
    ("side", "at", "passes"), [(Side.BUY, "0.20", True), (Side.BUY, "0.19", False), (Side.SELL, "0.19", True)]
)
def test_an_entry_is_worth_at_least_a_dollar(side: Side, at: str, passes: bool) -> None:
    assert ask(size.order_minimum, wanted(side, at, "5")).passed is passes


def test_cash_must_cover_the_price_and_the_worst_fee() -> None:
    # 10 x 0.50 = 5; the fee is at most 10 x 0.05 x 0.25 = 0.125, plus 0.001 for rounding.
    priced = {1: facts(fee=FeeSchedule(rate_ppm=50_000))}
    enough = ask(funds.cash_available, portfolio=portfolio(cash="5.126"), facts=priced)
    short = ask(funds.cash_available, portfolio=portfolio(cash="5.125"), facts=priced)
    assert (enough.value, enough.allowed_size) == (micro("5.126"), None)
    assert short.passed
    assert short.allowed_size == micro("9.99")


def test_the_last_cent_may_be_spent() -> None:
    assert ask(funds.cash_available, wanted(size="20"), portfolio=portfolio(cash="5")).allowed_size == micro("10")


def test_reserved_cash_is_not_free() -> None:
    check = ask(funds.cash_available, portfolio=portfolio(cash="10", reserved_cash="10"))
    assert not check.passed


def test_only_settled_shares_that_nobody_promised_can_be_sold() -> None:
    some = portfolio(held(1, "100", "50", confirmed="60", reserved="20"))
    check = ask(funds.shares_available, wanted(Side.SELL, size="50"), portfolio=some)
    assert (check.passed, check.allowed_size) == (True, micro("40"))


def test_there_is_no_shorting() -> None:
    assert not ask(funds.shares_available, wanted(Side.SELL)).passed
