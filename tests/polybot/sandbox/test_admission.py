"""Amounts as the official clients round them are understood as the price that was meant."""

from __future__ import annotations

import random
from decimal import ROUND_DOWN, Decimal

import pytest

from markets.domain.instruments import Side
from markets.venues.simulated.matching import OrderType
from polybot.sandbox.admission import admit, amount_decimals, decimals
from polybot.sandbox.catalogue import Market
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.messages import Refusal
from polybot.sandbox.options import ExchangeOptions
from tests.polybot.sandbox.exchange_kit import ALICE, START_MS, amounts

MARKET = Exchange(ExchangeOptions(seed=1, rate=0), clock=lambda: START_MS).markets()[0]


def with_tick(tick: int) -> Market:
    MARKET.tick = tick
    return MARKET


def micro(value: Decimal) -> int:
    return int(value * 1_000_000)


def floored(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_DOWN)


@pytest.mark.parametrize("tick", ["0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001"])
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("kind", [OrderType.GTC, OrderType.FAK])
def test_the_price_is_recovered_from_rounded_amounts(tick: str, side: Side, kind: OrderType) -> None:
    rng = random.Random(9)
    step = Decimal(tick)
    market = with_tick(micro(step))
    for _ in range(400):
        price = step * rng.randrange(1, int(1 / step))
        size = floored(Decimal(rng.randrange(500, 2_000_000)) / 100, 2)
        if kind is OrderType.GTC:
            dollars = price * size
        elif side is Side.BUY:  # dollars to two decimals, shares floored to four
            dollars = max(floored(price * size, 2), Decimal(1))
            size = floored(dollars / price, 4)
        else:
            dollars = floored(price * size, amount_decimals(micro(step)))
        order = amounts(ALICE, market.token_ids[0], side, micro(dollars), micro(size), order_type=kind)
        terms = admit(order, market, now_ms=START_MS)
        assert terms.limit == micro(price), (price, size, dollars)
        assert terms.size == micro(size)
        assert (terms.cash is not None) is (kind is OrderType.FAK and side is Side.BUY)


def test_finer_market_buys_than_the_venue_takes_are_refused_as_it_refuses_them() -> None:
    market = with_tick(1_000)
    order = amounts(ALICE, market.token_ids[0], Side.BUY, 10_000_000, 12_345_670, order_type=OrderType.FOK)
    with pytest.raises(Refusal, match="the market buy orders maker amount supports a max accuracy of 2 decimals"):
        admit(order, market, now_ms=START_MS)


@pytest.mark.parametrize(("amount", "places"), [(5_000_000, 0), (100, 4), (1, 6), (0, 0), (1_230_000, 2)])
def test_decimals_are_counted(amount: int, places: int) -> None:
    assert decimals(amount) == places


@pytest.mark.parametrize("amount", [0, -1])
def test_an_order_for_nothing_is_refused(amount: int) -> None:
    order = amounts(ALICE, MARKET.token_ids[0], Side.BUY, amount, 5_000_000)
    with pytest.raises(Refusal, match="Invalid order payload"):
        admit(order, with_tick(10_000), now_ms=START_MS)
