"""The replay itself: messages, arrivals, answers and ticks of one run in their order, from where the last call stopped.

The order of things at one moment is that of `backtests.domain.replay`. Answers are taken in when somebody looks at
the account: at a tick, at a whole minute, at a settlement. Nothing else can tell the difference.
"""

from __future__ import annotations

from typing import Any

from backtests.domain.kernel import layout as at
from backtests.domain.kernel.account import (
    answers_take,
    equity_of,
    equity_row,
    minute_take,
    order_forget,
    settle,
)
from backtests.domain.kernel.books import order_end, order_place
from backtests.domain.kernel.compiled import inlined
from backtests.domain.kernel.decisions import decide, look, trading_end, wants
from backtests.domain.kernel.messages import message_apply, message_find, seen_take

MINUTE = 60 * 10**9
BOOK_WAIT = 5 * 10**9
LOOK_AGAIN = 50 * 10**6  # how often an order without a book looks for one


def quote(memory: Any, numbers: Any, bid: int, ask: int, tick: int, net: float, out: Any) -> None:
    """Stands for the strategy's function, which takes this place when the loop is compiled."""


def run(
    world: Any, market: Any, book: Any, depth: Any, orders: Any, fills: Any, rings: Any, seen: Any, lists: Any,
    position: Any, wanted: Any, made: Any, asked: Any, prices: Any, equity: Any, settled: Any, counts: Any,
    memory: Any, numbers: Any,
    received: Any, happened: Any, size: Any, ticks: Any, kind: Any, outcome: Any, side: Any, flags: Any,
) -> int:  # fmt: skip
    """Go on with the replay; return why it stopped: see `layout`."""
    end = world[at.W_END]
    for one in range(market.shape[0]):
        if market[one, at.M_NEXT] < 0 and not message_find(world, market, flags, received, happened, one):
            world[at.W_MARKET] = one
            return at.MORE_ROWS
    answered = world[at.W_ASKED]
    world[at.W_ASKED] = 0
    while True:
        if answered:  # the strategy's prices are there now
            answered = 0
            now = world[at.W_NOW]
            count = wants(world, market, position, asked, prices, made, wanted, counts)
            decide(world, market, book, orders, rings, lists, position, wanted, counts, count, now)
            continue
        if _is_full(world, orders, fills, rings, seen, lists, equity, market.shape[0]):
            return at.MORE_ROOM
        moment = min(world[at.W_TICK], world[at.W_MINUTE], world[at.W_SETTLE], world[at.W_EQUITY_NEXT])
        action = at.NEVER
        if world[at.W_ACTIONS]:
            action = rings[at.ACTIONS, world[at.W_ACTION] & (rings.shape[1] - 1), at.Q_AT]
        bound = min(moment, action, world[at.W_WAITS], end - 1)
        # 1. Messages happen at the venue.
        while True:
            one, when, after = 0, market[0, at.M_NEXT], at.NEVER
            for other in range(1, market.shape[0]):
                if market[other, at.M_NEXT] < when:
                    one, when, after = other, market[other, at.M_NEXT], when
                elif market[other, at.M_NEXT] < after:
                    after = market[other, at.M_NEXT]
            if when > bound:
                break
            while when <= bound and when <= after:
                message_apply(
                    world, market, book, depth, orders, fills, rings, seen, size, ticks, kind, outcome, side, flags,
                    one, moment,
                )  # fmt: skip
                bound = min(bound, world[at.W_SETTLE])
                if not message_find(world, market, flags, received, happened, one):
                    world[at.W_MARKET] = one
                    return at.MORE_ROWS
                when = market[one, at.M_NEXT]
                if when == after and one > 0:
                    break  # markets in their order
                if world[at.W_EVENTS] >= world[at.W_PAUSE]:
                    return at.PAUSED
                if fills.shape[0] - world[at.W_FILLS] < 4 * lists.shape[1] or world[at.W_SEENS] >= seen.shape[0] - 4:
                    break
            if fills.shape[0] - world[at.W_FILLS] < 4 * lists.shape[1]:
                break
            if world[at.W_SEENS] >= seen.shape[0] - 4:
                break
        if fills.shape[0] - world[at.W_FILLS] < 4 * lists.shape[1] or world[at.W_SEENS] >= seen.shape[0] - 4:
            continue
        moment = min(world[at.W_TICK], world[at.W_MINUTE], world[at.W_SETTLE], world[at.W_EQUITY_NEXT])
        waits = world[at.W_WAITS]
        first = min(moment, action, waits)
        if bound < first and bound < end - 1:
            continue
        if first >= end:
            break
        # 3. Orders and cancels arrive, in the order in which they were sent.
        if min(action, waits) <= moment:
            if waits < action or (waits == action and world[at.W_ORDER] <= LOOK_AGAIN):
                _look_again(world, market, book, depth, orders, rings, lists, counts, waits)
            else:
                _act(world, market, book, depth, orders, rings, lists, counts, action)
            continue
        # 4. to 6.: what became known, what was seen, and a look at the account.
        now = moment
        world[at.W_NOW] = now
        answers_take(world, book, orders, fills, rings, lists, position, now)
        seen_take(world, market, book, seen, now)
        if world[at.W_SETTLE] <= now:
            _settlements(world, market, book, orders, lists, position, settled, equity, now, False)
        if world[at.W_MINUTE] <= now:
            world[at.W_MINUTE] += MINUTE
            _minute(world, market, book, orders, rings, lists, position, now)
        if world[at.W_EQUITY_NEXT] <= now:
            world[at.W_EQUITY_NEXT] += world[at.W_EQUITY_STEP]
            equity_row(world, market, book, position, equity, now)
        if world[at.W_TICK] <= now:
            world[at.W_TICK] += world[at.W_INTERVAL]
            look(world, market, book, position, asked, counts, now)
            if not world[at.W_INSIDE]:
                world[at.W_ASKED] = 1
                return at.ASKED
            for one in range(market.shape[0]):
                if asked[one, 0]:
                    quote(
                        memory[one], numbers, asked[one, 1], asked[one, 2], asked[one, 3], float(asked[one, 4]),
                        prices[one],
                    )  # fmt: skip
            answered = 1
    last = max(end - 1, world[at.W_RESTED])
    seen_take(world, market, book, seen, end - 1)
    if world[at.W_KNOWNS]:
        tail = (world[at.W_KNOWN] + world[at.W_KNOWNS] - 1) & (rings.shape[1] - 1)
        last = max(last, rings[at.ANSWERS, tail, at.Q_AT])
    while world[at.W_SETTLE] < at.NEVER:
        now = world[at.W_SETTLE]
        last = max(last, now)
        answers_take(world, book, orders, fills, rings, lists, position, now)
        seen_take(world, market, book, seen, now)
        _settlements(world, market, book, orders, lists, position, settled, equity, now, True)
    answers_take(world, book, orders, fills, rings, lists, position, at.NEVER)
    equity_row(world, market, book, position, equity, last)
    return at.DONE


