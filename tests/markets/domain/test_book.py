"""The array book equals a plain dict whatever happens to it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.domain.book import BookError, OrderBook
from markets.domain.events import BookSnapshot, LevelChange
from markets.domain.instruments import Side

CENT, TENTH = 10_000, 1_000


def snapshot(bids: dict[int, int], asks: dict[int, int], tick: int | None = None) -> BookSnapshot:
    return BookSnapshot(
        token_id="1",
        bids=tuple(sorted(bids.items(), reverse=True)),
        asks=tuple(sorted(asks.items())),
        venue_ms=1,
        received_ns=1,
        tick=tick,
    )


def change(side: Side, price: int, size: int) -> LevelChange:
    return LevelChange(token_id="1", side=side, price=price, size=size, venue_ms=1, received_ns=1)


def book_with(bids: dict[int, int], asks: dict[int, int], tick: int = CENT) -> OrderBook:
    book = OrderBook(tick)
    book.apply_snapshot(snapshot(bids, asks))
    return book


prices = st.integers(1, 999).map(lambda n: n * TENTH)
sizes = st.one_of(st.just(0), st.integers(1, 10**15))
ticks = st.sampled_from([CENT, TENTH, 100])
changes = st.tuples(st.sampled_from(Side), prices, sizes)
sides_of_book = st.dictionaries(prices, st.integers(1, 10**12), max_size=30)


@settings(max_examples=150, deadline=None)
@given(
    bids=sides_of_book,
    asks=sides_of_book,
    steps=st.lists(changes, max_size=80),
    tick=st.sampled_from([CENT, TENTH, 100]),
)
def test_the_book_equals_a_dict(
    bids: dict[int, int], asks: dict[int, int], steps: list[tuple[Side, int, int]], tick: int
) -> None:
    book = book_with(bids, asks, tick)
    model = {Side.BUY: dict(bids), Side.SELL: dict(asks)}
    for side, price, size in steps:
        book.apply_change(change(side, price, size))
        model[side][price] = size
        model[side] = {p: s for p, s in model[side].items() if s}
        assert book.best_bid() == max(model[Side.BUY], default=None)
        assert book.best_ask() == min(model[Side.SELL], default=None)
    assert book.levels(Side.BUY) == tuple(sorted(model[Side.BUY].items(), reverse=True))
    assert book.levels(Side.SELL) == tuple(sorted(model[Side.SELL].items()))
    assert book.seq == len(steps) + 1
    best_bid, best_ask = book.best_bid(), book.best_ask()
    assert book.is_crossed() == (best_bid is not None and best_ask is not None and best_bid >= best_ask)


@settings(max_examples=100, deadline=None)
@given(asks=sides_of_book, size=st.integers(1, 10**13), limit=prices, side=st.sampled_from(Side))
def test_a_sweep_takes_the_best_levels_first(asks: dict[int, int], size: int, limit: int, side: Side) -> None:
    book = book_with(asks, {}) if side is Side.SELL else book_with({}, asks)
    filled = notional = 0
    for price in sorted(asks, reverse=side is Side.SELL):
        if price > limit if side is Side.BUY else price < limit:
            break
        taken = min(asks[price], size - filled)
        filled, notional = filled + taken, notional + taken * price
    exact, rest = divmod(notional, 1_000_000)
    assert book.sweep(side, size, limit) == (filled, exact + (1 if rest and side is Side.BUY else 0))


def test_a_level_between_ticks_makes_the_grid_finer_and_keeps_the_rest() -> None:
    book = book_with({480_000: 5}, {520_000: 7})
    book.apply_change(change(Side.SELL, 515_000, 3))
    assert book.levels(Side.SELL) == ((515_000, 3), (520_000, 7))
    assert (book.tick, book.step) == (CENT, 5_000)


def test_a_new_tick_keeps_levels() -> None:
    book = book_with({480_000: 5}, {520_000: 7})
    book.tick_set(TENTH)
    book.apply_change(change(Side.BUY, 519_000, 1))
    assert (book.tick, book.best_bid(), book.best_ask()) == (TENTH, 519_000, 520_000)
    book.tick_set(CENT)
    assert book.levels(Side.BUY) == ((519_000, 1), (480_000, 5))


@pytest.mark.parametrize(
    ("price", "size", "message"),
    [(0, 1, "price: 0"), (1_000_000, 1, "price: 1000000"), (-10_000, 1, "price"), (480_000, -1, "size: -1"),
     (480_001, 1, "finer than any tick")],
)  # fmt: skip
def test_impossible_levels_are_refused_and_change_nothing(price: int, size: int, message: str) -> None:
    book = book_with({480_000: 5}, {520_000: 7})
    with pytest.raises(BookError, match=message):
        book.apply_change(change(Side.BUY, price, size))
    assert book.levels(Side.BUY) == ((480_000, 5),)


def test_a_snapshot_that_cannot_be_held_leaves_the_book_alone() -> None:
    book = book_with({480_000: 5}, {520_000: 7})
    with pytest.raises(BookError):
        book.apply_snapshot(snapshot({470_000: 1, 333_333: 1}, {}))
    assert book.levels(Side.BUY) == ((480_000, 5),)


def test_mid_and_microprice_need_both_sides() -> None:
    assert (book_with({480_000: 5}, {}).mid(), book_with({}, {520_000: 7}).microprice()) == (None, None)
    book = book_with({480_000: 3}, {520_000: 1})
    assert (book.mid(), book.microprice()) == (500_000, 510_000)  # three times the bid size: nearer to the ask


def test_a_crossed_book_is_seen() -> None:
    assert book_with({520_000: 1}, {520_000: 1}).is_crossed()
    assert not book_with({510_000: 1}, {520_000: 1}).is_crossed()


def test_depth_is_cut_best_first() -> None:
    book = book_with({p * CENT: p for p in range(1, 50)}, {})
    assert book.levels(Side.BUY, 2) == ((490_000, 49), (480_000, 48))
    assert book.size_at(Side.BUY, 480_000) == 48 and book.size_at(Side.BUY, 485_000) == 0
