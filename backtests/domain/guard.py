"""Where in a recorded book a row may concern us, so that all other rows only set a displayed level.

A row concerns us at a price that holds an order of ours, a trade or something we took, and when it brings a side as
far as one of our orders on the other. Where the second outcome's book is a mirror, what is ours in it is watched here
too, at one minus its price. Sides are the tape's: 0 asks, 1 bids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from markets.domain.instruments import Side
from markets.domain.units import ONE
from markets.venues.simulated.paper import PaperBook

Prices = tuple[set[int], set[int]]
_FAR = 2 * ONE  # beyond every price


def _nothing() -> Prices:
    return (set(), set())


@dataclass(slots=True)
class Guard:
    """What is watched in one recorded book. `own` and `mirrored` say whose; `hot` is both."""

    hot: Prices = field(default_factory=_nothing)
    own: Prices = field(default_factory=_nothing)
    mirrored: Prices = field(default_factory=_nothing)
    lowest_ask: int = _FAR  # a bid that reaches it crosses an order of ours
    highest_bid: int = -1  # an ask that reaches it does
    touching: bool = False  # the other side already reaches one of our orders

    def add(self, side: int, price: int, *, mirrored: bool) -> None:
        (self.mirrored if mirrored else self.own)[side].add(price)
        self.hot[side].add(price)

    def drop(self, side: int, price: int, *, mirrored: bool) -> None:
        """Stop watching a price on one side's account; the other outcome may still need it."""
        (self.mirrored if mirrored else self.own)[side].discard(price)
        if price not in self.own[side] and price not in self.mirrored[side]:
            self.hot[side].discard(price)


def guard_of(source: PaperBook, mirror: PaperBook | None) -> Guard:
    """Return the guard of a recorded book, and of the one that is its mirror."""
    guard = Guard()
    _watch(guard, source, mirrored=False)
    if mirror is not None:
        _watch(guard, mirror, mirrored=True)
    if guard.highest_bid >= 0 or guard.lowest_ask < _FAR:
        bid, ask = source.bids.best(), source.asks.best()
        guard.touching = (ask is not None and ask <= guard.highest_bid) or (bid is not None and bid >= guard.lowest_ask)
    return guard


def concerns(book: PaperBook, side: Side, price: int) -> bool:
    """Whether anything of ours, or a trade that explains a shrinkage, stands at the price."""
    return (
        price in book.displayed(side).taken
        or bool(book.traded.get((side, price)))
        or any(order.price == price and order.side is side for order in book.orders.values())
    )


def _watch(guard: Guard, book: PaperBook, *, mirrored: bool) -> None:
    _add(guard, 0, book.asks.taken, mirrored=mirrored)
    _add(guard, 1, book.bids.taken, mirrored=mirrored)
    if not book.orders:
        return
    for order in book.orders.values():
        is_bid = order.side is Side.BUY
        price = ONE - order.price if mirrored else order.price
        guard.add(is_bid is not mirrored, price, mirrored=mirrored)
        if is_bid is not mirrored:
            guard.highest_bid = max(guard.highest_bid, price)
        else:
            guard.lowest_ask = min(guard.lowest_ask, price)
    for (side, price), traded in book.traded.items():
        if traded:
            _add(guard, side is Side.BUY, (price,), mirrored=mirrored)


def _add(guard: Guard, side: int, prices: Iterable[int], *, mirrored: bool) -> None:
    """Watch prices of a book's own side, mirrored ones on the other side of the recorded book."""
    for price in prices:
        guard.add(side ^ mirrored, ONE - price if mirrored else price, mirrored=mirrored)
