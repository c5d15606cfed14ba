"""Amounts against exact Decimals, and against both official clients where those are right.

`POLYBOT_AMOUNT_PAIRS=2000000` runs the large count.
"""

from __future__ import annotations

import os
import random
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext

import pytest
from polymarket._internal.actions.orders.limit import _compute_limit_order_amounts
from polymarket._internal.actions.orders.market import _compute_market_order_amounts
from py_clob_client_v2.order_builder.builder import ROUNDING_CONFIG, OrderBuilder

from markets.domain.instruments import Side
from markets.domain.units import ONE, AmountError, text_from_micro
from markets.venues.polymarket import amounts
from markets.venues.polymarket.amounts import OrderAmounts

PAIRS = int(os.environ.get("POLYBOT_AMOUNT_PAIRS", "12000"))
SIX = Decimal(ONE)
TABLE = {
    "0.1": (1, 2, 3),
    "0.01": (2, 2, 4),
    "0.005": (3, 2, 5),
    "0.0025": (4, 2, 6),
    "0.001": (3, 2, 5),
    "0.0001": (4, 2, 6),
}
TICK_TEXT = {int(Decimal(text) * ONE): text for text in TABLE}
old_client = OrderBuilder(None)  # type: ignore[arg-type]


def draw(rng: random.Random) -> tuple[int, int, int]:
    """Return (tick, price on it, size in millionths, mostly to hundredths, sometimes finer, over many magnitudes)."""
    tick = rng.choice(amounts.TICKS)
    price = tick * rng.randint(1, ONE // tick - 1)
    size = rng.randint(1, 10 ** rng.randint(3, 9)) * 10_000
    if rng.random() < 0.2:
        size += rng.randint(1, 9_999)
    return tick, price, size


def exact(micro: int) -> Decimal:
    return Decimal(micro) / SIX


def floor_to(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(10) ** -decimals, rounding=ROUND_FLOOR)


def two_steps(value: Decimal, decimals: int) -> Decimal:
    """Return the clients' rounding of a product: up to `decimals` + 4, then down to `decimals`."""
    raised = value.quantize(Decimal(10) ** -(decimals + 4), rounding=ROUND_CEILING)
    return floor_to(raised, decimals)


def reference(side: Side, rests: bool, tick: int, price: int, size: int) -> tuple[Decimal, Decimal]:
    """Return (maker, taker) by the venue's table and its caps, in Decimals of 60 digits."""
    _, size_decimals, amount_decimals = TABLE[TICK_TEXT[tick]]
    if rests or side is Side.SELL:
        shares = floor_to(exact(size), size_decimals)
        dollars = two_steps(shares * exact(price), amount_decimals)
        return (dollars, shares) if side is Side.BUY else (shares, dollars)
    spent = floor_to(exact(size) * exact(price), 2)
    return spent, two_steps(spent / exact(price), 4)


def test_the_table_is_the_old_clients_table() -> None:
    for text, (price, size, amount) in TABLE.items():
        known = ROUNDING_CONFIG[text]
        assert (known.price, known.size, known.amount) == (price, size, amount)
        tick = int(Decimal(text) * ONE)
        assert amounts.price_decimals(tick) == price
        assert amounts.dollar_decimals(tick) == amount


def test_amounts_equal_exact_decimals_on_every_tick() -> None:
    rng = random.Random(20261)
    seen = dict.fromkeys(amounts.TICKS, 0)
    refused = 0
    with localcontext(Context(prec=60)):
        for _ in range(PAIRS):
            tick, price, size = draw(rng)
            side, rests = rng.choice((Side.BUY, Side.SELL)), rng.random() < 0.5
            maker, taker = reference(side, rests, tick, price, size)
            try:
                found = amounts.order_amounts(side, rests=rests, price=price, size=size, tick=tick)
            except AmountError:
                too_small = maker <= 0 or taker <= 0 or maker / taker >= exact(price) + Decimal("0.0001")
                assert too_small, (side, rests, tick, price, size)
                refused += 1
                continue
            assert (found.maker, found.taker) == (maker * SIX, taker * SIX), (side, rests, tick, price, size)
            seen[tick] += 1
    assert min(seen.values()) > PAIRS / 8
    assert refused < PAIRS / 50


def test_a_resting_order_keeps_its_price_exactly() -> None:
    rng = random.Random(5)
    for _ in range(PAIRS // 6):
        tick, price, size = draw(rng)
        buy = amounts.limit_amounts(Side.BUY, price=price, size=size, tick=tick)
        sell = amounts.limit_amounts(Side.SELL, price=price, size=size, tick=tick)
        assert buy.maker * ONE == buy.taker * price
        assert (sell.maker, sell.taker) == (buy.taker, buy.maker)


def test_a_market_buy_never_costs_a_finer_tick_more_and_keeps_the_venues_caps() -> None:
    rng = random.Random(6)
    for _ in range(PAIRS // 6):
        tick, price, _ = draw(rng)
        dollars = rng.randint(100, 10_000_000) * 10_000  # from the venue's minimum of a dollar
        found = amounts.market_buy_amounts(dollars=dollars, price=price, tick=tick)
        assert found.maker == dollars
        assert found.maker % 10_000 == 0 and found.taker % 100 == 0
        assert price * found.taker <= found.maker * ONE < (price + 100) * found.taker


def test_buying_shares_at_market_asks_for_no_more_than_them() -> None:
    found = amounts.market_buy_of_shares(size=10_000_000, price=333_000, tick=1_000)
    assert found == OrderAmounts(3_330_000, 10_000_000)
    found = amounts.market_buy_of_shares(size=10_500_000, price=335_000, tick=1_000)  # 3.5175 dollars: 3.51
    assert found == OrderAmounts(3_510_000, 10_477_600)  # 10.477611..., floored to four decimals


@pytest.mark.parametrize(
    ("side", "price", "size", "tick", "maker", "taker"),
    [
        (Side.BUY, "0.56", "1039.85", "0.01", "582.316", "1039.85"),
        (Side.SELL, "0.22", "19.69", "0.01", "19.69", "4.3318"),  # the venue's own example of a product
        (Side.BUY, "0.5", "100.999999", "0.1", "50.495", "100.99"),
        (Side.BUY, "0.005", "0.01", "0.005", "0.00005", "0.01"),
        (Side.SELL, "0.9975", "33.33", "0.0025", "33.33", "33.246675"),
        (Side.BUY, "0.0001", "0.01", "0.0001", "0.000001", "0.01"),
    ],
)
def test_examples_worked_out_by_hand(  # noqa: PLR0917
    side: Side, price: str, size: str, tick: str, maker: str, taker: str
) -> None:
    def micro(text: str) -> int:
        return int(Decimal(text) * ONE)

    found = amounts.limit_amounts(side, price=micro(price), size=micro(size), tick=micro(tick))
    assert (text_from_micro(found.maker), text_from_micro(found.taker)) == (maker, taker)


@pytest.mark.parametrize(
    ("price", "size", "tick", "said"),
    [
        (505_000, 5_000_000, 10_000, "price: 0.505 is not a multiple of 0.01 between 0.01 and 0.99"),
        (0, 5_000_000, 10_000, "price: 0 is not"),
        (1_000_000, 5_000_000, 10_000, "price: 1 is not"),
        (995_000, 5_000_000, 10_000, "price: 0.995 is not"),
        (-10_000, 5_000_000, 10_000, "price: -0.01 is not"),
        (500_000, 9_999, 10_000, "size: 0.009999 rounds to zero; the smallest is 0.01"),
        (500_000, 0, 10_000, "size: 0 is not a positive amount"),
        (500_000, -5_000_000, 10_000, "size: -5 is not a positive amount"),
        (500_000, 10**20, 10_000, "size: 100000000000000 is not a positive amount that the ledger can hold"),
        (500_000, 5_000_000, 20_000, "tick: 0.02 is not one of the venue's ticks"),
    ],
)
def test_what_the_venue_would_refuse_is_refused_with_the_field(price: int, size: int, tick: int, said: str) -> None:
    for side in Side:
        for rests in (True, False):
            if not rests and side is Side.BUY and size == 9_999:
                continue  # its dollars are what rounds to zero
            with pytest.raises(AmountError, match=said):
                amounts.order_amounts(side, rests=rests, price=price, size=size, tick=tick)


def test_a_market_buy_too_small_for_its_price_is_refused() -> None:
    with pytest.raises(AmountError, match=r"too few to keep the price at 0.9999; use a larger amount"):
        amounts.market_buy_amounts(dollars=10_000, price=999_900, tick=100)
    with pytest.raises(AmountError, match="rounds to zero"):
        amounts.market_buy_of_shares(size=10_000, price=10_000, tick=10_000)


# --- the official clients -------------------------------------------------------------------------------------------


def test_limits_equal_the_new_client() -> None:
    rng = random.Random(77)
    for _ in range(PAIRS // 6):
        tick, price, size = draw(rng)
        side = rng.choice((Side.BUY, Side.SELL))
        theirs = _compute_limit_order_amounts(
            price=exact(price), size=exact(size), side=side.name, tick_size=Decimal(TICK_TEXT[tick])
        )
        assert theirs == _pair(amounts.limit_amounts(side, price=price, size=size, tick=tick))


def test_market_orders_equal_the_new_client_up_to_the_venues_cap_on_shares() -> None:
    """The client asks for up to six decimals of shares on fine ticks; the venue allows a buy four."""
    rng = random.Random(78)
    capped = 0
    for _ in range(PAIRS // 6):
        tick, price, size = draw(rng)
        side = rng.choice((Side.BUY, Side.SELL))
        maker, taker = _compute_market_order_amounts(
            amount=exact(size), price=exact(price), side=side.name, tick_size=Decimal(TICK_TEXT[tick])
        )
        if side is Side.SELL:
            assert (maker, taker) == _pair(amounts.market_sell_amounts(size=size, price=price, tick=tick))
            continue
        try:
            ours = amounts.market_buy_amounts(dollars=size, price=price, tick=tick)
        except AmountError:
            assert size < ONE
            continue
        step = 1_000 if tick == 100_000 else 100  # on the coarsest tick the client stops at three decimals itself
        assert (maker, taker - taker % step) == (ours.maker, ours.taker - ours.taker % step)
        capped += taker != ours.taker
    assert capped > 0


# What the old client does with binary floats, pair by pair: (size, its size). Each is a hundredth too low,
# because size * 100 lands just below a whole number and is then floored.
FLOAT_SIZES = [
    ("1039.85", "1039.84"),
    ("0.29", "0.28"),
    ("0.57", "0.56"),
    ("0.58", "0.57"),
    ("1.13", "1.12"),
    ("1.14", "1.13"),
    ("1.15", "1.14"),
    ("1.16", "1.15"),
    ("2.3", "2.29"),
    ("4.35", "4.34"),
    ("8.2", "8.19"),
    ("16.4", "16.39"),
    ("19.99", "19.98"),
    ("65.65", "65.65"),  # right: the error depends on the number, not on its size
    ("512.03", "512.03"),
    ("1001.14", "1001.14"),
]


@pytest.mark.parametrize(("size", "theirs"), FLOAT_SIZES)
def test_the_old_clients_floats_lose_hundredths(size: str, theirs: str) -> None:
    _, maker, _ = old_client.get_order_amounts("SELL", float(size), 0.5, ROUNDING_CONFIG["0.01"])
    assert maker == int(Decimal(theirs) * ONE)
    ours = amounts.limit_amounts(Side.SELL, price=500_000, size=int(Decimal(size) * ONE), tick=10_000)
    assert ours.maker == int(Decimal(size) * ONE)


def test_limits_equal_the_old_client_except_where_its_floats_fail() -> None:
    rng = random.Random(79)
    wrong = 0
    count = PAIRS // 6
    for _ in range(count):
        tick, price, size = draw(rng)
        size = min(size, 10**13)
        side = rng.choice((Side.BUY, Side.SELL))
        _, *theirs = old_client.get_order_amounts(side.name, size / ONE, price / ONE, ROUNDING_CONFIG[TICK_TEXT[tick]])
        ours = _pair(amounts.limit_amounts(side, price=price, size=size, tick=tick))
        if tuple(theirs) == ours:
            continue
        wrong += 1
        their_shares, our_shares = (theirs[1], ours[1]) if side is Side.BUY else (theirs[0], ours[0])
        lost_hundredth = our_shares - their_shares == 10_000
        last_place = their_shares == our_shares and abs(theirs[0] + theirs[1] - sum(ours)) <= 10 ** (
            6 - amounts.dollar_decimals(tick)
        )
        assert lost_hundredth or last_place, (side, tick, price, size, theirs, ours)
    assert 0 < wrong < count / 5


def _pair(found: OrderAmounts) -> tuple[int, int]:
    return found.maker, found.taker
