"""The simplest market-making replay, in the convention of research tools: whole fills, one bid and one ask, shorts.

This is not how the desk trades. It exists to be compared with other backtesters on the same events, to the cent:
an order fills whole once a trade eats more than the queue before it, or once a level reaches or passes it; the queue
before it shrinks only by trades at its price and down to the displayed size; a sale needs no shares.

Many parameter sets run side by side over one book ("lanes"): the book is kept once, each lane has its own orders.
Times are nanoseconds, prices ticks, sizes any integer unit, cash ticks times that unit. One clock: the strategy
sees what happened `feed_ns` ago, its orders and cancels arrive after `order_ns`, answers take `order_ns` too, and
both are shorter than `step_ns`, the time between two looks.
"""

from __future__ import annotations

from typing import Any

# Rows of the lanes' integer state.
BID, BID_AHEAD, ASK, ASK_AHEAD = 0, 1, 2, 3  # orders at the venue: price in ticks or -1, size before ours
SEEN_BID, SEEN_ASK = 4, 5  # what the strategy believes to rest, -1 for nothing
NEW_BID, NEW_ASK, END_BID, END_ASK = 6, 7, 8, 9  # on their way
POSITION, CASH, FILLS, SENT = 10, 11, 12, 13
SEEN_POSITION, BOUGHT_NS, SOLD_NS = 14, 15, 16  # position as known, when the answers to fills arrive (-1: none)
ROWS = 17


def quote(memory: Any, numbers: Any, bid: int, ask: int, tick: int, net: float, out: Any) -> None:
    """Stands for the strategy's function, which takes this place when the loop is compiled."""
    raise NotImplementedError


def lanes_clear(lanes: Any) -> None:
    lanes[:, :] = 0
    for row in (BID, ASK, SEEN_BID, SEEN_ASK, BOUGHT_NS, SOLD_NS):
        lanes[row, :] = -1


def replay(
    times: Any,
    kinds: Any,
    sides: Any,
    ticks: Any,
    sizes: Any,
    bids: Any,
    asks: Any,
    clock: Any,
    lanes: Any,
    memory: Any,
    numbers: Any,
    order_sizes: Any,
    step_ns: int,
    feed_ns: int,
    order_ns: int,
    prices: Any,
    own_memory: Any,
    own_numbers: Any,
) -> None:
    """Replay all rows for every lane. `clock` returns looks, best bid, best ask; `prices`, `own_memory` and
    `own_numbers` are room for one lane's quotes, memory and numbers."""
    count = len(times)
    top = len(bids) - 1
    lane_count = lanes.shape[1]
    memory_count, number_count = memory.shape[1], numbers.shape[1]
    row, looks = 0, 0
    best_bid, best_ask = 0, top
    seen_bid, seen_ask = 0, top
    now = times[0]
    seen_ns = now - feed_ns
    while True:
        begin = now
        now = begin + step_ns
        arrival = begin + order_ns
        seen_ns = now - feed_ns
        for phase in range(3):
            # Three moments of a step in their order of time: orders arrive, the view is taken, the strategy looks.
            if phase == 2:
                until = now
                kind_of_moment = 2
            elif (phase == 0) == (arrival <= seen_ns):
                until = arrival
                kind_of_moment = 0
            else:
                until = seen_ns
                kind_of_moment = 1
            while row < count and times[row] <= until:
                price = ticks[row]
                size = sizes[row]
                answered = times[row] + order_ns
                if kinds[row] == 1:
                    if sides[row] == 1:
                        for lane in range(lane_count):
                            own = lanes[ASK, lane]
                            if own >= 0 and price >= own:
                                if price == own:
                                    lanes[ASK_AHEAD, lane] -= size
                                if price > own or lanes[ASK_AHEAD, lane] < 0:
                                    _sold(lanes, lane, order_sizes[lane], answered)
                    else:
                        for lane in range(lane_count):
                            own = lanes[BID, lane]
                            if own >= 0 and price <= own:
                                if price == own:
                                    lanes[BID_AHEAD, lane] -= size
                                if price < own or lanes[BID_AHEAD, lane] < 0:
                                    _bought(lanes, lane, order_sizes[lane], answered)
                elif sides[row] == 1:
                    bids[price] = size
                    for lane in range(lane_count):
                        if lanes[BID, lane] == price:
                            lanes[BID_AHEAD, lane] = min(lanes[BID_AHEAD, lane], size)
                    if size > 0:
                        if price > best_bid:
                            best_bid = price
                            for lane in range(lane_count):
                                if 0 <= lanes[ASK, lane] <= best_bid:
                                    _sold(lanes, lane, order_sizes[lane], answered)
                            while best_ask <= best_bid and best_ask < top:  # the other side's stale levels go
                                asks[best_ask] = 0
                                best_ask += 1
                            while best_ask < top and asks[best_ask] == 0:
                                best_ask += 1
                    elif price == best_bid:
                        while best_bid > 0 and bids[best_bid] == 0:
                            best_bid -= 1
                else:
                    asks[price] = size
                    for lane in range(lane_count):
                        if lanes[ASK, lane] == price:
                            lanes[ASK_AHEAD, lane] = min(lanes[ASK_AHEAD, lane], size)
                    if size > 0:
                        if price < best_ask:
                            best_ask = price
                            for lane in range(lane_count):
                                if lanes[BID, lane] >= best_ask:
                                    _bought(lanes, lane, order_sizes[lane], answered)
                            while best_bid >= best_ask and best_bid > 0:
                                bids[best_bid] = 0
                                best_bid -= 1
                            while best_bid > 0 and bids[best_bid] == 0:
                                best_bid -= 1
                    elif price == best_ask:
                        while best_ask < top and asks[best_ask] == 0:
                            best_ask += 1
                row += 1
            if kind_of_moment == 0:
                for lane in range(lane_count):
                    _arrive(lanes, lane, bids, asks, best_bid, best_ask)
            elif kind_of_moment == 1:
                seen_bid, seen_ask = best_bid, best_ask
        if row >= count:
            break
        looks += 1
        sees = seen_bid > 0 and seen_ask < top
        for lane in range(lane_count):
            _answers(lanes, lane, order_sizes[lane], now)
            if sees:
                # Copies, because a view of a row costs more than the strategy does.
                for index in range(memory_count):
                    own_memory[index] = memory[lane, index]
                for index in range(number_count):
                    own_numbers[index] = numbers[lane, index]
                quote(own_memory, own_numbers, seen_bid, seen_ask, 1, float(lanes[SEEN_POSITION, lane]), prices)
                for index in range(memory_count):
                    memory[lane, index] = own_memory[index]
                bid = prices[0] if 0 < prices[0] < top else -1
                ask = prices[1] if 0 < prices[1] < top else -1
                if lanes[SEEN_BID, lane] != bid:
                    if lanes[SEEN_BID, lane] >= 0:
                        lanes[END_BID, lane] = 1
                    if bid >= 0:
                        lanes[NEW_BID, lane] = bid
                        lanes[SENT, lane] += 1
                    lanes[SEEN_BID, lane] = bid
                if lanes[SEEN_ASK, lane] != ask:
                    if lanes[SEEN_ASK, lane] >= 0:
                        lanes[END_ASK, lane] = 1
                    if ask >= 0:
                        lanes[NEW_ASK, lane] = ask
                        lanes[SENT, lane] += 1
                    lanes[SEEN_ASK, lane] = ask
    clock[0] = looks
    clock[1] = best_bid
    clock[2] = best_ask


