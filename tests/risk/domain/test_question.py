"""What a rule may ask: the tick of now, whether the price crosses, whose caps hold, and the largest size that fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from markets.domain.instruments import Side
from markets.domain.units import Shares, Usd
from markets.domain.views import BookStatus
from orders.domain.intents import OrderType
from risk.domain.context import origin_ref
from risk.domain.limits import OriginLimits
from risk.domain.losses import day_loss, drawdown_bps
from risk.domain.question import LOT
from tests.factories.risk import ORIGIN, book, limits, micro, portfolio, question, wanted


def test_a_strategys_own_cap_holds_where_it_is_the_smaller_one() -> None:
    tight = OriginLimits(exposure=Usd(micro("40")), order_size=None, open_orders=2_000, daily_loss=None)
    asked = question(limits=limits(strategy_exposure="50", daily_loss="9"), origin_limits={origin_ref(ORIGIN): tight})
    assert (asked.caps.exposure, asked.caps.open_orders, asked.caps.daily_loss) == (micro("40"), 1_000, micro("9"))
    assert question(limits=limits(strategy_exposure="50")).caps.exposure == micro("50")


def test_the_tick_is_the_live_books_and_else_the_catalogues() -> None:
    assert question(books={1: book(tick=1_000)}).tick == 1_000
    assert question(books={1: book(tick=1_000, status=BookStatus.CLOSED)}).tick == 10_000
    assert question(books={}).tick == 10_000
    assert question(books={}, facts={}).tick is None


@pytest.mark.parametrize(
    ("side", "price", "crosses"),
    [(Side.BUY, "0.51", False), (Side.BUY, "0.52", True), (Side.SELL, "0.49", False), (Side.SELL, "0.48", True)],
)
def test_a_price_crosses_when_it_reaches_the_other_side(side: Side, price: str, crosses: bool) -> None:
    asked = question(wanted(side, price))
    assert (asked.crosses, asked.is_marketable) == (crosses, crosses)
    assert question(wanted(side, price), books={}).crosses is False
    assert question(wanted(side, price), books={1: book(bid=None, ask=None)}).crosses is False
    assert question(wanted(side, price, post_only=True)).is_marketable is False
    assert question(wanted(side, price, order_type=OrderType.FAK), books={}).is_marketable is True


@pytest.mark.parametrize(
    ("size", "most", "expected"),
    [
        ("10", "10", "10"),
        ("10", "9.999", "9.99"),
        ("10", "3.14", "3.14"),
        ("10", "0.009", "0"),
        ("10.005", "10.001", "10"),  # the odd half cent goes first
        ("0.005", "0", "0"),
    ],
)
def test_the_largest_size_that_fits_is_in_whole_lots(size: str, most: str, expected: str) -> None:
    tried: list[int] = []

    def fits(units: int) -> bool:
        tried.append(units)
        return units <= micro(most)

    assert question(wanted(size=size)).largest(fits) == Shares(micro(expected))
    assert all(units % LOT == 0 for units in tried[1:])
    assert len(tried) < 14, "it halves what is left, and does not walk"


def test_losses_count_from_midnight_and_from_the_peak_and_a_gain_is_none() -> None:
    down = portfolio(cash="90", equity="90", day_start_equity="100", peak_equity="120")
    assert (day_loss(down), drawdown_bps(down)) == (micro("10"), 2_500)
    up = portfolio(cash="130", equity="130", day_start_equity="100", peak_equity="120")
    assert (day_loss(up), drawdown_bps(up)) == (0, 0)
    broke = portfolio(cash="0", equity="-1", day_start_equity="0", peak_equity="0")
    assert (day_loss(broke), drawdown_bps(broke)) == (micro("1"), 0)
    assert drawdown_bps(replace(broke, peak_equity=Usd(1), equity=Usd(0))) == 10_000
