"""Recorded messages of several markets on one clock: the next one, what it does at the venue, and what we see of it."""

from __future__ import annotations

from typing import Any

from backtests.domain.kernel import layout as at
from backtests.domain.kernel.books import crossings, level_set, order_end, reached, snapshot_take, trade
from backtests.domain.kernel.compiled import inlined

LEVEL, TRADE, CLEAR, TICK, GAP, RESOLVED = 0, 1, 2, 3, 4, 5
LAST, INFERRED = 1, 2


@inlined
def message_find(world: Any, market: Any, flags: Any, received: Any, happened: Any, which: int) -> bool:
    """Find a market's next whole message and its two times. Return False when more rows are needed first."""
    row, length = market[which, at.M_CURSOR], market[which, at.M_LENGTH]
    while row < length and not flags[which, row] & LAST:
        row += 1
    if row >= length:
        more = market[which, at.M_MORE]
        market[which, at.M_NEXT] = -1 if more else at.NEVER
        return not more
    seen = received[which, row]
    stated = happened[which, row]
    if stated <= 0 or stated > seen:
        stated = seen
    stated = max(stated, market[which, at.M_CLOCK])
    market[which, at.M_NEXT] = stated
    market[which, at.M_NEXT_SEEN] = seen + world[at.W_FEED]
    market[which, at.M_NEXT_END] = row + 1
    return True


@inlined
def message_apply(
    world: Any, market: Any, book: Any, depth: Any, orders: Any, fills: Any, rings: Any, seen: Any,
    size: Any, ticks: Any, kind: Any, outcome: Any, side: Any, flags: Any, one: int, look: int,
) -> None:  # fmt: skip
    """Let a market's next message happen at the venue; show it now if it is seen by `look`, else keep it."""
    now = market[one, at.M_NEXT]
    ms = now // 1_000_000
    market[one, at.M_CLOCK] = now
    first, end = market[one, at.M_CURSOR], market[one, at.M_NEXT_END]
    top = market[one, at.M_TOP]
    mirrored = market[one, at.M_MIRROR]
    changed = 0
    shown = market[one, at.M_NEXT_SEEN]
    if world[at.W_SEENS] and shown <= look:
        seen_take(world, market, book, seen, look)
    elif shown > look and market[one, at.M_SHOWS]:
        show(market, book, one)
    for row in range(first, end):
        what = kind[one, row]
        place, its_side = int(outcome[one, row]), int(side[one, row])
        own = 2 * one + place
        tick = int(ticks[one, row])
        if what == LEVEL:
            if not book[own, at.B_KNOWN]:
                continue
            changed |= 1 << place
            level_set(world, book, depth, orders, own, its_side, tick, size[one, row], ms)
            if book[own, at.B_RESTING] and reached(book, orders, own):
                crossings(world, market, book, depth, orders, fills, rings, own, now)
            if mirrored:
                other = own ^ 1
                level_set(world, book, depth, orders, other, 1 - its_side, top - tick, size[one, row], ms)
                if book[other, at.B_RESTING] and reached(book, orders, other):
                    crossings(world, market, book, depth, orders, fills, rings, other, now)
        elif what == TRADE:
            if market[one, at.M_TRADES]:
                bit = 1 if flags[one, row] & INFERRED else 0
                for which in range(2 * one, 2 * one + 2):
                    if book[which, at.B_RESTING]:
                        hit = 1 - its_side if which == own else its_side
                        price = tick if which == own else top - tick
                        trade(
                            world,
                            market,
                            book,
                            depth,
                            orders,
                            fills,
                            rings,
                            which,
                            hit,
                            price,
                            size[one, row],
                            now,
                            bit,
                        )
        elif what == CLEAR:
            changed |= 1 << place
            for each in range(row + 1, end):
                if kind[one, each] == LEVEL and outcome[one, each] == place:
                    level_side, level = int(side[one, each]), int(ticks[one, each])
                    depth[at.FRESH, own, level_side, level] = size[one, each]
                    if mirrored:
                        depth[at.FRESH, own ^ 1, 1 - level_side, top - level] = size[one, each]
            for which in range(2 * one, 2 * one + 2):
                if which == own or mirrored:
                    snapshot_take(world, market, book, depth, orders, which, ms)
                    if market[one, at.M_STATE] == at.OPEN:
                        book[which, at.B_STATE] = at.LIVE
                    if book[which, at.B_RESTING] and reached(book, orders, which):
                        crossings(world, market, book, depth, orders, fills, rings, which, now)
        elif what == TICK:
            market[one, at.M_TICKED] = tick * market[one, at.M_STEP]
            for which in range(2 * one, 2 * one + 2):
                if which == own or mirrored:
                    book[which, at.B_TICK] = tick * market[one, at.M_STEP]
        elif what == GAP:
            for which in range(2 * one, 2 * one + 2):
                if which == own or mirrored:
                    book[which, at.B_KNOWN] = 0
                    if book[which, at.B_STATE] == at.LIVE:
                        book[which, at.B_STATE] = at.STALE
        elif what == RESOLVED:
            _resolve(world, market, book, orders, rings, one, now)
    market[one, at.M_CURSOR] = end
    world[at.W_EVENTS] += end - first
    if mirrored and changed:
        changed = 3
    if shown <= look and world[at.W_SEENS] == 0:
        # Nobody looks before `look`, so the books are copied then, once.
        market[one, at.M_SHOWS] = 1
        if changed & 1:
            book[2 * one, at.B_SEEN_AT] = shown
        if changed & 2:
            book[2 * one + 1, at.B_SEEN_AT] = shown
        return
    row = world[at.W_SEENS]
    world[at.W_SEENS] = row + 1
    seen[row, at.V_AT] = shown
    seen[row, at.V_MARKET] = one
    seen[row, at.V_TICKED] = market[one, at.M_TICKED]
    seen[row, at.V_CHANGED] = changed
    for index in range(2):
        which = 2 * one + index
        column = at.V_BOOKS + 4 * index
        seen[row, column] = book[which, at.B_STATE]
        seen[row, column + 1] = book[which, at.B_BID]
        seen[row, column + 2] = book[which, at.B_ASK]
        seen[row, column + 3] = book[which, at.B_TICK]


