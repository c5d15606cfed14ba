"""Displayed books on arrays indexed by tick, and what a changing book does to the orders that rest in it.

The rules are those of `markets.venues.simulated`: queue positions with slack, fills by trades and by levels that
reach an order, liquidity that is never lent twice. A fill is booked at the venue here; it becomes known later.
"""

from __future__ import annotations

from typing import Any

from backtests.domain.kernel import layout as at
from backtests.domain.kernel.compiled import inlined
from backtests.domain.kernel.sums import earned, paid, part_down

LOT = 10_000
SLACK_MS = 1_000
VIEW_DEPTH = 20
PESSIMISTIC, NEUTRAL = 0, 1  # any other number of W_QUEUE is optimistic


@inlined
def level_set(
    world: Any, book: Any, depth: Any, orders: Any, which: int, side: int, tick: int, size: int, ms: int
) -> None:
    """Set one displayed level, keep the best prices, and move our queues at this price."""
    before = depth[at.DISPLAYED, which, side, tick]
    depth[at.DISPLAYED, which, side, tick] = size
    if side == 1:
        if size > 0:
            if before == 0:
                book[which, at.B_BID_LEVELS] += 1
            book[which, at.B_BID] = max(book[which, at.B_BID], tick)
        elif before > 0:
            book[which, at.B_BID_LEVELS] -= 1
            if tick == book[which, at.B_BID]:
                best = tick - 1
                while best >= 0 and depth[at.DISPLAYED, which, 1, best] == 0:
                    best -= 1
                book[which, at.B_BID] = best
    elif size > 0:
        if before == 0:
            book[which, at.B_ASK_LEVELS] += 1
        book[which, at.B_ASK] = min(book[which, at.B_ASK], tick)
    elif before > 0:
        book[which, at.B_ASK_LEVELS] -= 1
        if tick == book[which, at.B_ASK]:
            best = tick + 1
            end = depth.shape[3]
            while best < end and depth[at.DISPLAYED, which, 0, best] == 0:
                best += 1
            book[which, at.B_ASK] = best
    if book[which, at.B_TAKEN] and depth[at.TAKEN, which, side, tick] > size:
        depth[at.TAKEN, which, side, tick] = size
    count = book[which, at.B_RESTING]
    if count == 0:
        return
    fallen = before - size
    if fallen <= 0:
        return
    traded = depth[at.TRADED, which, side, tick]
    if traded > 0:
        depth[at.TRADED, which, side, tick] = max(0, traded - fallen)
    for place in range(count):
        order = book[which, at.BOOK + place]
        if orders[order, at.O_TICKS] != tick or orders[order, at.O_SIDE] != side:
            continue
        ahead = orders[order, at.O_AHEAD]
        left = ahead
        if world[at.W_QUEUE] != PESSIMISTIC:
            unexplained = max(0, fallen - traded)
            left -= part_down(ahead, unexplained, before) if world[at.W_QUEUE] == NEUTRAL else min(ahead, unexplained)
        left = min(left, size)
        if ms - orders[order, at.O_SLACK_MS] > SLACK_MS:
            orders[order, at.O_SLACK] = 0
        orders[order, at.O_SLACK] += ahead - left
        orders[order, at.O_SLACK_MS] = ms
        orders[order, at.O_AHEAD] = left


@inlined
def is_crossed(book: Any, which: int) -> bool:
    return bool(book[which, at.B_BID] >= book[which, at.B_ASK])


@inlined
def reached(book: Any, orders: Any, which: int) -> bool:
    """Whether the opposite side of a book that is not crossed in itself reaches one of our orders."""
    if book[which, at.B_BID] >= book[which, at.B_ASK]:
        return False
    for place in range(book[which, at.B_RESTING]):
        order = book[which, at.BOOK + place]
        price = orders[order, at.O_TICKS]
        if orders[order, at.O_SIDE] == 1:
            if price >= book[which, at.B_ASK]:
                return True
        elif price <= book[which, at.B_BID]:
            return True
    return False