def _bought(lanes: Any, lane: int, size: int, answered: int) -> None:
    lanes[POSITION, lane] += size
    lanes[CASH, lane] -= size * lanes[BID, lane]
    lanes[FILLS, lane] += 1
    lanes[BID, lane] = -1
    if lanes[BOUGHT_NS, lane] >= 0:  # the answer before it is known by now
        lanes[SEEN_POSITION, lane] += size
    lanes[BOUGHT_NS, lane] = answered


def _sold(lanes: Any, lane: int, size: int, answered: int) -> None:
    lanes[POSITION, lane] -= size
    lanes[CASH, lane] += size * lanes[ASK, lane]
    lanes[FILLS, lane] += 1
    lanes[ASK, lane] = -1
    if lanes[SOLD_NS, lane] >= 0:
        lanes[SEEN_POSITION, lane] -= size
    lanes[SOLD_NS, lane] = answered


def _arrive(lanes: Any, lane: int, bids: Any, asks: Any, best_bid: int, best_ask: int) -> None:
    """Cancels first, then new orders; one that would take is refused by the venue."""
    if lanes[END_BID, lane]:
        lanes[BID, lane] = -1
        lanes[END_BID, lane] = 0
    if lanes[END_ASK, lane]:
        lanes[ASK, lane] = -1
        lanes[END_ASK, lane] = 0
    price = lanes[NEW_BID, lane]
    if price > 0:
        if price < best_ask:
            lanes[BID, lane] = price
            lanes[BID_AHEAD, lane] = bids[price]
        else:
            lanes[SEEN_BID, lane] = -1
        lanes[NEW_BID, lane] = 0
    price = lanes[NEW_ASK, lane]
    if price > 0:
        if price > best_bid:
            lanes[ASK, lane] = price
            lanes[ASK_AHEAD, lane] = asks[price]
        else:
            lanes[SEEN_ASK, lane] = -1
        lanes[NEW_ASK, lane] = 0


def _answers(lanes: Any, lane: int, size: int, now: int) -> None:
    """Take in what has been answered by now."""
    if 0 <= lanes[BOUGHT_NS, lane] <= now:
        lanes[SEEN_POSITION, lane] += size
        lanes[BOUGHT_NS, lane] = -1
    if 0 <= lanes[SOLD_NS, lane] <= now:
        lanes[SEEN_POSITION, lane] -= size
        lanes[SOLD_NS, lane] = -1
    if lanes[SEEN_BID, lane] >= 0 and lanes[BID, lane] < 0 and lanes[BOUGHT_NS, lane] < 0:
        lanes[SEEN_BID, lane] = -1
    if lanes[SEEN_ASK, lane] >= 0 and lanes[ASK, lane] < 0 and lanes[SOLD_NS, lane] < 0:
        lanes[SEEN_ASK, lane] = -1
