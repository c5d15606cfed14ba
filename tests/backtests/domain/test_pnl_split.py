"""The pieces of a profit: worked out by hand, and adding up exactly whatever happens."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from backtests.domain.pnl_split import net_profit, splits_of, whole, worth
from backtests.domain.result import Holding
from markets.domain.units import ONE
from tests.backtests.reports import START, fill_row, result_make


def test_one_maker_round_by_hand() -> None:
    fills = [
        fill_row(0, price=48, size=100, mid=50),  # 2 ¢ better than the middle: +2.00
        fill_row(60, buy=False, price=53, size=100, mid=52),  # 1 ¢ better: +1.00; the middle rose by 2 ¢: +2.00
    ]
    (split,) = splits_of(result_make(fills), {})
    assert (split.spread, split.slippage, split.move) == (3 * ONE, 0, 2 * ONE)
    assert split.total == 5 * ONE


def test_a_taker_pays_slippage_and_a_settlement_is_told_apart() -> None:
    fills = [fill_row(0, price=52, size=100, mid=50, taker=True, fee=1_250_000)]
    settled = [(START + 10**9, 0, 0, 100 * ONE, ONE, 100 * ONE, 0)]
    result = result_make(fills, settlements=settled, rebates=70_000)
    parts = splits_of(result, {(0, 0): 950_000})
    split = whole(result, parts)
    # crossing 2 ¢, then 50 to 95 ¢ while held, then 95 ¢ to 1 $
    assert (split.slippage, split.move, split.settlement) == (-2 * ONE, 45 * ONE, 5 * ONE)
    assert (split.fees, split.rebates) == (-1_250_000, 70_000)
    # Without the tape the last middle is that of the fill.
    (part,) = splits_of(result, {})
    assert (part.move, part.settlement) == (0, 50 * ONE)


def test_an_unknown_middle_leaves_all_to_the_move() -> None:
    held = Holding(market=0, outcome=0, size=10 * ONE, cost=4 * ONE, realized=0, fees=0, mark=None)
    (split,) = splits_of(result_make([fill_row(0, price=40, size=10)], holdings=(held,)), {})
    assert (split.spread, split.slippage, split.move) == (0, 0, 0)  # held at cost: nothing won, nothing lost


def test_worth_does_not_overflow_sixty_four_bits() -> None:
    assert worth(999_999, 9 * 10**18) == 999_999 * 9 * 10**18 // ONE


@st.composite
def balanced(draw: st.DrawFn) -> tuple[Any, dict[tuple[int, int], int]]:
    """Fills of two markets with odd prices, sizes, middles and fees; some settled, some kept, some without a mark."""
    held: dict[tuple[int, int], int] = {}
    rows = []
    for number in range(draw(st.integers(0, 25))):
        key = (draw(st.integers(0, 1)), draw(st.integers(0, 1)))
        price, size = draw(st.integers(1, ONE - 1)), draw(st.integers(1, 10**9))
        buy = not held.get(key) or draw(st.booleans())
        size = size if buy else min(size, held[key])
        held[key] = held.get(key, 0) + (size if buy else -size)
        row = list(fill_row(number, price=0, size=0, buy=buy, market=key[0], outcome=key[1], taker=draw(st.booleans())))
        fee = draw(st.integers(0, 10**6))
        notional = -(-price * size // ONE) if buy else price * size // ONE
        row[2:8] = [
            price,
            size,
            fee,
            (-notional if buy else notional) - fee,
            0,
            draw(st.sampled_from((-1, 1, 499_999, ONE - 1))),
        ]
        rows.append(tuple(row))
    ends, kept, before = [], [], {}
    for key, size in held.items():
        fate = draw(st.sampled_from(("settled", "marked", "unmarked")))
        if fate == "settled":
            payout = draw(st.sampled_from((0, ONE // 2, ONE)))
            ends.append((START + 10**12, *key, size, payout, payout * size // ONE, 0))
            if draw(st.booleans()):
                before[key] = draw(st.integers(0, ONE))
        elif size:
            mark = draw(st.integers(0, ONE)) if fate == "marked" else None
            kept.append(Holding(market=key[0], outcome=key[1], size=size, cost=draw(st.integers(0, 10**9)),
                                realized=0, fees=0, mark=mark))  # fmt: skip
    result = result_make(rows, settlements=ends, holdings=tuple(kept), markets=2, rebates=draw(st.integers(0, 10**6)))
    return result, before


@settings(max_examples=150, deadline=None)
@given(balanced())
def test_pieces_add_up_to_the_profit_to_the_millionth(made: tuple[Any, dict[tuple[int, int], int]]) -> None:
    result, before = made
    parts = splits_of(result, before)
    split = whole(result, parts)
    assert split.total == net_profit(result)
    assert sum(part.total for part in parts) + result.rebates == net_profit(result)
