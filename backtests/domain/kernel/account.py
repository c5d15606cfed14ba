"""What we know and own: answers from the venue, cash, positions, reservations, equity, settlements.

The sums are those of `orders.domain.ledger`, `orders.domain.equity` and `risk.domain.usage`.
"""

from __future__ import annotations

from typing import Any

from backtests.domain.kernel import layout as at
from backtests.domain.kernel.compiled import inlined
from backtests.domain.kernel.sums import earned, paid, part_down, part_up

DAY_NS = 86_400 * 10**9
HOUR_NS = 3_600 * 10**9


@inlined
def answers_take(
    world: Any, book: Any, orders: Any, fills: Any, rings: Any, lists: Any, position: Any, until: int
) -> None:
    """Take in all fills and ends that are known by `until`, in the order in which they happened."""
    mask = rings.shape[1] - 1
    while world[at.W_KNOWNS]:
        head = world[at.W_KNOWN] & mask
        when = rings[at.ANSWERS, head, at.Q_AT]
        if when > until:
            break
        of = rings[at.ANSWERS, head, at.Q_OF]
        kind = rings[at.ANSWERS, head, at.Q_KIND]
        world[at.W_KNOWN] += 1
        world[at.W_KNOWNS] -= 1
        if kind == at.FILLED:
            _fill_book(world, orders, fills, position, of)
            if world[at.W_SHARES] == 0:  # without shares equity is known exactly
                world[at.W_LAST_EQUITY] = world[at.W_CASH]
        else:
            order_forget(world, orders, lists, position, of)


def _fill_book(world: Any, orders: Any, fills: Any, position: Any, row: int) -> None:
    order = fills[row, at.F_ORDER]
    which = orders[order, at.O_BOOK]
    size, price, cash = fills[row, at.F_SIZE], fills[row, at.F_PRICE], fills[row, at.F_CASH]
    orders[order, at.O_KNOWN] += size
    left = orders[order, at.O_SIZE] - orders[order, at.O_KNOWN]
    world[at.W_CASH] += cash
    day = fills[row, at.F_AT] // DAY_NS
    if day != position[which, at.P_DAY]:
        position[which, at.P_DAY] = day
        for column in (at.P_DAY_BOUGHT, at.P_DAY_COST, at.P_DAY_SOLD, at.P_DAY_PROCEEDS):
            position[which, column] = 0
    if orders[order, at.O_SIDE] == 1:
        world[at.W_SHARES] += size
        keep = paid(price, left)
        world[at.W_RESERVED] -= orders[order, at.O_RESERVED] - keep
        orders[order, at.O_RESERVED] = keep
        position[which, at.P_SIZE] += size
        position[which, at.P_COST] -= cash
        position[which, at.P_BOUGHT] += size
        position[which, at.P_BOUGHT_COST] -= cash
        position[which, at.P_DAY_BOUGHT] += size
        position[which, at.P_DAY_COST] -= cash
        return
    world[at.W_SHARES] -= size
    held = position[which, at.P_SIZE]
    cost = position[which, at.P_COST] if size == held else part_down(position[which, at.P_COST], size, held)
    orders[order, at.O_RESERVED] -= size
    fills[row, at.F_REALIZED] = cash - cost
    position[which, at.P_RESERVED] -= size
    position[which, at.P_SIZE] = held - size
    position[which, at.P_COST] -= cost
    position[which, at.P_REALIZED] += cash - cost
    position[which, at.P_SOLD] += size
    position[which, at.P_DAY_SOLD] += size
    position[which, at.P_DAY_PROCEEDS] += cash


def order_forget(world: Any, orders: Any, lists: Any, position: Any, order: int) -> None:
    """Free what an ended order still reserves and take it off the list of open ones."""
    held = orders[order, at.O_RESERVED]
    if orders[order, at.O_SIDE] == 1:
        world[at.W_RESERVED] -= held
    else:
        position[orders[order, at.O_BOOK], at.P_RESERVED] -= held
    orders[order, at.O_RESERVED] = 0
    count = world[at.W_OPEN]
    found = 0
    while lists[at.OPEN_LIST, found] != order:
        found += 1
    for place in range(found, count - 1):
        lists[at.OPEN_LIST, place] = lists[at.OPEN_LIST, place + 1]
    world[at.W_OPEN] = count - 1


