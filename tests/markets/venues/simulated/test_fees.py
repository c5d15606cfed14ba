import pytest

from markets.domain.instruments import Category, FeeSchedule
from markets.venues.simulated.fees import CATEGORY_FEES, taker_fee

SHARE = 1_000_000


@pytest.mark.parametrize(
    ("category", "price", "shares", "fee"),
    [
        (Category.CRYPTO, 500_000, 100, 1_750_000),  # 100 x 0.07 x 0.25 = 1.75
        (Category.SPORTS, 200_000, 10, 80_000),  # 10 x 0.05 x 0.16 = 0.08
        (Category.POLITICS, 990_000, 7, 2_770),  # 7 x 0.04 x 0.0099 = 0.002772, to five decimals 0.00277
        (Category.OTHER, 995_000, 1, 250),  # 0.05 x 0.004975 = 0.00024875 -> 0.00025
        (Category.GEOPOLITICS, 500_000, 1000, 0),
    ],
)
def test_the_fee_is_shares_times_rate_times_the_variance_to_five_decimals(
    category: Category, price: int, shares: int, fee: int
) -> None:
    assert taker_fee(price, shares * SHARE, CATEGORY_FEES[category]) == fee


def test_a_fee_below_one_hundred_thousandth_is_nothing_even_if_it_would_round_up() -> None:
    schedule = FeeSchedule(rate_ppm=50_000)
    assert taker_fee(1_000, 199_000, schedule) == 0  # 0.00000994
    assert taker_fee(1_000, 201_000, schedule) == 10  # 0.00001004


def test_an_exponent_two_squares_the_variance() -> None:
    assert taker_fee(500_000, 100 * SHARE, FeeSchedule(rate_ppm=250_000, exponent=2)) == 1_562_500


def test_every_category_has_a_rate() -> None:
    assert set(CATEGORY_FEES) == set(Category)
    assert taker_fee(500_000, SHARE, None) == 0
