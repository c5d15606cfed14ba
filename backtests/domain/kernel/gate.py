"""The gate for quotes, rule by rule in its order: what may be placed, in which size, and which rule said no.

Only the rules that can say something about a post-only quote of a strategy in a replay are here; the others pass by
construction, and `backtests.domain.fast` refuses requests in which they would not.
"""

from __future__ import annotations

from typing import Any

from backtests.domain.kernel import layout as at
from backtests.domain.kernel.sums import earned, largest, paid, part_down

LOT = 10_000
SECOND = 10**9


def market_losses(
    orders: Any, lists: Any, world: Any, position: Any, which_market: int, book: int, side: int, price: int, size: int
) -> tuple[int, int]:
    """Return what one market loses if its first, and if its second outcome pays, with one more order of `size`.

    Every open order counts as filled where that is worse. See `risk.domain.exposure`.
    """
    held_yes, held_no = 2 * which_market, 2 * which_market + 1
    cost = position[held_yes, at.P_COST] + position[held_no, at.P_COST]
    if_yes = cost - position[held_yes, at.P_SIZE]
    if_no = cost - position[held_no, at.P_SIZE]
    count = world[at.W_OPEN]
    for place in range(count + 1):
        if place < count:
            order = lists[at.OPEN_LIST, place]
            if orders[order, at.O_MARKET] != which_market:
                continue
            its_book, its_side = orders[order, at.O_BOOK], orders[order, at.O_SIDE]
            its_price = orders[order, at.O_PRICE]
            its_size = orders[order, at.O_SIZE] - orders[order, at.O_KNOWN]
        elif size > 0:
            its_book, its_side, its_price, its_size = book, side, price, size
        else:
            break
        if its_size <= 0:
            continue
        pays_yes = its_size if its_book == held_yes else 0
        pays_no = its_size - pays_yes
        if its_side == 1:
            spent = paid(its_price, its_size)
            if_yes += max(0, spent - pays_yes)
            if_no += max(0, spent - pays_no)
            continue
        basis = 0
        if position[its_book, at.P_SIZE]:
            basis = min(
                earned(its_price, its_size),
                part_down(position[its_book, at.P_COST], its_size, position[its_book, at.P_SIZE]),
            )
            for other_place in range(count + 1):
                if other_place < count:
                    other = lists[at.OPEN_LIST, other_place]
                    if orders[other, at.O_BOOK] != its_book or orders[other, at.O_SIDE] != 1:
                        continue
                    other_price = orders[other, at.O_PRICE]
                    other_size = orders[other, at.O_SIZE] - orders[other, at.O_KNOWN]
                elif size > 0 and book == its_book and side == 1:
                    other_price, other_size = price, size
                else:
                    break
                if other_size > 0:
                    basis = min(basis, part_down(paid(other_price, other_size), its_size, other_size))
        if_yes += max(0, pays_yes - basis)
        if_no += max(0, pays_no - basis)
    return if_yes, if_no


