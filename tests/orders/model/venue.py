"""The model's venue: what really happened there, and the late and partial view of it that reads give.

It keeps books of its own, in its own arithmetic: shares and dollars of every account in millionths.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from markets.domain.answers import AnswerKind
from orders.domain.exactly_once import Stage
from tests.orders.model.luck import Luck

MILLION = 1_000_000
FEE_PPM = 20_000  # of the notional, from takers


@dataclass(frozen=True, slots=True)
class Intent:
    """What a strategy wants. `slot` is its place: one order at a time."""

    key: str
    account: int
    token: int
    sells: bool
    size: int
    price: int
    rests: bool

    @property
    def slot(self) -> tuple[int, int, bool]:
        return self.account, self.token, self.sells


@dataclass(slots=True)
class VenueTrade:
    trade_id: str
    order_hash: str
    size: int
    fee: int
    visible_at: int
    stage: Stage = Stage.MATCHED
    history: list[Stage] = field(default_factory=lambda: [Stage.MATCHED])

    @property
    def stands(self) -> bool:
        return self.stage is not Stage.FAILED


@dataclass(slots=True)
class VenueOrder:
    intent: Intent
    order_hash: str
    visible_at: int
    filled: int = 0
    is_open: bool = True
    trades: list[VenueTrade] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.intent.size

    @property
    def standing(self) -> int:
        return sum(trade.size for trade in self.trades if trade.stands)

    @property
    def open_size(self) -> int:
        return self.size - self.filled if self.is_open else 0

    def cash_of(self, trade: VenueTrade) -> int:
        """What the trade does to the account's dollars: a buyer pays the next millionth up, a seller gets less."""
        exact = self.intent.price * trade.size
        return (exact if self.intent.sells else -exact) // MILLION - trade.fee


class Oversold(Exception):
    """The account sells what is not settled, or not there."""


class Venue:
    """Accepts one order per hash, except that it may forget a hash once the order is cancelled.

    A venue that forgets is never combined with requests that arrive minutes late, nor with a kill: against
    both at once nothing that ever sends the same bytes twice can promise a single acceptance. There the
    chain's own limit per hash is the last line: it fills no hash beyond its size.
    """

    def __init__(self, luck: Luck, *, shares: int, tell: Callable[..., None]) -> None:
        self.luck = luck
        self.forgets = luck.fault("venue forgets", chance=0.5) is not None
        self.tell = tell  # tell(delay_ms, (trade id, hash, size, fee, stage)): the user stream
        self.opening_shares = shares  # of every token of every account
        self.orders: list[VenueOrder] = []
        self.known: dict[str, VenueOrder] = {}
        self.accepted: defaultdict[str, list[str]] = defaultdict(list)
        self.changed = True  # since somebody looked
        self._trades = 0

    def post(self, intent: Intent, order_hash: str, now: int) -> AnswerKind:
        if order_hash in self.known:
            return AnswerKind.EXISTING
        if not intent.rests and self.luck.of(f"killed {order_hash}").random() < 0.5:
            return AnswerKind.REJECTED  # nothing to match with
        if intent.sells and intent.size > self.sellable(intent.account, intent.token):
            raise Oversold(f"{intent.key} sells {intent.size} of {self.sellable(intent.account, intent.token)}")
        order = VenueOrder(intent, order_hash, now + self.lag(f"order {order_hash}"))
        self.orders.append(order)
        self.changed = True
        self.known[order_hash] = order
        self.accepted[intent.key].append(order_hash)
        if not intent.rests:
            self.fill(order, now, intent.size, fee=intent.price * intent.size // MILLION * FEE_PPM // MILLION)
            return AnswerKind.MATCHED
        return AnswerKind.LIVE

    def lag(self, name: str) -> int:
        draws = self.luck.fault(f"read lag:{name}", chance=0.4)
        return draws.randint(0, 70_000) if draws else 0

    def fill(self, order: VenueOrder, now: int, size: int, *, fee: int = 0) -> VenueTrade:
        self._trades += 1
        self.changed = True
        name = f"t{self._trades}"
        trade = VenueTrade(name, order.order_hash, size, fee, now + self.lag(name))
        order.trades.append(trade)
        order.filled += size
        if order.filled == order.size:
            order.is_open = False
        self.announce(trade)
        return trade

    def settle(self, trade: VenueTrade, stage: Stage) -> None:
        self.changed = True
        trade.stage = stage
        trade.history.append(stage)
        self.announce(trade)

    def announce(self, trade: VenueTrade) -> None:
        """Send the trade's stage over the stream: lost, delayed or repeated."""
        name = f"{trade.trade_id} {trade.stage}"
        draws = self.luck.of(f"tell {name}")
        copies = 1
        if self.luck.fault(f"message lost:{name}", chance=0.17):
            copies = 0
        elif self.luck.fault(f"message repeated:{name}", chance=0.33):
            copies = 2 + draws.randint(0, 1)
        for _ in range(copies):
            message = (trade.trade_id, trade.order_hash, trade.size, trade.fee, trade.stage)
            self.tell(draws.randint(0, 20_000), message)

    def cancel(self, order_hash: str) -> bool:
        """Return whether the order was open and now is not. An order that has not arrived is not found."""
        order = self.known.get(order_hash)
        if order is None or not order.is_open:
            return False
        order.is_open = False
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

    # --- its books ---

    def trades_of(self, account: int, token: int | None = None) -> list[tuple[VenueOrder, VenueTrade]]:
        return [
            (order, trade)
            for order in self.orders
            if order.intent.account == account and token in (None, order.intent.token)
            for trade in order.trades
            if trade.stands
        ]

    def sellable(self, account: int, token: int) -> int:
        """Settled shares, less every sale and every open sell."""
        held = self.opening_shares
        for order, trade in self.trades_of(account, token):
            if order.intent.sells:
                held -= trade.size
            elif trade.stage is Stage.CONFIRMED:
                held += trade.size
        mine = (o for o in self.orders if o.intent.account == account and o.intent.token == token and o.intent.sells)
        return held - sum(order.open_size for order in mine)

    def shares(self, account: int, token: int) -> int:
        trades = self.trades_of(account, token)
        return self.opening_shares + sum(-t.size if order.intent.sells else t.size for order, t in trades)

    def cash(self, account: int) -> int:
        """What all standing trades did to the account's dollars."""
        return sum(order.cash_of(trade) for order, trade in self.trades_of(account))

    def exposure(self, account: int) -> int:
        """Shares it may come to hold: every buy that did not fail and open buys, less settled sells only."""
        total = 0
        for order in self.orders:
            if order.intent.account == account:
                if order.intent.sells:
                    total -= sum(trade.size for trade in order.trades if trade.stage is Stage.CONFIRMED)
                else:
                    total += order.standing + order.open_size
        return total