@inlined
def _is_full(world: Any, orders: Any, fills: Any, rings: Any, seen: Any, lists: Any, equity: Any, markets: int) -> bool:
    """Whether a table could run over before the next look."""
    new = 4 * world[at.W_LEVELS] * markets
    room = lists.shape[1] - world[at.W_OPEN]
    return bool(
        room < 2 * new
        or orders.shape[0] - world[at.W_ORDERS] < 2 * new
        or fills.shape[0] - world[at.W_FILLS] < 4 * lists.shape[1]
        or rings.shape[1] - world[at.W_KNOWNS] < 8 * lists.shape[1]
        or rings.shape[1] - world[at.W_ACTIONS] < 4 * new
        or rings.shape[1] - world[at.W_RATES] < 4 * new
        or world[at.W_SEENS] >= seen.shape[0] - 4
        or equity.shape[0] - world[at.W_EQUITY] < 2 * markets + 8
    )


@inlined
def _act(
    world: Any, market: Any, book: Any, depth: Any, orders: Any, rings: Any, lists: Any, counts: Any, now: int
) -> None:
    """Let the first action of the line arrive."""
    head = world[at.W_ACTION] & (rings.shape[1] - 1)
    order = rings[at.ACTIONS, head, at.Q_OF]
    world[at.W_ACTION] += 1
    world[at.W_ACTIONS] -= 1
    if rings[at.ACTIONS, head, at.Q_KIND] == at.CANCELS:
        if orders[order, at.O_STATE] == 0:
            order_end(world, book, orders, rings, order, 2, now)
        elif orders[order, at.O_STATE] == at.ON_ITS_WAY:
            orders[order, at.O_LEAVES] = 1  # it waits for a book
        return
    orders[order, at.O_ARRIVED] = now
    _arrive(world, market, book, depth, orders, rings, lists, counts, order, now)


