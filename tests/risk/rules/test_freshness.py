"""How old a book may be, for whom."""

from __future__ import annotations

import pytest

from markets.domain.instruments import Side
from markets.domain.views import BookStatus
from orders.domain.intents import OrderType
from orders.domain.lifecycle import Environment
from risk.rules.freshness import book_fresh
from tests.factories.risk import ask, book, portfolio, wanted

RESTS = {"price": "0.40"}
TAKES = {"price": "0.52"}


@pytest.mark.parametrize(
    ("how", "age_ms", "passes"),
    [(RESTS, 15_000, True), (RESTS, 15_001, False), (TAKES, 3_000, True), (TAKES, 3_001, False)],
)
def test_a_resting_order_allows_15_s_and_one_that_takes_3_s(how: dict[str, str], age_ms: int, passes: bool) -> None:
    check = ask(book_fresh, wanted(**how), books={1: book(age_ms=age_ms)})
    assert check.passed is passes
    assert check.value == age_ms


def test_an_immediate_order_is_one_that_takes_whatever_its_price() -> None:
    placement = wanted(price="0.40", order_type=OrderType.FAK)
    assert not ask(book_fresh, placement, books={1: book(age_ms=4_000)}).passed


def test_no_book_is_no() -> None:
    check = ask(book_fresh, books={})
    assert not check.passed
    assert check.value is None
    assert "no recent book" in check.note


@pytest.mark.parametrize("status", [BookStatus.STALE, BookStatus.POLLED, BookStatus.CLOSED, BookStatus.MISSING])
def test_an_entry_needs_a_trusted_socket(status: BookStatus) -> None:
    assert not ask(book_fresh, wanted(**RESTS), books={1: book(status=status)}).passed


@pytest.mark.parametrize(
    ("status", "age_ms", "passes"),
    [
        (BookStatus.POLLED, 59_000, True),
        (BookStatus.STALE, 59_000, True),
        (BookStatus.STALE, 60_001, False),
        (BookStatus.CLOSED, 0, False),
        (BookStatus.MISSING, 0, False),
    ],
)
def test_an_exit_on_paper_accepts_a_doubtful_book_for_a_minute(status: BookStatus, age_ms: int, passes: bool) -> None:
    check = ask(book_fresh, wanted(Side.SELL, "0.60"), books={1: book(status=status, age_ms=age_ms)})
    assert check.passed is passes


def test_a_live_account_makes_no_exception_for_exits() -> None:
    live = portfolio(environment=Environment.LIVE)
    assert not ask(
        book_fresh, wanted(Side.SELL, "0.60"), books={1: book(status=BookStatus.POLLED)}, portfolio=live
    ).passed


def test_a_crossed_book_cannot_be_right() -> None:
    assert not ask(book_fresh, wanted(**RESTS), books={1: book(bid=550_000, ask=520_000)}).passed
