"""One outcome's order book: flat integer arrays, one slot per price step, exact.

Prices and sizes are millionths. Slot `i` of an array holds the total size at price
`i * step`; a change is one store, and the best price is kept as it goes. `tick` is what
the venue says an order must respect; `step` is the width of a slot and gets finer by
itself when a level does not fit (recordings change tick without saying so).

The book knows nothing of freshness, hashes or sockets: see `markets.feed`.
"""

from __future__ import annotations

from math import gcd

from markets.domain.events import BookSnapshot, Level, LevelChange
from markets.domain.instruments import Side
from markets.domain.units import ONE, notional_down, notional_up

DEFAULT_TICK = 10_000
FINEST_STEP = 100  # a hundredth of a cent: the finest tick any venue has used


class BookError(ValueError):
    """A level that no book can hold; the message names the field and the value."""


class OrderBook:
    """Bids and asks of one outcome. `seq` counts the changes applied, snapshots included.

    Snapshots list their levels best first, as `BookSnapshot` promises.
    """

    __slots__ = ("_asks", "_best_ask", "_best_bid", "_bids", "_count_ask", "_count_bid", "seq", "step", "tick")

    def __init__(self, tick: int = DEFAULT_TICK) -> None:
        self.tick = _checked_tick(tick)
        self.step = self.tick
        self.seq = 0
        self._clear()

    def _clear(self) -> None:
        slots = ONE // self.step + 1
        self._bids = [0] * slots
        self._asks = [0] * slots
        self._best_bid = 0  # slot of the highest bid; 0 is no bid, because no order rests at price 0
        self._best_ask = slots - 1  # slot of the lowest ask; the last is no ask, because none rests at 1
        self._count_bid = 0
        self._count_ask = 0

    # ---- changes -------------------------------------------------------------------------

    def apply_snapshot(self, snapshot: BookSnapshot) -> None:
        """Replace everything. Raises BookError and leaves the book as it was when a level cannot be held."""
        step = tick = _checked_tick(snapshot.tick) if snapshot.tick is not None else self.tick
        for price, size in snapshot.bids + snapshot.asks:
            if price % step:
                step = _finer(step, price)
            if size < 0 or not 0 < price < ONE:
                _check_level(price, size)
        self.tick, self.step = tick, step
        slots = ONE // step + 1
        bids, asks = [0] * slots, [0] * slots
        for price, size in snapshot.bids:
            bids[price // step] = size
        for price, size in snapshot.asks:
            asks[price // step] = size
        self._bids, self._asks = bids, asks
        self._count_bid, self._count_ask = slots - bids.count(0), slots - asks.count(0)
        self._best_bid = next((p // step for p, s in snapshot.bids if s), 0)
        self._best_ask = next((p // step for p, s in snapshot.asks if s), slots - 1)
        self.seq += 1

    def apply_change(self, change: LevelChange) -> None:
        self.level_set(change.side is Side.BUY, change.price, change.size)

    def level_set(self, is_bid: bool, price: int, size: int) -> None:
        """Set the total size at one price; zero removes the level. The feed's inner loop calls this directly."""
        slot = price // self.step
        if slot * self.step != price or size < 0 or not 0 < price < ONE:
            _check_level(price, size)
            self._regrid(_finer(self.step, price))
            slot = price // self.step
        array = self._bids if is_bid else self._asks
        if size and array[slot]:
            array[slot] = size  # the common case: a level that exists gets another size
        elif is_bid:
            self._set_bid(slot, size)
        else:
            self._set_ask(slot, size)
        self.seq += 1

    def tick_set(self, tick: int) -> None:
        """Take the venue's new tick. Levels keep their prices: the array only ever gets finer to hold them."""
        self.tick = _checked_tick(tick)
        step = self.tick
        for price, _ in (*self.levels(Side.BUY), *self.levels(Side.SELL)):
            step = gcd(step, price)
        if step != self.step:
            self._regrid(step)
        self.seq += 1

    def _set_bid(self, slot: int, size: int) -> None:
        bids = self._bids
        before = bids[slot]
        bids[slot] = size
        if size:
            if not before:
                self._count_bid += 1
            if slot > self._best_bid:  # noqa: PLR1730 - max() costs three times as much here
                self._best_bid = slot
        elif before:
            self._count_bid -= 1
            if slot == self._best_bid:
                if self._count_bid:
                    slot -= 1
                    while not bids[slot]:
                        slot -= 1
                    self._best_bid = slot
                else:
                    self._best_bid = 0

    def _set_ask(self, slot: int, size: int) -> None:
        asks = self._asks
        before = asks[slot]
        asks[slot] = size
        if size:
            if not before:
                self._count_ask += 1
            if slot < self._best_ask:  # noqa: PLR1730
                self._best_ask = slot
        elif before:
            self._count_ask -= 1
            if slot == self._best_ask:
                if self._count_ask:
                    slot += 1
                    while not asks[slot]:
                        slot += 1
                    self._best_ask = slot
                else:
                    self._best_ask = len(asks) - 1

    def _regrid(self, step: int) -> None:
        bids, asks = self.levels(Side.BUY), self.levels(Side.SELL)
        self.step = step
        self._clear()
        for price, size in bids:
            self._set_bid(price // step, size)
        for price, size in asks:
            self._set_ask(price // step, size)

    # ---- reads ---------------------------------------------------------------------------

    def best_bid(self) -> int | None:
        return self._best_bid * self.step or None

    def best_ask(self) -> int | None:
        return self._best_ask * self.step if self._count_ask else None

    def size_at(self, side: Side, price: int) -> int:
        """Return the size resting at `price`: bids for BUY, asks for SELL."""
        slot, off_grid = divmod(price, self.step)
        if off_grid or not 0 < price < ONE:
            return 0
        return self._bids[slot] if side is Side.BUY else self._asks[slot]

    def levels(self, side: Side, depth: int | None = None) -> tuple[Level, ...]:
        """Return (price, size) best first: bids for BUY, asks for SELL; all of them without `depth`."""
        found: list[Level] = []
        step = self.step
        if side is Side.BUY:
            wanted = self._count_bid if depth is None else min(depth, self._count_bid)
            slot, move, array = self._best_bid, -1, self._bids
        else:
            wanted = self._count_ask if depth is None else min(depth, self._count_ask)
            slot, move, array = self._best_ask, 1, self._asks
        while len(found) < wanted:
            if array[slot]:
                found.append((slot * step, array[slot]))
            slot += move
        return tuple(found)

    def level_count(self, side: Side) -> int:
        return self._count_bid if side is Side.BUY else self._count_ask

    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best ask: impossible at a venue, so the book is wrong."""
        return self._count_bid > 0 and self._count_ask > 0 and self._best_bid >= self._best_ask

    def mid(self) -> int | None:
        """Return the middle of the best prices, None when a side is empty."""
        if not self._count_bid or not self._count_ask:
            return None
        return (self._best_bid + self._best_ask) * self.step // 2

    def microprice(self) -> int | None:
        """Return the middle weighted by the opposite size: nearer to the side about to be eaten."""
        if not self._count_bid or not self._count_ask:
            return None
        bid_size, ask_size = self._bids[self._best_bid], self._asks[self._best_ask]
        weighted = self._best_bid * ask_size + self._best_ask * bid_size
        return weighted * self.step // (bid_size + ask_size)

    def sweep(self, side: Side, size: int, limit: int) -> tuple[int, int]:
        """Return (filled, cost) of a taker on `side` for `size` no worse than `limit`.

        Cost is what a buyer pays, rounded up, or what a seller gets, rounded down. Nothing is removed.
        """
        filled = 0
        notional = 0
        for price, available in self.levels(side.opposite):
            if filled == size or (price > limit if side is Side.BUY else price < limit):
                break
            taken = min(available, size - filled)
            filled += taken
            notional += price * taken
        cost = notional_up(notional, 1) if side is Side.BUY else notional_down(notional, 1)
        return filled, cost


def _checked_tick(tick: int) -> int:
    if not FINEST_STEP <= tick < ONE or ONE % tick:
        raise BookError(f"tick: {tick} millionths does not divide a dollar into at most 10,000 steps")
    return tick


def _finer(step: int, price: int) -> int:
    finer = gcd(step, price)
    if finer < FINEST_STEP or ONE % finer:
        raise BookError(f"price: {price} millionths is finer than any tick")
    return finer


def _check_level(price: int, size: int) -> None:
    if not 0 < price < ONE:
        raise BookError(f"price: {price} millionths is not between 0 and 1")
    if size < 0:
        raise BookError(f"size: {size} millionths is negative")