def show(market: Any, book: Any, one: int) -> None:
    """Show a market's books as they are at the venue now."""
    market[one, at.M_SHOWS] = 0
    market[one, at.M_BASE] = market[one, at.M_TICKED]
    for which in range(2 * one, 2 * one + 2):
        book[which, at.B_SEEN] = book[which, at.B_STATE]
        book[which, at.B_SEEN_TICK] = book[which, at.B_TICK]
        book[which, at.B_SEEN_BID] = book[which, at.B_BID]
        book[which, at.B_SEEN_ASK] = book[which, at.B_ASK]


def seen_take(world: Any, market: Any, book: Any, seen: Any, until: int) -> None:
    """Show what arrived by `until`; keep the rest in its order."""
    for one in range(market.shape[0]):
        if market[one, at.M_SHOWS]:
            show(market, book, one)
    kept = 0
    for row in range(world[at.W_SEENS]):
        if seen[row, at.V_AT] > until:
            if kept != row:
                for column in range(at.SEEN):
                    seen[kept, column] = seen[row, column]
            kept += 1
            continue
        one = seen[row, at.V_MARKET]
        market[one, at.M_BASE] = seen[row, at.V_TICKED]
        for place in range(2):
            which = 2 * one + place
            column = at.V_BOOKS + 4 * place
            book[which, at.B_SEEN] = seen[row, column]
            book[which, at.B_SEEN_TICK] = seen[row, column + 3]
            if seen[row, column] != at.STALE:
                book[which, at.B_SEEN_BID] = seen[row, column + 1]
                book[which, at.B_SEEN_ASK] = seen[row, column + 2]
                if seen[row, at.V_CHANGED] >> place & 1:
                    book[which, at.B_SEEN_AT] = seen[row, at.V_AT]
    world[at.W_SEENS] = kept


def _resolve(world: Any, market: Any, book: Any, orders: Any, rings: Any, one: int, now: int) -> None:
    """End all orders of a market that has paid."""
    if market[one, at.M_STATE] == at.OPEN:
        market[one, at.M_STATE] = at.ENDED
    for which in range(2 * one, 2 * one + 2):
        while book[which, at.B_RESTING]:
            order_end(world, book, orders, rings, book[which, at.BOOK], 2, now)
        if book[which, at.B_STATE] != at.ABSENT:
            book[which, at.B_STATE] = at.CLOSED
