"""The arrays of one run: made from the facts, made larger when a table is full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backtests.domain.kernel import layout as at

Ints = npt.NDArray[np.int64]


def ints(*shape: int) -> Ints:
    return np.zeros(shape, np.int64)


@dataclass(slots=True, kw_only=True)
class Tables:
    """In the order in which `kernel.loop.run` takes them."""

    world: Ints
    market: Ints
    book: Ints
    depth: Ints
    orders: Ints
    fills: Ints
    rings: Ints
    seen: Ints
    lists: Ints
    position: Ints
    wanted: Ints
    made: Ints
    asked: Ints
    prices: Ints
    equity: Ints
    settled: Ints
    counts: Ints
    memory: npt.NDArray[np.float64]
    numbers: npt.NDArray[np.float64]

    def arguments(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)


def tables_make(
    *, markets: int, top: int, levels: int, memory: tuple[float, ...], numbers: tuple[float, ...]
) -> Tables:
    """Return empty tables for so many markets with prices of 0 to `top` ticks and so many quotes a side."""
    books, quotes = 2 * markets, 4 * levels * markets
    room = max(64, 8 * quotes)
    tables = Tables(
        world=ints(at.WORLD),
        market=ints(markets, at.MARKET),
        book=ints(books, at.BOOK + room),
        depth=ints(4, books, 2, top + 1),
        orders=ints(4_096, at.ORDER),
        fills=ints(4_096 + 8 * room, at.FILL),
        rings=ints(3, max(4_096, _power(16 * room)), 3),
        seen=ints(1_024, at.SEEN),
        lists=ints(2, room),
        position=ints(books, at.POSITION),
        wanted=ints(4, quotes, at.WANTED),
        made=ints(20 * levels),
        asked=ints(markets, 5),
        prices=ints(markets, 2 * levels),
        equity=ints(1_024 + 4 * markets, 6),
        settled=ints(books, 6),
        counts=ints(at.COUNTS),
        memory=np.tile(np.array(memory or (0.0,)), (markets, 1)),
        numbers=np.array(numbers or (0.0,)),
    )
    tables.book[:, at.B_BID] = -1
    tables.book[:, at.B_ASK] = top + 1
    tables.book[:, at.B_SEEN_BID] = -1
    tables.book[:, at.B_SEEN_ASK] = top + 1
    tables.position[:, at.P_PAYOUT] = -1
    tables.position[:, at.P_DAY] = -1
    return tables


def tables_grow(tables: Tables) -> None:
    """Double whatever is more than half full, so that the run can go on."""
    world = tables.world
    room = tables.lists.shape[1]
    if 2 * world[at.W_OPEN] >= room - 16 or room - world[at.W_OPEN] < 2 * tables.wanted.shape[1]:
        tables.lists = _wider(tables.lists, axis=1)
        tables.book = np.concatenate((tables.book, ints(len(tables.book), room)), axis=1)
    for name, used in (("orders", at.W_ORDERS), ("fills", at.W_FILLS), ("equity", at.W_EQUITY), ("seen", at.W_SEENS)):
        table = getattr(tables, name)
        spare = 2 * tables.wanted.shape[1] + 8 * tables.lists.shape[1] + 64
        if 2 * int(world[used]) + spare >= len(table):
            setattr(tables, name, np.concatenate((table, ints(len(table) + spare, table.shape[1]))))
    length = tables.rings.shape[1]
    used_most = max(int(world[count]) for count in (at.W_ACTIONS, at.W_KNOWNS, at.W_RATES))
    if 2 * used_most + 16 * tables.lists.shape[1] >= length:
        rings = ints(3, _power(2 * length + 16 * tables.lists.shape[1]), 3)
        heads = ((at.ACTIONS, at.W_ACTION, at.W_ACTIONS), (at.ANSWERS, at.W_KNOWN, at.W_KNOWNS))
        for plane, head, count in (*heads, (at.RATES, at.W_RATE, at.W_RATES)):
            places = (int(world[head]) + np.arange(int(world[count]))) % length
            rings[plane, : len(places)] = tables.rings[plane, places]
            world[head] = 0
        tables.rings = rings


def _wider(table: Ints, *, axis: int) -> Ints:
    return np.concatenate((table, np.zeros_like(table)), axis=axis)


def _power(least: int) -> int:
    """Return the power of two at or above `least`: rings are indexed with a mask."""
    return 1 << (least - 1).bit_length()