def exposures(
    market: Any, orders: Any, lists: Any, world: Any, position: Any, which_market: int, book: int, side: int,
    price: int, size: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Return the worst loss of the market, of its event and of the account, with one more order of `size`."""
    account, event, own = 0, 0, 0
    for one in range(market.shape[0]):
        leader = market[one, at.M_GROUP]
        if leader >= 0 and leader != one:
            continue  # counted with the first market of its group
        if leader < 0:
            if_yes, if_no = market_losses(
                orders, lists, world, position, one, book, side, price, size if one == which_market else 0
            )
            worst = max(0, if_yes, if_no)
            if one == which_market:
                own = worst
        else:
            nobody, best = 0, 0
            for member in range(one, market.shape[0]):
                if market[member, at.M_GROUP] != leader:
                    continue
                if_yes, if_no = market_losses(
                    orders, lists, world, position, member, book, side, price, size if member == which_market else 0
                )
                nobody += if_no
                best = if_yes - if_no if member == one else max(best, if_yes - if_no)
                if member == which_market:
                    own = max(0, if_yes, if_no)
            worst = max(0, nobody, nobody + best)
        account += worst
        if market[one, at.M_EVENT] == market[which_market, at.M_EVENT]:
            event += worst
    return own, event, account


def exposure_allows(
    market: Any, orders: Any, lists: Any, world: Any, position: Any, which_market: int, book: int, side: int,
    price: int, size: int, rule: int, limit: int,
) -> int:  # fmt: skip
    """Return the largest size for which one of the three exposures stays within its limit, or does not rise."""
    if _exposure(market, orders, lists, world, position, which_market, book, side, price, size, rule) <= limit:
        return size
    now = _exposure(market, orders, lists, world, position, which_market, book, side, price, 0, rule)
    bound = max(limit, now)
    if _exposure(market, orders, lists, world, position, which_market, book, side, price, size, rule) <= bound:
        return size
    low, high = 0, size // LOT
    while high - low > 1:
        middle = (low + high) // 2
        worst = _exposure(market, orders, lists, world, position, which_market, book, side, price, middle * LOT, rule)
        if worst <= bound:
            low = middle
        else:
            high = middle
    return low * LOT


def _exposure(
    market: Any, orders: Any, lists: Any, world: Any, position: Any, which_market: int, book: int, side: int,
    price: int, size: int, rule: int,
) -> int:  # fmt: skip
    own, event, account = exposures(market, orders, lists, world, position, which_market, book, side, price, size)
    if rule == at.R_MARKET:
        return own
    return event if rule == at.R_EVENT else account


def refusal(
    world: Any, market: Any, book: Any, orders: Any, lists: Any, position: Any, which: int, side: int, price: int,
    size: int, now: int, lost: int, lost_by_strategy: int, drawdown: int,
) -> int:  # fmt: skip
    """Return the first rule that refuses whatever the size, -1 when none does."""
    owner = which // 2
    entry = side == 1
    if market[owner, at.M_STATE] == at.SETTLED:
        return at.R_OPEN
    if entry:
        closes = market[owner, at.M_CLOSES]
        if closes < at.NEVER:
            left = closes - now
            seconds = left // SECOND if left >= 0 else -(-left // SECOND)
            if seconds < world[at.L_CLOSE_S]:
                return at.R_CLOSE
        if not market[owner, at.M_FEE]:
            return at.R_FEE
        if market[owner, at.M_ENTRY]:
            return at.R_LIQUIDITY if market[owner, at.M_ENTRY] == 1 else at.R_VOLUME
    state = book[which, at.B_SEEN]
    bid, ask = book[which, at.B_SEEN_BID], book[which, at.B_SEEN_ASK]
    if state in (at.ABSENT, at.CLOSED) or bid >= ask:
        return at.R_BOOK
    if state == at.STALE and (entry or (now - book[which, at.B_SEEN_AT]) // 1_000_000 > world[at.L_EXIT_AGE_MS]):
        return at.R_BOOK
    tick = book[which, at.B_SEEN_TICK] if state == at.LIVE else market[owner, at.M_BASE]
    if price < tick or price > 1_000_000 - tick or price % tick:
        return at.R_TICK
    step = market[owner, at.M_STEP]
    if (entry and ask <= market[owner, at.M_TOP] and price >= ask * step) or (
        not entry and bid >= 0 and price <= bid * step
    ):
        return at.R_POST_ONLY
    if world[at.W_RATES] + 1 > world[at.L_PER_MINUTE]:
        return at.R_RATE
    if world[at.W_OPEN] + 1 > world[at.L_OPEN_ORDERS]:
        return at.R_ORDERS
    if not entry:
        return -1
    if _positions_after(world, orders, lists, position, which) > world[at.L_POSITIONS]:
        return at.R_POSITIONS
    if lost >= world[at.L_DAILY]:
        return at.R_DAILY
    if lost_by_strategy >= world[at.L_DAILY]:
        return at.R_STRATEGY_DAILY
    if drawdown >= world[at.L_STOP_BPS]:
        return at.R_DRAWDOWN
    return -1


def _positions_after(world: Any, orders: Any, lists: Any, position: Any, which: int) -> int:
    """Return how many outcomes are held or being bought with this one; 0 when this one already is."""
    count = 1
    for other in range(position.shape[0]):
        counted = position[other, at.P_SIZE] > 0
        for place in range(world[at.W_OPEN]):
            order = lists[at.OPEN_LIST, place]
            if orders[order, at.O_BOOK] == other and orders[order, at.O_SIDE] == 1:
                counted = True
                break
        if counted:
            if other == which:
                return 0
            count += 1
    return count


def review(
    world: Any, market: Any, book: Any, orders: Any, lists: Any, position: Any, which: int, side: int, price: int,
    size: int, now: int, lost: int, lost_by_strategy: int, drawdown: int, used: int,
) -> tuple[int, int]:  # fmt: skip
    """Return the allowed size and the rule that refused or shrank it, -1 for none."""
    owner = which // 2
    rule = refusal(
        world, market, book, orders, lists, position, which, side, price, size, now, lost, lost_by_strategy, drawdown
    )
    if rule >= 0:
        return 0, rule
    allowed, shrinking = size, -1
    zero = -1
    if side == 1:
        part = largest(price, size, world[at.L_ORDER_SIZE])
        if part < allowed:
            allowed, shrinking = part, at.R_SIZE
        if part == 0 and zero < 0:
            zero = at.R_SIZE
        part = largest(price, size, world[at.W_CASH] - world[at.W_RESERVED])
        if part < allowed:
            allowed, shrinking = part, at.R_CASH
        if part == 0 and zero < 0:
            zero = at.R_CASH
    else:
        free = max(0, position[which, at.P_SIZE] - position[which, at.P_RESERVED])
        part = size if size <= free else free // LOT * LOT
        if part < allowed:
            allowed, shrinking = part, at.R_SHARES
        if part == 0 and zero < 0:
            zero = at.R_SHARES
    if not _surely_small(world, orders, lists, position, side, price, size):
        for turn in range(3):
            if turn == 2 and side == 1:
                part = largest(price, size, world[at.L_STRATEGY] - used)
                if part < allowed:
                    allowed, shrinking = part, at.R_STRATEGY
                if part == 0 and zero < 0:
                    zero = at.R_STRATEGY
            code = at.R_MARKET if turn == 0 else at.R_EVENT if turn == 1 else at.R_ACCOUNT
            limit = world[at.L_MARKET] if turn == 0 else world[at.L_EVENT] if turn == 1 else world[at.L_ACCOUNT]
            part = exposure_allows(market, orders, lists, world, position, owner, which, side, price, size, code, limit)
            if part < allowed:
                allowed, shrinking = part, code
            if part == 0 and zero < 0:
                zero = code
    elif side == 1:
        part = largest(price, size, world[at.L_STRATEGY] - used)
        if part < allowed:
            allowed, shrinking = part, at.R_STRATEGY
        if part == 0 and zero < 0:
            zero = at.R_STRATEGY
    if zero >= 0:
        return 0, zero
    if allowed < market[owner, at.M_MINIMUM]:
        return 0, shrinking if shrinking >= 0 else at.R_MINIMUM
    if side == 1 and paid(price, allowed) < world[at.L_ORDER_MINIMUM]:
        return 0, shrinking if shrinking >= 0 else at.R_ORDER_MINIMUM
    return allowed, shrinking


def _surely_small(world: Any, orders: Any, lists: Any, position: Any, side: int, price: int, size: int) -> bool:
    """Whether everything held and open could be lost whole, and still no exposure limit were reached."""
    total = world[at.W_RESERVED] + (paid(price, size) if side == 1 else size)
    for which in range(position.shape[0]):
        total += position[which, at.P_COST] + position[which, at.P_RESERVED]
    return bool(total <= min(world[at.L_MARKET], world[at.L_EVENT], world[at.L_ACCOUNT]))
