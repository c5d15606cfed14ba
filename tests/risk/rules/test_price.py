"""Tick, bounds, post-only and slippage."""

from __future__ import annotations

from datetime import timedelta

import pytest

from markets.domain.instruments import Side
from orders.domain.intents import OrderType
from risk.rules import price, terms
from tests.factories.risk import AT, ask, book, facts, limits, wanted


@pytest.mark.parametrize(
    ("at", "passes"),
    [("0.50", True), ("0.505", False), ("0.01", True), ("0.99", True), ("0.005", False), ("0.995", False)],
)
def test_prices_stand_on_the_tick_and_off_the_edges(at: str, passes: bool) -> None:
    assert ask(price.price_tick, wanted(price=at)).passed is passes


def test_the_books_tick_wins_because_it_follows_changes_at_once() -> None:
    assert ask(price.price_tick, wanted(price="0.505"), books={1: book(tick=1_000)}).passed


def test_without_a_book_and_facts_the_tick_is_unknown() -> None:
    assert not ask(price.price_tick, facts={}, books={}).passed


def test_a_bad_tick_in_the_catalogue_is_not_divided_by() -> None:
    assert not ask(price.price_tick, facts={1: facts(tick=0)}, books={}).passed


def test_a_post_only_order_may_not_cross() -> None:
    assert not ask(price.post_only, wanted(price="0.52", post_only=True)).passed
    assert ask(price.post_only, wanted(price="0.51", post_only=True)).passed
    assert not ask(price.post_only, wanted(Side.SELL, "0.48", post_only=True)).passed
    assert ask(price.post_only, wanted(Side.SELL, "0.49", post_only=True)).passed


def test_post_only_does_not_go_with_an_order_that_never_rests() -> None:
    assert not ask(price.post_only, wanted(price="0.40", post_only=True, order_type=OrderType.FOK)).passed


@pytest.mark.parametrize(
    ("side", "at", "bps"),
    [
        (Side.BUY, "0.51", 0),  # rests below the ask
        (Side.BUY, "0.52", 0),  # at the ask
        (Side.BUY, "0.53", 193),  # 0.01 / 0.52 = 192.3 bps, up
        (Side.SELL, "0.48", 0),
        (Side.SELL, "0.46", 417),  # 0.02 / 0.48 = 416.7 bps, up
    ],
)
def test_slippage_is_measured_from_the_best_price(side: Side, at: str, bps: int) -> None:
    check = ask(price.slippage, wanted(side, at), limits=limits(slippage_bps=150))
    assert check.value == bps
    assert check.passed is (bps <= 150)


def test_an_order_that_cannot_take_has_no_slippage_whatever_its_price() -> None:
    check = ask(price.slippage, wanted(price="0.99", post_only=True), books={}, limits=limits(slippage_bps=150))
    assert (check.passed, check.value, check.limit) == (True, 0, 150)


def test_an_order_that_takes_needs_somebody_to_take_from() -> None:
    empty = {1: book(ask=None)}
    assert not ask(price.slippage, wanted(order_type=OrderType.FAK), books=empty).passed
    assert ask(price.slippage, wanted(), books=empty).passed  # rests


@pytest.mark.parametrize(("left_s", "passes"), [(119, False), (120, True)])
def test_a_dated_order_lives_at_least_two_minutes(left_s: int, passes: bool) -> None:
    dated = wanted(order_type=OrderType.GTD, expires_at=AT + timedelta(seconds=left_s))
    assert ask(terms.expiry, dated).passed is passes


def test_only_dated_orders_have_a_date() -> None:
    assert not ask(terms.expiry, wanted(expires_at=AT + timedelta(hours=1))).passed
    assert not ask(terms.expiry, wanted(order_type=OrderType.GTD)).passed
