"""Own legs and their dollars against the local exchange's own clearing."""

from __future__ import annotations

import random

import pytest

from markets.domain.instruments import FeeSchedule, Side
from markets.domain.trading import TradeStage
from markets.domain.units import ONE
from markets.venues.base import ParseError
from markets.venues.polymarket.fees import taker_fee
from markets.venues.polymarket.legs import legs_of
from markets.venues.polymarket.user_events import Leg, Role, TradeEvent, TradeStatus
from markets.venues.simulated.clearing import clear
from markets.venues.simulated.fees import taker_fee as exchange_fee
from markets.venues.simulated.matching import MatchKind

YES, NO = "1", "2"
ME = "0x" + "aa" * 20


def leg(  # noqa: PLR0917
    order_id: str, role: Role, token: str, side: Side, price: int, size: int, *, address: str = ""
) -> Leg:
    return Leg(
        order_id=order_id, role=role, token_id=token, side=side, price=price, size=size, owner="", address=address
    )


def trade(taker: Leg, *makers: Leg, status: TradeStatus = TradeStatus.MATCHED) -> TradeEvent:
    return TradeEvent(
        trade_id="t1",
        status=status,
        condition_id="0xc",
        trader_side=None,
        taker=taker,
        makers=makers,
        transaction_hash="",
        bucket_index=0,
        at_ms=None,
        matched_ms=1_700_000_000_000,
        updated_ms=None,
    )


def test_every_dollar_of_random_trades_is_the_one_that_the_exchange_moves() -> None:
    rng = random.Random(11)
    kinds = set()
    for _ in range(3_000):
        taker_side = rng.choice([Side.BUY, Side.SELL])
        price = rng.randrange(1, 400) * 2_500
        makers, dollars = [], 0
        for number in range(rng.randint(1, 4)):
            size = rng.randint(1, 300_000_000)
            same = rng.random() < 0.5
            side = taker_side.opposite if same else taker_side
            kind = MatchKind.TRANSFER if same else MatchKind.MINT if taker_side is Side.BUY else MatchKind.MERGE
            maker_price = price if same else ONE - price
            cleared = clear(kind, taker_side=taker_side, maker_price=maker_price, size=size)
            dollars += abs(cleared.taker_cash)
            kinds.add(kind)
            makers.append(
                (leg(f"m{number}", Role.MAKER, YES if same else NO, side, maker_price, size, address=ME), cleared)
            )
        total = sum(maker.size for maker, _ in makers)
        told = trade(
            leg("mine", Role.TAKER, YES, taker_side, price, total, address=ME), *[maker for maker, _ in makers]
        )
        found = {found.order_id: found for found in legs_of(told, addresses=[ME])}
        assert found["mine"].dollars == dollars
        for maker, cleared in makers:
            assert found[maker.order_id].dollars == abs(cleared.maker_cash)
            assert (found[maker.order_id].token_id, found[maker.order_id].side) == (maker.token_id, maker.side)
    assert kinds == set(MatchKind)


def test_fees_are_those_of_the_exchange() -> None:
    rng = random.Random(12)
    for _ in range(5_000):
        schedule = FeeSchedule(rate_ppm=rng.choice([0, 40_000, 50_000, 70_000, 72_000]), exponent=rng.choice([1, 1, 2]))
        price, size = rng.randrange(1, 10_000) * 100, rng.choice([1, 10, 1_000, 10**6, rng.randint(1, 10**10)])
        assert taker_fee(price, size, schedule) == exchange_fee(price, size, schedule)
    assert taker_fee(500_000, 10_000_000, None) == 0


def test_an_order_that_stands_twice_in_a_trade_is_one_leg() -> None:
    taker = leg("0xt", Role.TAKER, YES, Side.SELL, 400_000, 30_000_000)
    first = leg("m", Role.MAKER, YES, Side.BUY, 400_000, 10_000_000, address=ME)
    second = leg("m", Role.MAKER, YES, Side.BUY, 400_000, 20_000_000, address=ME)
    (only,) = legs_of(trade(taker, first, second, status=TradeStatus.CONFIRMED), addresses=[ME])
    assert (only.size, only.dollars, only.stage) == (30_000_000, 12_000_000, TradeStage.CONFIRMED)
    other = leg("m", Role.MAKER, YES, Side.BUY, 410_000, 20_000_000, address=ME)
    with pytest.raises(ParseError, match="at two prices"):
        legs_of(trade(taker, first, other), addresses=[ME])


def test_dollars_are_not_guessed_when_the_makers_are_not_all_told() -> None:
    taker = leg("0xt", Role.TAKER, YES, Side.BUY, 400_000, 30_000_000, address=ME)
    maker = leg("m", Role.MAKER, YES, Side.SELL, 400_000, 10_000_000)
    (only,) = legs_of(trade(taker, maker), addresses=[ME])
    assert only.dollars is None
