"""The ladder: nearest levels next to the spread, our orders on their price, bars by size."""

from __future__ import annotations

import json
from decimal import Decimal
from types import SimpleNamespace

from polybot.dashboard.ladder import DEEP_ROWS, ROWS, ladder_of
from tests.factories.markets import book_make

MARKET = SimpleNamespace(tick=Decimal("0.01"), reward_rate_per_day=Decimal(0), reward_maximum_spread=Decimal(0))


def order(pk: int, side: str, price: str, size: str, filled: str = "0") -> SimpleNamespace:
    return SimpleNamespace(
        pk=pk, side=side, price=Decimal(price), size=Decimal(size), filled_size=Decimal(filled), outcome_id=1
    )


def test_our_orders_stand_on_their_price_with_the_shortest_queue() -> None:
    book = book_make(1, bids=((480_000, 100_000_000), (470_000, 50_000_000)), asks=((520_000, 80_000_000),))
    orders = [order(1, "buy", "0.48", "60", "20"), order(2, "buy", "0.48", "10"), order(3, "sell", "0.52", "5")]
    ladder = ladder_of(1, book, orders, {1: Decimal(30), 2: Decimal(90)}, MARKET)
    best = ladder.bids[0]
    assert (best.price, best.size, best.mine, best.queue, best.is_best) == (Decimal("0.48"), 100, 50, 30, True)
    assert ladder.asks[-1].mine == 5 and ladder.asks[-1].queue is None
    assert json.loads(ladder.ours) == {"480000": ["50", "30"], "520000": ["5", None]}


def test_a_price_beyond_the_levels_shown_is_no_row_and_no_error() -> None:
    ladder = ladder_of(1, book_make(1), [order(1, "buy", "0.01", "5")], {}, MARKET)
    assert all(rung.mine is None for rung in ladder.bids)


def test_without_a_book_there_are_empty_rows_and_no_prices() -> None:
    ladder = ladder_of(1, None, [], {}, MARKET)
    assert (ladder.status, ladder.mid, ladder.levels, ladder.confirmed_at) == ("missing", None, 0, None)
    assert len(ladder.bids) == len(ladder.asks) == DEEP_ROWS
    assert sum(not rung.deep for rung in ladder.bids) == ROWS


def test_the_reward_band_is_marked_where_the_market_pays() -> None:
    paying = SimpleNamespace(
        tick=Decimal("0.01"), reward_rate_per_day=Decimal(10), reward_maximum_spread=Decimal("0.03")
    )
    book = book_make(1, bids=tuple((480_000 - i * 10_000, 1_000_000) for i in range(5)), asks=((500_000, 1_000_000),))
    assert [rung.in_band for rung in ladder_of(1, book, [], {}, paying).bids[:5]] == [True, True, True, False, False]
