"""The matching core: worked examples, and invariants over many random orders."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import count

import pytest

from markets.domain.instruments import Side
from markets.domain.units import ONE
from markets.venues.simulated.clearing import clear
from markets.venues.simulated.matching import BookOrder, MatchingBook, MatchKind

S, C = 1_000_000, 10_000
BUY, SELL = Side.BUY, Side.SELL


def order(name: str, outcome: int, side: Side, price: int, size: int) -> BookOrder:
    return BookOrder(order_id=name, account=name, outcome=outcome, side=side, price=price, left=size)


def test_a_bid_for_no_is_an_ask_for_yes() -> None:
    book = MatchingBook()
    book.rest(order("a", 1, BUY, 40 * C, 10 * S))
    assert book.side(False) == [(60 * C, 10 * S)]
    assert book.best(True) is None


@pytest.mark.parametrize(
    ("maker", "taker", "kind", "price"),
    [
        ((0, SELL, 60 * C), (0, BUY, 65 * C), MatchKind.TRANSFER, 60 * C),
        ((1, BUY, 40 * C), (0, BUY, 65 * C), MatchKind.MINT, 60 * C),
        ((0, SELL, 60 * C), (1, SELL, 35 * C), MatchKind.MERGE, 40 * C),
        ((1, BUY, 40 * C), (1, SELL, 35 * C), MatchKind.TRANSFER, 40 * C),
        ((0, BUY, 60 * C), (1, BUY, 45 * C), MatchKind.MINT, 40 * C),
    ],
)
def test_the_better_price_goes_to_the_taker(
    maker: tuple[int, Side, int], taker: tuple[int, Side, int], kind: MatchKind, price: int
) -> None:
    book = MatchingBook()
    book.rest(order("m", *maker, 10 * S))
    (match,) = book.plan(outcome=taker[0], side=taker[1], limit=taker[2], size=4 * S)
    assert (match.kind, match.price, match.size) == (kind, price, 4 * S)
    assert book.orders["m"].left == 10 * S, "a plan changes nothing"
    book.execute([match])
    assert book.orders["m"].left == 6 * S


def test_best_price_first_and_oldest_first_within_a_price() -> None:
    book = MatchingBook()
    for name, price, size in (("late", 60, 5), ("later", 60, 5), ("best", 59, 5), ("far", 70, 50)):
        book.rest(order(name, 0, SELL, price * C, size * S))
    matches = book.plan(outcome=0, side=BUY, limit=65 * C, size=12 * S)
    assert [(m.maker.order_id, m.size) for m in matches] == [("best", 5 * S), ("late", 5 * S), ("later", 2 * S)]


def test_an_order_reduced_keeps_its_place_and_one_removed_loses_it() -> None:
    book = MatchingBook()
    a, b = order("a", 0, BUY, 50 * C, 10 * S), order("b", 0, BUY, 50 * C, 10 * S)
    book.rest(a)
    book.rest(b)
    book.reduce(a, 4 * S)
    assert [o.order_id for o in book.queue(True, 50 * C)] == ["a", "b"]
    removed = book.remove("a")
    assert removed is not None and removed.left == 6 * S
    book.rest(removed)
    assert [o.order_id for o in book.queue(True, 50 * C)] == ["b", "a"]
    assert book.remove("nobody") is None


def test_dollars_buy_as_many_shares_as_they_pay_for() -> None:
    book = MatchingBook()
    book.rest(order("a", 0, SELL, 33 * C, 10 * S))
    book.rest(order("b", 0, SELL, 35 * C, 100 * S))
    matches = book.plan(outcome=0, side=BUY, limit=40 * C, cash=5 * S)
    assert [m.size for m in matches] == [10 * S, 1_700_000 * S // 350_000]  # 3.30 and then 1.70 at 0.35


@pytest.mark.parametrize("kind", list(MatchKind))
def test_clearing_creates_and_loses_nothing(kind: MatchKind) -> None:
    rng = random.Random(5)
    for _ in range(2_000):
        price, size = rng.randrange(1, ONE), rng.randrange(1, 10**12)
        for side in (BUY, SELL):
            if (kind is MatchKind.MINT and side is SELL) or (kind is MatchKind.MERGE and side is BUY):
                continue
            done = clear(kind, taker_side=side, maker_price=price, size=size)
            assert done.taker_cash + done.maker_cash + done.collateral == 0
            shares = done.taker_shares + done.maker_shares
            assert shares == {MatchKind.TRANSFER: 0, MatchKind.MINT: 2 * size, MatchKind.MERGE: -2 * size}[kind]
            assert abs(done.collateral) == (0 if kind is MatchKind.TRANSFER else size)


@pytest.mark.parametrize("seed", range(5))
def test_random_orders_never_leave_a_crossed_book_and_fill_in_time_order(seed: int) -> None:
    rng, names, book = random.Random(seed), count(), MatchingBook()
    wealth: dict[str, int] = defaultdict(int)
    yes = no = collateral = 0
    for _ in range(3_000):
        if book.orders and rng.random() < 0.3:
            book.remove(rng.choice(list(book.orders)))
            continue
        outcome, side = rng.randrange(2), rng.choice((BUY, SELL))
        price, size = rng.randrange(1, 100) * C, rng.randrange(1, 500 * S)
        matches = book.plan(outcome=outcome, side=side, limit=price, size=size)
        ahead = [book.queue(m.maker.is_bid, m.maker.yes_price) for m in matches]
        for match, queue in zip(matches, ahead, strict=True):
            others = [m.maker.order_id for m in matches]
            before = queue[: [o.order_id for o in queue].index(match.maker.order_id)]
            assert all(o.order_id in others for o in before), "nobody is passed over"
            assert (match.price <= price) if side is BUY else (match.price >= price)
            done = clear(match.kind, taker_side=side, maker_price=match.maker.price, size=match.size)
            wealth["taker"] += done.taker_cash
            wealth["maker"] += done.maker_cash
            collateral += done.collateral
            for held, by in ((outcome, done.taker_shares), (match.maker.outcome, done.maker_shares)):
                yes, no = (yes + by, no) if held == 0 else (yes, no + by)
        book.execute(matches)
        left = size - sum(m.size for m in matches)
        if left:
            name = f"o{next(names)}"
            book.rest(order(name, outcome, side, price, left))
        bid, ask = book.best(True), book.best(False)
        assert bid is None or ask is None or bid < ask
        assert wealth["taker"] + wealth["maker"] + collateral == 0
        assert yes == no == collateral
    for is_bid in (True, False):
        for price, total in book.side(is_bid):
            assert total == sum(o.left for o in book.queue(is_bid, price)) > 0
