import random

import pytest

from markets.domain.instruments import FeeSchedule, Side
from markets.domain.units import ONE, Price, Shares, Usd, notional_up
from markets.venues.simulated.fees import taker_fee
from orders.domain.reserve import cash_to_reserve, worst_taker_fee
from tests.factories.orders import micro


@pytest.mark.parametrize(
    ("price", "worst"),
    [
        ("0.60", "0.10"),  # may fill at 0.50: 10 x 0.04 x 0.25
        ("0.50", "0.10"),
        ("0.20", "0.064"),  # 10 x 0.04 x 0.20 x 0.80; nothing below 0.20 costs more
    ],
)
def test_the_fee_bound_is_that_of_the_dearest_price_in_reach(price: str, worst: str) -> None:
    bound = worst_taker_fee(price=Price(micro(price)), size=Shares(micro(10)), fee=FeeSchedule(rate_ppm=40_000))
    assert bound == micro(worst) + 1_000  # for rounding


def test_a_squared_fee_curve_is_bounded_by_its_own_peak() -> None:
    squared = FeeSchedule(rate_ppm=40_000, exponent=2)
    # 10 x 0.04 x 0.25 x 0.25, and at 0.20: 10 x 0.04 x 0.16 x 0.16; 0.001 for rounding each
    peak = worst_taker_fee(price=Price(micro("0.60")), size=Shares(micro(10)), fee=squared)
    below = worst_taker_fee(price=Price(micro("0.20")), size=Shares(micro(10)), fee=squared)
    assert (peak, below) == (micro("0.026"), micro("0.01124"))


def test_a_sell_sets_aside_no_cash_and_a_free_market_no_fee() -> None:
    free = FeeSchedule(rate_ppm=0)
    price, size = Price(micro("0.30")), Shares(micro(10))
    assert cash_to_reserve(side=Side.SELL, price=price, size=size, may_take=True, fee=free) == 0
    assert cash_to_reserve(side=Side.BUY, price=price, size=size, may_take=True, fee=free) == Usd(micro(3))
    assert cash_to_reserve(
        side=Side.BUY, price=price, size=size, may_take=False, fee=FeeSchedule(rate_ppm=70_000)
    ) == Usd(micro(3))


@pytest.mark.parametrize("seed", range(300))
def test_no_way_of_filling_an_order_costs_more_than_was_set_aside(seed: int) -> None:
    """Any split into up to 90 trades at prices no worse than the limit, with the venue's own fee per trade."""
    rng = random.Random(seed)
    fee = FeeSchedule(rate_ppm=rng.choice((40_000, 50_000, 70_000)), exponent=rng.choice((1, 1, 2)))
    tick = rng.choice((1_000, 10_000))
    limit = rng.randrange(tick, ONE, tick)
    cents = rng.randint(1, 100_000)
    size = cents * 10_000  # hundredths of a share, as the venue demands
    cash = cash_to_reserve(side=Side.BUY, price=Price(limit), size=Shares(size), may_take=True, fee=fee)
    spent = 0
    while cents:
        part = rng.randint(max(1, cents // 45), cents)
        price = rng.randrange(tick, limit + 1, tick)
        spent += notional_up(price, part * 10_000) + taker_fee(price, part * 10_000, fee)
        cents -= part
    assert spent <= cash