@inlined
def mark(market: Any, book: Any, which: int) -> int:
    """Return the middle of a live book, the bid where nobody asks, -1 where neither is known."""
    if book[which, at.B_SEEN] != at.LIVE or book[which, at.B_SEEN_BID] < 0:
        return -1
    step = market[which // 2, at.M_STEP]
    bid = book[which, at.B_SEEN_BID] * step
    if book[which, at.B_SEEN_ASK] > market[which // 2, at.M_TOP]:
        return int(bid)
    return int((bid + book[which, at.B_SEEN_ASK] * step) // 2)


def equity_of(world: Any, market: Any, book: Any, position: Any) -> tuple[int, bool]:
    """Return the account's worth, and whether everything in it has a price."""
    total = world[at.W_CASH]
    marked = True
    for which in range(position.shape[0]):
        size = position[which, at.P_SIZE]
        if size:
            price = mark(market, book, which)
            if price < 0:
                marked = False
                total += position[which, at.P_COST]
            else:
                total += earned(price, size)
    return total, marked


def minute_take(world: Any, market: Any, book: Any, position: Any, now: int) -> None:
    """Take the snapshot of a whole minute: it may be a new peak, or the one that a new day starts from."""
    day_start(world, now - 1)
    value, marked = equity_of(world, market, book, position)
    if now % DAY_NS == 0:
        day_start(world, now)
    world[at.W_LAST_EQUITY] = value
    if marked:
        world[at.W_MARKED_AT] = now
        world[at.W_MARKED_EQUITY] = value
        world[at.W_PEAK] = max(world[at.W_PEAK], value)


def day_start(world: Any, now: int) -> int:
    """Return the last equity before midnight UTC, one with all prices if it is fresh enough."""
    day = now // DAY_NS
    if day != world[at.W_DAY]:
        if world[at.W_DAY] >= 0:
            fresh = world[at.W_MARKED_AT] >= day * DAY_NS - HOUR_NS
            world[at.W_DAY_EQUITY] = world[at.W_MARKED_EQUITY] if fresh else world[at.W_LAST_EQUITY]
        world[at.W_DAY] = day
    return int(world[at.W_DAY_EQUITY])


def day_loss_of_strategy(market: Any, book: Any, position: Any, now: int) -> int:
    """Return what was lost on today's trades at today's prices."""
    profit = 0
    for which in range(position.shape[0]):
        added = position[which, at.P_DAY_BOUGHT] - position[which, at.P_DAY_SOLD]
        if position[which, at.P_DAY] != now // DAY_NS:
            continue
        profit += position[which, at.P_DAY_PROCEEDS] - position[which, at.P_DAY_COST]
        price = position[which, at.P_PAYOUT]
        if price < 0:
            price = _middle(market, book, which)
        if added > 0 and price >= 0:
            profit += earned(price, added)
        elif added > 0:
            profit += part_up(position[which, at.P_BOUGHT_COST], added, position[which, at.P_BOUGHT])
        elif added < 0:
            profit -= part_down(position[which, at.P_BOUGHT_COST], -added, position[which, at.P_BOUGHT])
    return max(0, -profit)


def _middle(market: Any, book: Any, which: int) -> int:
    top, step = market[which // 2, at.M_TOP], market[which // 2, at.M_STEP]
    bid, ask = book[which, at.B_SEEN_BID], book[which, at.B_SEEN_ASK]
    if book[which, at.B_SEEN] == at.ABSENT or bid < 0 or ask > top:
        return -1
    return int((bid * step + ask * step) // 2)


def exposure_of_strategy(world: Any, orders: Any, lists: Any, position: Any) -> int:
    """Return the cost of what is held and of what may still be bought."""
    total = 0
    for place in range(world[at.W_OPEN]):
        order = lists[at.OPEN_LIST, place]
        if orders[order, at.O_SIDE] == 1:
            total += paid(orders[order, at.O_PRICE], orders[order, at.O_SIZE] - orders[order, at.O_KNOWN])
    for which in range(position.shape[0]):
        size = position[which, at.P_SIZE]
        if size and position[which, at.P_PAYOUT] < 0:
            held = min(max(0, position[which, at.P_BOUGHT] - position[which, at.P_SOLD]), size)
            total += part_up(position[which, at.P_BOUGHT_COST], held, position[which, at.P_BOUGHT])
    return total


def settle(world: Any, market: Any, position: Any, settled: Any, which_market: int, now: int) -> None:
    """Pay what is held of a resolved market; nothing where its payouts were not clear."""
    market[which_market, at.M_STATE] = at.SETTLED
    market[which_market, at.M_SETTLE] = at.NEVER
    if not market[which_market, at.M_PAID]:
        return
    for outcome in range(2):
        which = 2 * which_market + outcome
        payout = market[which_market, at.M_PAY_NO if outcome else at.M_PAY_YES]
        position[which, at.P_PAYOUT] = payout
        size = position[which, at.P_SIZE]
        if not size:
            continue
        cash = earned(payout, size)
        row = world[at.W_SETTLED]
        world[at.W_SETTLED] = row + 1
        settled[row, at.S_AT] = now
        settled[row, at.S_BOOK] = which
        settled[row, at.S_SIZE] = size
        settled[row, at.S_PAYOUT] = payout
        settled[row, at.S_CASH] = cash
        settled[row, at.S_REALIZED] = cash - position[which, at.P_COST]
        position[which, at.P_REALIZED] += cash - position[which, at.P_COST]
        world[at.W_SHARES] -= size
        position[which, at.P_SIZE] = 0
        position[which, at.P_RESERVED] = 0
        position[which, at.P_COST] = 0
        world[at.W_CASH] += cash


def equity_row(world: Any, market: Any, book: Any, position: Any, equity: Any, now: int) -> None:
    """Write one point of the curve: shares at the bid of what is held, at cost where no bid is known."""
    value, cost = 0, 0
    for which in range(position.shape[0]):
        size = position[which, at.P_SIZE]
        if size:
            cost += position[which, at.P_COST]
            bid = book[which, at.B_SEEN_BID] if book[which, at.B_SEEN] != at.ABSENT else -1
            step = market[which // 2, at.M_STEP]
            value += earned(bid * step, size) if bid >= 0 else position[which, at.P_COST]
    row = world[at.W_EQUITY]
    world[at.W_EQUITY] = row + 1
    equity[row, at.E_AT] = now
    equity[row, at.E_CASH] = world[at.W_CASH]
    equity[row, at.E_POSITIONS] = value
    equity[row, at.E_EXPOSURE] = cost
    equity[row, at.E_FEES] = world[at.W_FEES]
    equity[row, at.E_REBATES] = 0