def crossings(
    world: Any, market: Any, book: Any, depth: Any, orders: Any, fills: Any, rings: Any, which: int, now: int
) -> None:
    """Fill what the opposite side reaches: bids first, each side by price, then by time."""
    top = market[which // 2, at.M_TOP]
    for turn in range(2):
        side = 1 - turn
        bound = -1  # prices done so far, as distance from the best of ours
        while True:
            order = _next(book, orders, which, side, bound, top)
            if order < 0:
                break
            price = orders[order, at.O_TICKS]
            bound = _rank(book, orders, which, order, side, top)
            best = book[which, at.B_ASK] if side == 1 else book[which, at.B_BID]
            if (side == 1 and (price < best or best > top)) or (side == 0 and (price > best or best < 0)):
                break
            wanted = orders[order, at.O_SIZE] - orders[order, at.O_FILLED]
            size = take(book, depth, which, side, price, wanted, top, True)
            if size > 0:
                orders[order, at.O_AHEAD] = 0
                fill_add(world, market, book, orders, fills, rings, order, size, now, 0)


@inlined
def _rank(book: Any, orders: Any, which: int, order: int, side: int, top: int) -> int:
    """Return the order's place by price, then by age: a number that grows along the line."""
    price = orders[order, at.O_TICKS]
    return int(((top + 1 - price) if side == 1 else price) * 4_000_000_000 + order)


def _next(book: Any, orders: Any, which: int, side: int, bound: int, top: int) -> int:
    """Return our next order of a side after `bound`; -1 when there is none. Older orders have smaller numbers."""
    found, best = -1, 0
    for place in range(book[which, at.B_RESTING]):
        order = book[which, at.BOOK + place]
        if orders[order, at.O_SIDE] != side:
            continue
        rank = _rank(book, orders, which, order, side, top)
        if rank > bound and (found < 0 or rank < best):
            found, best = order, rank
    return int(found)


@inlined
def take(book: Any, depth: Any, which: int, side: int, limit: int, size: int, top: int, keep: bool) -> int:
    """Return what an order of `side` gets up to `limit`, in whole lots a level; `keep` remembers it as taken."""
    opposite = 1 - side
    step = 1 if side == 1 else -1
    tick = book[which, at.B_ASK] if side == 1 else book[which, at.B_BID]
    got = 0
    while 0 <= tick <= top and size > 0 and ((side == 1 and tick <= limit) or (side == 0 and tick >= limit)):
        there = depth[at.DISPLAYED, which, opposite, tick]
        if there > 0:
            part = min(there - depth[at.TAKEN, which, opposite, tick], size)
            part -= part % LOT
            if part > 0:
                size -= part
                got += part
                if keep:
                    depth[at.TAKEN, which, opposite, tick] += part
                    book[which, at.B_TAKEN] = 1
        tick += step
    return got


def trade(
    world: Any, market: Any, book: Any, depth: Any, orders: Any, fills: Any, rings: Any,
    which: int, hit: int, tick: int, size: int, now: int, inferred: int,
) -> None:  # fmt: skip
    """Let a trade that ate from side `hit` at `tick` reach our orders there."""
    depth[at.TRADED, which, hit, tick] += size
    book[which, at.B_TRADED] = 1
    top = market[which // 2, at.M_TOP]
    ms = now // 1_000_000
    left = size
    bound = -1
    while left > 0:
        order = _next(book, orders, which, hit, bound, top)
        if order < 0:
            break
        bound = _rank(book, orders, which, order, hit, top)
        price = orders[order, at.O_TICKS]
        remaining = orders[order, at.O_SIZE] - orders[order, at.O_FILLED]
        if price == tick:
            volume = left
            slack = orders[order, at.O_SLACK]
            if slack and ms - orders[order, at.O_SLACK_MS] <= SLACK_MS:
                explained = min(slack, volume)
                orders[order, at.O_SLACK] = slack - explained
                volume -= explained
            else:
                orders[order, at.O_SLACK] = 0
            consumed = min(orders[order, at.O_AHEAD], volume)
            orders[order, at.O_AHEAD] -= consumed
            part = min(remaining, volume - consumed)
        elif (price > tick) == (hit == 1):
            orders[order, at.O_AHEAD] = 0
            part = min(remaining, left)
        else:
            continue
        if part < remaining:
            part -= part % LOT
        if part > 0:
            left -= part
            fill_add(world, market, book, orders, fills, rings, order, part, now, inferred)


def fill_add(
    world: Any,
    market: Any,
    book: Any,
    orders: Any,
    fills: Any,
    rings: Any,
    order: int,
    size: int,
    now: int,
    inferred: int,
) -> None:
    """Book a fill at the venue, end an order that is complete, and send word of it."""
    which = orders[order, at.O_BOOK]
    price = orders[order, at.O_PRICE]
    row = world[at.W_FILLS]
    world[at.W_FILLS] = row + 1
    fills[row, at.F_AT] = now
    fills[row, at.F_ORDER] = order
    fills[row, at.F_PRICE] = price
    fills[row, at.F_SIZE] = size
    fills[row, at.F_CASH] = -paid(price, size) if orders[order, at.O_SIDE] == 1 else earned(price, size)
    bid, ask = book[which, at.B_BID], book[which, at.B_ASK]
    step = market[which // 2, at.M_STEP]
    known = bid >= 0 and ask <= market[which // 2, at.M_TOP]
    fills[row, at.F_MID] = (bid * step + ask * step) // 2 if known else -1
    fills[row, at.F_INFERRED] = inferred
    orders[order, at.O_FILLED] += size
    answer_add(world, rings, now, at.FILLED, row)
    if orders[order, at.O_FILLED] >= orders[order, at.O_SIZE]:
        order_end(world, book, orders, rings, order, 1, now)


@inlined
def answer_add(world: Any, rings: Any, now: int, kind: int, which: int) -> None:
    mask = rings.shape[1] - 1
    place = (world[at.W_KNOWN] + world[at.W_KNOWNS]) & mask
    rings[at.ANSWERS, place, at.Q_AT] = now + world[at.W_ANSWER]
    rings[at.ANSWERS, place, at.Q_KIND] = kind
    rings[at.ANSWERS, place, at.Q_OF] = which
    world[at.W_KNOWNS] += 1


@inlined
def order_end(world: Any, book: Any, orders: Any, rings: Any, order: int, state: int, now: int) -> None:
    """End an order at the venue, wherever it is, and send word of it."""
    which = orders[order, at.O_BOOK]
    count = book[which, at.B_RESTING]
    if orders[order, at.O_STATE] == 0:
        found = 0
        while book[which, at.BOOK + found] != order:
            found += 1
        for place in range(found, count - 1):
            book[which, at.BOOK + place] = book[which, at.BOOK + place + 1]
        book[which, at.B_RESTING] = count - 1
    orders[order, at.O_STATE] = state
    orders[order, at.O_ENDED] = now
    answer_add(world, rings, now, at.ENDS, order)


@inlined
def order_place(world: Any, market: Any, book: Any, depth: Any, orders: Any, rings: Any, order: int, now: int) -> int:
    """Let a post-only order arrive. Return -1 when it rests, else the number of the venue's refusal."""
    which = orders[order, at.O_BOOK]
    which_market = which // 2
    side, tick = orders[order, at.O_SIDE], orders[order, at.O_TICKS]
    price, size = orders[order, at.O_PRICE], orders[order, at.O_SIZE]
    step = book[which, at.B_TICK]
    reason = -1
    if market[which_market, at.M_STATE] != at.OPEN:
        reason = 0
    elif not market[which_market, at.M_FEE]:
        reason = 1
    elif not book[which, at.B_KNOWN]:
        reason = 2
    elif price < step or price > 1_000_000 - step or price % step:
        reason = 3
    elif size < market[which_market, at.M_MINIMUM]:
        reason = 4
    elif not is_crossed(book, which) and take(
        book, depth, which, side, tick, size, market[which_market, at.M_TOP], False
    ):
        reason = 5
    if reason >= 0:
        order_end(world, book, orders, rings, order, 4, now)
        return reason
    world[at.W_RESTED] = now + world[at.W_ANSWER]
    orders[order, at.O_STATE] = 0
    orders[order, at.O_AHEAD] = queue_ahead(book, depth, which, side, tick)
    book[which, at.BOOK + book[which, at.B_RESTING]] = order
    book[which, at.B_RESTING] += 1
    return -1


def queue_ahead(book: Any, depth: Any, which: int, side: int, tick: int) -> int:
    """Return the displayed size at our price; deeper than a full view shows, the side's largest level."""
    there = depth[at.DISPLAYED, which, side, tick]
    levels = book[which, at.B_BID_LEVELS] if side == 1 else book[which, at.B_ASK_LEVELS]
    best = book[which, at.B_BID] if side == 1 else book[which, at.B_ASK]
    if there > 0 or levels < VIEW_DEPTH or (side == 1 and tick > best) or (side == 0 and tick < best):
        return int(there)
    largest, deeper = 0, True
    for other in range(depth.shape[3]):
        size = depth[at.DISPLAYED, which, side, other]
        if size > 0:
            largest = max(largest, size)
            if (side == 1 and other < tick) or (side == 0 and other > tick):
                deeper = False
    return int(largest) if deeper else 0


def snapshot_take(world: Any, market: Any, book: Any, depth: Any, orders: Any, which: int, ms: int) -> None:
    """Replace the book by what was collected in FRESH."""
    for turn in range(2):
        side = 1 - turn
        for tick in range(market[which // 2, at.M_TOP] + 1):
            size = depth[at.FRESH, which, side, tick]
            depth[at.FRESH, which, side, tick] = 0
            if size != depth[at.DISPLAYED, which, side, tick]:
                level_set(world, book, depth, orders, which, side, tick, size, ms)
    if book[which, at.B_TRADED]:
        for side in range(2):
            for tick in range(depth.shape[3]):
                depth[at.TRADED, which, side, tick] = 0
        book[which, at.B_TRADED] = 0
    book[which, at.B_KNOWN] = 1
