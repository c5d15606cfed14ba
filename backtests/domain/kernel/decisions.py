"""A tick of a quote strategy: what it sees, what it wants, what of that is new, and what the gate makes of it.

The steps are those of `strategies.domain.cycle` and `strategies.domain.patience`.
"""

from __future__ import annotations

from typing import Any

from backtests.domain.kernel import layout as at
from backtests.domain.kernel.account import day_loss_of_strategy, day_start, equity_of, exposure_of_strategy
from backtests.domain.kernel.compiled import inlined
from backtests.domain.kernel.gate import review
from backtests.domain.kernel.sums import paid
from strategies.domain.quoting import orders_fill

inlined(orders_fill)  # live it is an ordinary function

MINUTE = 60 * 10**9
ONE = 1_000_000
ASKED_SIZES_KEPT = 100
RETRY_FIRST_S, RETRY_LONGEST_S = 5, 60


@inlined
def look(world: Any, market: Any, book: Any, position: Any, asked: Any, counts: Any, now: int) -> None:
    """Write what the quote function is asked per market: whether at all, best bid, best ask, tick, net position."""
    now_ms = now // ONE
    for one in range(market.shape[0]):
        yes = 2 * one
        asked[one, 0] = 0
        closes = market[one, at.M_CLOSES]
        state = book[yes, at.B_SEEN]
        bid, ask = book[yes, at.B_SEEN_BID], book[yes, at.B_SEEN_ASK]
        gate = -1
        if market[one, at.M_STATE] == at.SETTLED:
            gate = 0
        elif closes < at.NEVER and closes // ONE - now_ms < world[at.W_STOP_MS]:
            gate = 1
        elif state == at.ABSENT:
            gate = 2
        elif state != at.LIVE:
            gate = 3
        elif bid < 0 or ask > market[one, at.M_TOP]:
            gate = 4
        elif bid >= ask:
            gate = 5
        if gate >= 0:
            counts[at.C_GATES + gate] += 1
            continue
        tick, step = book[yes, at.B_SEEN_TICK], market[one, at.M_STEP]
        asked[one, 0] = 1
        asked[one, 1] = bid * step // tick
        asked[one, 2] = -(-ask * step // tick)
        asked[one, 3] = tick
        asked[one, 4] = position[yes, at.P_SIZE] - position[yes + 1, at.P_SIZE]


@inlined
def wants(world: Any, market: Any, position: Any, asked: Any, prices: Any, made: Any, wanted: Any, counts: Any) -> int:
    """Turn the prices of all markets into wanted orders and return how many there are."""
    count = 0
    levels = world[at.W_LEVELS]
    for one in range(market.shape[0]):
        if not asked[one, 0]:
            continue
        found = orders_fill(
            prices[one], levels, world[at.W_SIZE], market[one, at.M_MINIMUM], asked[one, 3],
            position[2 * one, at.P_SIZE], position[2 * one + 1, at.P_SIZE], made,
        )  # fmt: skip
        if found == 0:
            counts[at.C_GATES + 6] += 1
        for index in range(found):
            wanted[at.CURRENT, count, at.N_BOOK] = 2 * one + made[5 * index]
            for column in range(1, 5):
                wanted[at.CURRENT, count, column] = made[5 * index + column]
            count += 1
    return count


@inlined
def decide(
    world: Any, market: Any, book: Any, orders: Any, rings: Any, lists: Any, position: Any, wanted: Any, counts: Any,
    count: int, now: int,
) -> None:  # fmt: skip
    """Compare what is wanted with what rests and, where that changes something, pass it through the gate."""
    world[at.W_TICKS] += 1
    new = count != world[at.W_WANTED]
    for index in range(count):
        for column in range(at.WANTED):
            if wanted[at.CURRENT, index, column] != wanted[at.BEFORE, index, column]:
                new = True
    placing, stale = _plan(world, orders, lists, position, wanted, count)
    if not new and not stale and (placing == 0 or _refused_before(world, wanted, placing, now)):
        world[at.W_UNCHANGED] += 1
        return
    if new:
        world[at.W_DECISIONS] += 1
        world[at.W_WANTED] = count
        for index in range(count):
            wanted_copy(wanted, at.CURRENT, index, at.BEFORE, index)
    for place in range(world[at.W_OPEN]):
        order = lists[at.OPEN_LIST, place]
        if orders[order, at.O_CANCEL] == 2:
            orders[order, at.O_CANCEL] = 1
            world[at.W_CANCELED] += 1
            _send(world, rings, now, at.CANCELS, order)
    refusals = 0
    if placing:
        refusals = _review(world, market, book, orders, rings, lists, position, wanted, counts, placing, now)
    world[at.W_REFUSED] = refusals
    if refusals:
        world[at.W_REFUSALS] += 1
        pause = min(RETRY_LONGEST_S, RETRY_FIRST_S << min(world[at.W_REFUSALS] - 1, 8))
        world[at.W_RETRY] = now + pause * 10**9
    else:
        world[at.W_REFUSALS] = 0
        world[at.W_RETRY] = 0
    if world[at.W_SHRUNK] - world[at.W_FORGOTTEN] > 2 * ASKED_SIZES_KEPT:
        world[at.W_FORGOTTEN] = world[at.W_SHRUNK] - ASKED_SIZES_KEPT


@inlined
def wanted_copy(wanted: Any, plane: int, index: int, to_plane: int, to: int) -> None:
    for column in range(at.WANTED):
        wanted[to_plane, to, column] = wanted[plane, index, column]


@inlined
def _asked_size(world: Any, orders: Any, order: int) -> int:
    """Return the size that was asked for, as long as the desk remembers that the gate made the order smaller."""
    if orders[order, at.O_SHRUNK] > world[at.W_FORGOTTEN]:
        return int(orders[order, at.O_ASKED])
    return int(orders[order, at.O_SIZE])


@inlined
def _plan(world: Any, orders: Any, lists: Any, position: Any, wanted: Any, count: int) -> tuple[int, int]:
    """Mark stale orders (O_CANCEL 2) and write the placements to PLACED; return how many of each there are."""
    open_count = world[at.W_OPEN]
    stale = 0
    for place in range(open_count):
        order = lists[at.OPEN_LIST, place]
        if orders[order, at.O_CANCEL] != 1:
            orders[order, at.O_CANCEL] = 2
            stale += 1
    placing = 0
    for index in range(count):
        own = wanted[at.CURRENT, index, at.N_BOOK]
        side = wanted[at.CURRENT, index, at.N_SIDE]
        price = wanted[at.CURRENT, index, at.N_PRICE]
        size = wanted[at.CURRENT, index, at.N_SIZE]
        kept = False
        for place in range(open_count):
            order = lists[at.OPEN_LIST, place]
            if (
                orders[order, at.O_CANCEL] == 2
                and orders[order, at.O_BOOK] == own
                and orders[order, at.O_SIDE] == side
                and orders[order, at.O_LEVEL] == wanted[at.CURRENT, index, at.N_LEVEL]
                and orders[order, at.O_PRICE] == price
            ):
                whole = _asked_size(world, orders, order)
                if size == whole or size == whole - orders[order, at.O_KNOWN]:
                    orders[order, at.O_CANCEL] = 0
                    stale -= 1
                    kept = True
                    break
        if kept or _meets_own(world, orders, lists, wanted, placing, own, side, price):
            continue
        wanted_copy(wanted, at.CURRENT, index, at.PLACED, placing)
        placing += 1
    return _wait_for_shares(orders, lists, position, wanted, placing, open_count), stale


@inlined
def _meets_own(world: Any, orders: Any, lists: Any, wanted: Any, placing: int, own: int, side: int, price: int) -> bool:
    """Whether an order could trade with one of ours, or with one that is about to be placed."""
    for place in range(world[at.W_OPEN]):
        order = lists[at.OPEN_LIST, place]
        if _asked_size(world, orders, order) <= orders[order, at.O_KNOWN]:
            continue
        if _may_trade(own, side, price, orders[order, at.O_BOOK], orders[order, at.O_SIDE], orders[order, at.O_PRICE]):
            return True
    for index in range(placing):
        if _may_trade(
            own, side, price, wanted[at.PLACED, index, at.N_BOOK], wanted[at.PLACED, index, at.N_SIDE],
            wanted[at.PLACED, index, at.N_PRICE],
        ):  # fmt: skip
            return True
    return False


@inlined
def _may_trade(own: int, side: int, price: int, other: int, other_side: int, other_price: int) -> bool:
    if own // 2 != other // 2:
        return False
    if own == other:
        if side == other_side:
            return False
        return bool(price >= other_price) if side == 1 else bool(price <= other_price)
    if side != other_side:
        return False
    return bool(price + other_price >= ONE) if side == 1 else bool(price + other_price <= ONE)


@inlined
def _wait_for_shares(orders: Any, lists: Any, position: Any, wanted: Any, placing: int, open_count: int) -> int:
    """Hold back sells whose shares a leaving order still has."""
    leaving = False
    for place in range(open_count):
        order = lists[at.OPEN_LIST, place]
        leaving = leaving or (orders[order, at.O_SIDE] == 0 and orders[order, at.O_CANCEL] > 0)
    if not leaving:
        return placing
    kept = 0
    for index in range(placing):
        own, side = wanted[at.PLACED, index, at.N_BOOK], wanted[at.PLACED, index, at.N_SIDE]
        if side == 0:
            held = False
            for place in range(open_count):
                order = lists[at.OPEN_LIST, place]
                if orders[order, at.O_BOOK] == own and orders[order, at.O_SIDE] == 0 and orders[order, at.O_CANCEL] > 0:
                    held = True
            free = max(0, position[own, at.P_SIZE] - position[own, at.P_RESERVED])
            for earlier in range(kept):
                if wanted[at.PLACED, earlier, at.N_BOOK] == own and wanted[at.PLACED, earlier, at.N_SIDE] == 0:
                    free -= wanted[at.PLACED, earlier, at.N_SIZE]
            if held and wanted[at.PLACED, index, at.N_SIZE] > free:
                continue
        if kept != index:
            wanted_copy(wanted, at.PLACED, index, at.PLACED, kept)
        kept += 1
    return kept


@inlined
def _refused_before(world: Any, wanted: Any, placing: int, now: int) -> bool:
    """Whether all placements were refused a moment ago and the pause is not over."""
    if now >= world[at.W_RETRY]:
        return False
    for index in range(placing):
        known = False
        for other in range(world[at.W_REFUSED]):
            same = True
            for column in range(at.WANTED):
                same = same and wanted[at.PLACED, index, column] == wanted[at.REFUSED, other, column]
            known = known or same
        if not known:
            return False
    return True


def _review(
    world: Any, market: Any, book: Any, orders: Any, rings: Any, lists: Any, position: Any, wanted: Any, counts: Any,
    placing: int, now: int,
) -> int:  # fmt: skip
    """Ask the gate about every placement in turn and send what it allows; return how many it refused."""
    rates_forget(world, rings, now)
    equity, _ = equity_of(world, market, book, position)
    lost = max(0, day_start(world, now) - equity)
    by_strategy = day_loss_of_strategy(market, book, position, now)
    peak = max(world[at.W_PEAK], equity)
    drawdown = max(0, (peak - equity) * 10_000 // peak) if peak > 0 else 0
    used = exposure_of_strategy(world, orders, lists, position)
    refused = 0
    for index in range(placing):
        own, side = wanted[at.PLACED, index, at.N_BOOK], wanted[at.PLACED, index, at.N_SIDE]
        price, size = wanted[at.PLACED, index, at.N_PRICE], wanted[at.PLACED, index, at.N_SIZE]
        counts[at.C_WANTED] += 1
        if world[at.W_KILLED]:
            allowed, rule = 0, at.R_KILL
        else:
            allowed, rule = review(
                world, market, book, orders, lists, position, own, side, price, size, now, lost, by_strategy, drawdown,
                used,
            )  # fmt: skip
        if allowed <= 0:
            counts[at.C_REFUSED + rule] += 1
            wanted_copy(wanted, at.PLACED, index, at.REFUSED, refused)
            refused += 1
            continue
        order = world[at.W_ORDERS]
        world[at.W_ORDERS] = order + 1
        for column in range(at.ORDER):
            orders[order, column] = 0
        orders[order, at.O_DECIDED] = now
        orders[order, at.O_PRICE] = price
        orders[order, at.O_SIZE] = allowed
        orders[order, at.O_ASKED] = size
        orders[order, at.O_MARKET] = own // 2
        orders[order, at.O_BOOK] = own
        orders[order, at.O_SIDE] = side
        orders[order, at.O_STATE] = at.ON_ITS_WAY
        orders[order, at.O_LEVEL] = wanted[at.PLACED, index, at.N_LEVEL]
        orders[order, at.O_TICKS] = price // market[own // 2, at.M_STEP]
        if allowed < size:
            counts[at.C_SHRUNK + rule] += 1
            world[at.W_SHRUNK] += 1
            orders[order, at.O_SHRUNK] = world[at.W_SHRUNK]
        if side == 1:
            cost = paid(price, allowed)
            orders[order, at.O_RESERVED] = cost
            world[at.W_RESERVED] += cost
            used += cost
        else:
            orders[order, at.O_RESERVED] = allowed
            position[own, at.P_RESERVED] += allowed
        lists[at.OPEN_LIST, world[at.W_OPEN]] = order
        world[at.W_OPEN] += 1
        world[at.W_PLACED] += 1
        mask = rings.shape[1] - 1
        rings[at.RATES, (world[at.W_RATE] + world[at.W_RATES]) & mask, at.Q_AT] = now
        world[at.W_RATES] += 1
        _send(world, rings, now, at.ARRIVES, order)
    return refused


@inlined
def rates_forget(world: Any, rings: Any, now: int) -> None:
    """Forget orders that were made more than a minute ago."""
    mask = rings.shape[1] - 1
    while world[at.W_RATES] and rings[at.RATES, world[at.W_RATE] & mask, at.Q_AT] <= now - MINUTE:
        world[at.W_RATE] += 1
        world[at.W_RATES] -= 1


def trading_end(world: Any, orders: Any, rings: Any, lists: Any, now: int) -> None:
    """Ask for the end of everything that is open."""
    for place in range(world[at.W_OPEN]):
        order = lists[at.OPEN_LIST, place]
        if orders[order, at.O_CANCEL] != 1:
            orders[order, at.O_CANCEL] = 1
            world[at.W_CANCELED] += 1
            _send(world, rings, now, at.CANCELS, order)


@inlined
def _send(world: Any, rings: Any, now: int, kind: int, order: int) -> None:
    mask = rings.shape[1] - 1
    place = (world[at.W_ACTION] + world[at.W_ACTIONS]) & mask
    rings[at.ACTIONS, place, at.Q_AT] = now + world[at.W_ORDER]
    rings[at.ACTIONS, place, at.Q_KIND] = kind
    rings[at.ACTIONS, place, at.Q_OF] = order
    world[at.W_ACTIONS] += 1
