"""Order matching of one binary market by price and time, with YES and NO in one book.

A bid for NO at q is an ask for YES at 1 - q, so everything is kept in YES terms and answered in the terms of
each order's own outcome. Matching is two steps: `plan` says what would happen and changes nothing, `execute`
does it; whoever owns money, rules and time stands in between. Outcome 0 is YES. Prices and sizes are millionths.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from enum import StrEnum

from markets.domain.events import Level
from markets.domain.instruments import Side
from markets.domain.units import ONE


class OrderType(StrEnum):
    GTC = "GTC"
    GTD = "GTD"
    FOK = "FOK"
    FAK = "FAK"


class MatchKind(StrEnum):
    """What happens to shares when two orders meet."""

    TRANSFER = "transfer"  # same outcome: shares change hands
    MINT = "mint"  # both buy, different outcomes: a dollar becomes a pair
    MERGE = "merge"  # both sell, different outcomes: a pair becomes a dollar


@dataclass(slots=True, kw_only=True)
class BookOrder:
    """An order in the book. `price` and `outcome` are its own; `left` is what may still trade."""

    order_id: str
    account: str
    outcome: int
    side: Side
    price: int
    left: int

    @property
    def is_bid(self) -> bool:
        """Whether it is a bid in YES terms."""
        return (self.side is Side.BUY) == (self.outcome == 0)

    @property
    def yes_price(self) -> int:
        return self.price if self.outcome == 0 else ONE - self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One resting order's part in a plan. `price` is in the taker's terms, the maker's is `maker.price`."""

    maker: BookOrder
    size: int
    price: int
    kind: MatchKind


@dataclass(slots=True)
class _PriceLevel:
    total: int = 0
    orders: dict[str, BookOrder] = field(default_factory=dict)  # in order of arrival


class MatchingBook:
    """The orders of one market. `touched` collects (is_bid, yes_price) of levels changed since it was cleared."""

    def __init__(self) -> None:
        self.orders: dict[str, BookOrder] = {}
        self.touched: set[tuple[bool, int]] = set()
        self._levels: tuple[dict[int, _PriceLevel], dict[int, _PriceLevel]] = ({}, {})  # asks, bids
        self._prices: tuple[list[int], list[int]] = ([], [])  # ascending

    # Reading ----------------------------------------------------------------------------------------

    def best(self, is_bid: bool) -> int | None:
        """Return the best YES price of a side."""
        prices = self._prices[is_bid]
        return (prices[-1] if is_bid else prices[0]) if prices else None

    def size_at(self, is_bid: bool, yes_price: int) -> int:
        level = self._levels[is_bid].get(yes_price)
        return level.total if level else 0

    def side(self, is_bid: bool) -> list[Level]:
        """Return the YES levels of a side, best first."""
        prices = self._prices[is_bid]
        levels = self._levels[is_bid]
        return [(p, levels[p].total) for p in (reversed(prices) if is_bid else prices)]

    def queue(self, is_bid: bool, yes_price: int) -> list[BookOrder]:
        """Return the orders of one level in time order."""
        level = self._levels[is_bid].get(yes_price)
        return list(level.orders.values()) if level else []

    def plan(
        self, *, outcome: int, side: Side, limit: int, size: int | None = None, cash: int | None = None
    ) -> list[Match]:
        """Return how an order would match now: best price first, oldest first within a price.

        `limit` is the worst acceptable price of the order's own outcome. Give `size` in shares, or for a BUY
        `cash` in dollars: then as many shares as the cash pays for.
        """
        taker_is_bid = (side is Side.BUY) == (outcome == 0)
        yes_limit = limit if outcome == 0 else ONE - limit
        levels = self._levels[not taker_is_bid]
        prices = self._prices[not taker_is_bid]
        matches: list[Match] = []
        for yes_price in prices if taker_is_bid else reversed(prices):
            if (yes_price > yes_limit) if taker_is_bid else (yes_price < yes_limit):
                break
            price = yes_price if outcome == 0 else ONE - yes_price
            for maker in levels[yes_price].orders.values():
                want = size if size is not None else (cash or 0) * ONE // price
                part = min(maker.left, want)
                if part <= 0:
                    return matches
                if size is not None:
                    size -= part
                else:
                    cash = (cash or 0) - -(-part * price // ONE)
                matches.append(Match(maker=maker, size=part, price=price, kind=kind_of(outcome, side, maker)))
        return matches

    # Changing ---------------------------------------------------------------------------------------

    def execute(self, matches: list[Match]) -> None:
        """Take the planned sizes off the resting orders; filled ones leave the book."""
        for match in matches:
            self.reduce(match.maker, match.size)

    def rest(self, order: BookOrder) -> None:
        """Put an order at the end of its level's line. It must not cross: plan and execute first."""
        is_bid, yes_price = order.is_bid, order.yes_price
        levels = self._levels[is_bid]
        level = levels.get(yes_price)
        if level is None:
            level = levels[yes_price] = _PriceLevel()
            insort(self._prices[is_bid], yes_price)
        level.orders[order.order_id] = order
        level.total += order.left
        self.orders[order.order_id] = order
        self.touched.add((is_bid, yes_price))

    def remove(self, order_id: str) -> BookOrder | None:
        order = self.orders.get(order_id)
        if order is not None:
            left = order.left
            self.reduce(order, left)
            order.left = left  # what was taken off, for whoever releases its money
        return order

    def reduce(self, order: BookOrder, size: int) -> None:
        """Shrink a resting order in place; at nothing left it leaves the book."""
        is_bid, yes_price = order.is_bid, order.yes_price
        level = self._levels[is_bid][yes_price]
        order.left -= size
        level.total -= size
        self.touched.add((is_bid, yes_price))
        if order.left > 0:
            return
        del self.orders[order.order_id]
        del level.orders[order.order_id]
        if not level.orders:
            del self._levels[is_bid][yes_price]
            prices = self._prices[is_bid]
            del prices[bisect_left(prices, yes_price)]


def kind_of(outcome: int, side: Side, maker: BookOrder) -> MatchKind:
    if maker.outcome == outcome:
        return MatchKind.TRANSFER
    return MatchKind.MINT if side is Side.BUY else MatchKind.MERGE
