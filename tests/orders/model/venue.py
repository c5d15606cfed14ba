"""The model's venue: what really happened there, and the late and partial view of it that reads give."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from markets.domain.answers import AnswerKind
from orders.domain.exactly_once import Stage


@dataclass(slots=True)
class VenueTrade:
    trade_id: str
    order_hash: str
    size: int
    visible_at: int
    stage: Stage = Stage.MATCHED


@dataclass(slots=True)
class VenueOrder:
    key: str
    order_hash: str
    size: int
    visible_at: int
    filled: int = 0
    is_open: bool = True
    was_canceled: bool = False
    trades: list[VenueTrade] = field(default_factory=list)

    @property
    def exposure(self) -> int:
        """What it costs or may still cost: open size, and every fill that did not fail."""
        standing = sum(trade.size for trade in self.trades if trade.stage is not Stage.FAILED)
        return standing + (self.size - self.filled if self.is_open else 0)


class Venue:
    """Accepts one order per hash, except that it may forget a hash once the order is cancelled.

    A venue that forgets is never combined with requests that arrive minutes late, nor with a kill: against
    both at once nothing that ever sends the same bytes twice can promise a single acceptance. There the
    chain's own limit per hash is the last line: it fills no hash beyond its size.
    """

    def __init__(self, rng: random.Random, *, forgets: bool, tell: Callable[..., None]) -> None:
        self.rng = rng
        self.forgets = forgets
        self.tell = tell  # tell(delay_ms, kind, payload): a message of the user stream
        self.orders: list[VenueOrder] = []
        self.known: dict[str, VenueOrder] = {}
        self.accepted: dict[str, list[str]] = {}
        self._trades = 0

    def post(self, *, key: str, order_hash: str, size: int, rests: bool, now: int) -> AnswerKind:
        if order_hash in self.known:
            return AnswerKind.EXISTING
        if not rests and self.rng.random() < 0.5:
            return AnswerKind.REJECTED  # killed: nothing to match with
        order = VenueOrder(key, order_hash, size, now + self.lag())
        self.orders.append(order)
        self.known[order_hash] = order
        self.accepted.setdefault(key, []).append(order_hash)
        if not rests:
            self.fill(order, now, size)
            return AnswerKind.MATCHED
        return AnswerKind.LIVE

    def lag(self) -> int:
        return 0 if self.rng.random() < 0.6 else self.rng.randint(0, 70_000)

    def fill(self, order: VenueOrder, now: int, size: int) -> VenueTrade:
        self._trades += 1
        trade = VenueTrade(f"t{self._trades}", order.order_hash, size, now + self.lag())
        order.trades.append(trade)
        order.filled += size
        if order.filled == order.size:
            order.is_open = False
        self.announce(trade)
        return trade

    def announce(self, trade: VenueTrade) -> None:
        """Send the trade's stage over the stream: lost, delayed or repeated."""
        for _ in range(self.rng.choice((0, 1, 1, 1, 2, 3))):
            self.tell(self.rng.randint(0, 20_000), (trade.trade_id, trade.order_hash, trade.size, trade.stage))

    def cancel(self, order_hash: str) -> bool:
        """Return whether the order was open and now is not. An order that has not arrived is not found."""
        order = self.known.get(order_hash)
        if order is None or not order.is_open:
            return False
        order.is_open = False
        order.was_canceled = True
        if self.forgets:
            del self.known[order_hash]
        return True

    def open_now(self) -> list[VenueOrder]:
        return [order for order in self.orders if order.is_open]

    def read(self, order_hash: str, now: int) -> tuple[VenueOrder | None, list[VenueTrade]]:
        """Return what orders and trades show of this hash: active orders only, and late."""
        order = next((o for o in self.orders if o.order_hash == order_hash), None)
        if order is None:
            return None, []
        trades = [trade for trade in order.trades if trade.visible_at <= now]
        shown = order if order.is_open and order.visible_at <= now else None
        return shown, trades

    @property
    def exposure(self) -> int:
        return sum(order.exposure for order in self.orders)
