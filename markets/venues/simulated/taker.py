"""The displayed side of a book and what one taker may still take from it.

A displayed book does not shrink when a simulated order takes from it. What was taken is therefore remembered
per level: it is not there a second time. What a level grows by is new liquidity; what it shrinks by is first
counted as ours; a level that goes away forgets. That is careful: it never lends the same shares twice.
Prices and sizes are millionths.
"""

from __future__ import annotations

from dataclasses import dataclass

from markets.domain.instruments import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    price: int
    size: int


class DisplayedSide:
    """One side of a displayed book. `side` BUY holds the bids."""

    __slots__ = ("levels", "side", "taken")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.levels: dict[int, int] = {}
        self.taken: dict[int, int] = {}

    def best(self) -> int | None:
        if not self.levels:
            return None
        return max(self.levels) if self.side is Side.BUY else min(self.levels)

    def size_at(self, price: int) -> int:
        return self.levels.get(price, 0)

    def change(self, price: int, size: int) -> int:
        """Set the level's total size and return the size it had."""
        before = self.levels.get(price, 0)
        if size > 0:
            self.levels[price] = size
        else:
            self.levels.pop(price, None)
        if price in self.taken:
            if size > 0:
                self.taken[price] = min(self.taken[price], size)
            else:
                del self.taken[price]
        return before

    def within(self, limit: int) -> list[int]:
        """Return the prices a taker with this limit may reach, best first."""
        if self.side is Side.BUY:
            return sorted((p for p in self.levels if p >= limit), reverse=True)
        return sorted(p for p in self.levels if p <= limit)

    def plan(self, size: int, limit: int, *, unit: int = 1) -> list[Take]:
        """Return what an order of `size` takes up to `limit`, best first, multiples of `unit` each; changes nothing."""
        takes: list[Take] = []
        for price in self.within(limit):
            if size <= 0:
                break
            part = min(self.levels[price] - self.taken.get(price, 0), size)
            part -= part % unit
            if part > 0:
                takes.append(Take(price=price, size=part))
                size -= part
        return takes

    def plan_cash(self, cash: int, limit: int, *, unit: int = 1) -> list[Take]:
        """Return what `cash` buys up to `limit`, in multiples of `unit`; changes nothing."""
        takes: list[Take] = []
        for price in self.within(limit):
            there = self.levels[price] - self.taken.get(price, 0)
            part = min(there, cash * 1_000_000 // price)
            part -= part % unit
            if part > 0:
                takes.append(Take(price=price, size=part))
                cash -= -(-part * price // 1_000_000)
            if part < there:
                break
        return takes

    def take(self, takes: list[Take]) -> None:
        for take in takes:
            self.taken[take.price] = self.taken.get(take.price, 0) + take.size