@inlined
def _arrive(
    world: Any,
    market: Any,
    book: Any,
    depth: Any,
    orders: Any,
    rings: Any,
    lists: Any,
    counts: Any,
    order: int,
    now: int,
) -> None:
    which = orders[order, at.O_BOOK]
    is_open = market[which // 2, at.M_STATE] == at.OPEN
    if is_open and not book[which, at.B_KNOWN] and now - orders[order, at.O_ARRIVED] < BOOK_WAIT:
        lists[at.WAITING_LIST, world[at.W_WAITING]] = order
        world[at.W_WAITING] += 1
        orders[order, at.O_UNTIL] = now + LOOK_AGAIN
        world[at.W_WAITS] = min(world[at.W_WAITS], now + LOOK_AGAIN)
        return
    reason = order_place(world, market, book, depth, orders, rings, order, now)
    if reason >= 0:
        counts[at.C_REJECTED + reason] += 1
    elif orders[order, at.O_LEAVES]:
        order_end(world, book, orders, rings, order, 2, now)


def _look_again(
    world: Any, market: Any, book: Any, depth: Any, orders: Any, rings: Any, lists: Any, counts: Any, now: int
) -> None:
    """Let orders that wait for a book look for it again, in the order in which they began to wait."""
    for _ in range(world[at.W_WAITING]):
        order = lists[at.WAITING_LIST, 0]
        if orders[order, at.O_UNTIL] > now:
            break
        # Off the front of the line; where the book is still unknown it goes to its end.
        world[at.W_WAITING] -= 1
        for place in range(world[at.W_WAITING]):
            lists[at.WAITING_LIST, place] = lists[at.WAITING_LIST, place + 1]
        _arrive(world, market, book, depth, orders, rings, lists, counts, order, now)
    world[at.W_WAITS] = orders[lists[at.WAITING_LIST, 0], at.O_UNTIL] if world[at.W_WAITING] else at.NEVER


def _settlements(
    world: Any, market: Any, book: Any, orders: Any, lists: Any, position: Any, settled: Any, equity: Any, now: int,
    is_over: bool,
) -> None:  # fmt: skip
    """Pay the markets that are due, once none of their orders can trade any more."""
    first = at.NEVER
    for one in range(market.shape[0]):
        when = market[one, at.M_SETTLE]
        if when <= now:
            left = False
            for place in range(world[at.W_OPEN] - 1, -1, -1):
                order = lists[at.OPEN_LIST, place]
                if orders[order, at.O_MARKET] == one:
                    left = True
                    if is_over:
                        order_forget(world, orders, lists, position, order)
            if left and not is_over:
                market[one, at.M_SETTLE] = when + LOOK_AGAIN
            else:
                settle(world, market, position, settled, one, when)
                if market[one, at.M_PAID]:
                    equity_row(world, market, book, position, equity, when)
        first = min(first, market[one, at.M_SETTLE])
    world[at.W_SETTLE] = first


def _minute(world: Any, market: Any, book: Any, orders: Any, rings: Any, lists: Any, position: Any, now: int) -> None:
    """Take the minute's snapshot; end trading when the account has lost what the profile lets it lose."""
    minute_take(world, market, book, position, now)
    if world[at.W_KILLED] or world[at.L_KILL_BPS] <= 0:
        return
    value, marked = equity_of(world, market, book, position)
    peak = max(world[at.W_PEAK], value)
    if marked and peak > 0 and (peak - value) * 10_000 // peak >= world[at.L_KILL_BPS]:
        world[at.W_KILLED] = 1
        world[at.W_KILL_AT] = now
        trading_end(world, orders, rings, lists, now)
