"""Simulated orders against a displayed book: the venue behind paper trading, backtests and replays.

One `PaperBook` per token. Feed it the token's events in order and it answers with `PaperFill` values:

    book = PaperBook(token_id, complement_id=other, tick=10_000, minimum_size=5_000_000, fee=schedule)
    book.on_snapshot(snapshot); book.on_change(change); book.on_trade(print)  # each returns list[PaperFill]
    book.on_tick(tick); book.on_gap()   # after a gap no order is taken until the next snapshot
    answer = book.place(PaperOrder(key=..., side=..., price=..., size=..., order_type=...), now_ms=...)
    answer.status    # live | matched | rejected | canceled;  answer.fills, answer.reason, answer.resting
    book.cancel(key); book.expire(now_ms); book.orders[key].ahead; book.restore(RestingOrder(...))

How fills come about:
  taker   the displayed levels up to the limit, less what our own orders took before (see taker.py), with fee;
  maker   a trade at our price first consumes the queue ahead of us, the rest of it is ours; a trade through our
          price fills us up to its size; an opposite level that reaches our price fills us up to its size.
          A book that is crossed in itself proves nothing, so it fills nobody.
Trades of the complementary token count too, mirrored (BUY at q on one is SELL at 1 - q on the other): pass
them to both books. The displayed books already mirror each other, so levels are not passed across.
A maker fill is at our own price and free. `inferred` marks fills caused by a trade that a replay deduced.
Latency is the caller's: call `place` when the order would arrive, or `submit` it with its arrival time.
Prices, sizes and cash are millionths. Sizes of FOK and FAK are shares. Nothing here reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from markets.domain.events import BookSnapshot, LevelChange, TradePrint
from markets.domain.instruments import FeeSchedule, Side
from markets.domain.units import ONE, is_on_tick, notional_up, text_from_micro
from markets.venues.simulated import refusals
from markets.venues.simulated.fees import taker_fee
from markets.venues.simulated.matching import OrderType
from markets.venues.simulated.queue import QueueModel, RestingOrder
from markets.venues.simulated.taker import DisplayedSide, Take

LOT = 10_000  # we fill in hundredths of a share, the unit of orders: on every tick that is an exact sum of money
MINIMUM_MARKETABLE = ONE  # a BUY that takes at once must be worth a dollar


class Role(StrEnum):
    MAKER = "maker"
    TAKER = "taker"


class PaperStatus(StrEnum):
    LIVE = "live"  # rests, perhaps after a partial fill
    MATCHED = "matched"  # filled at once
    CANCELED = "canceled"  # FAK remainder or FOK that could not be filled
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOrder:
    key: str
    side: Side
    price: int
    size: int
    order_type: OrderType = OrderType.GTC
    post_only: bool = False
    expires_ms: int | None = None  # when the venue takes it off (GTD)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFill:
    key: str
    role: Role
    price: int
    size: int
    fee: int
    at_ms: int
    filled: int  # of the order, after this fill
    inferred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperAnswer:
    status: PaperStatus
    fills: tuple[PaperFill, ...] = ()
    reason: str = ""
    resting: RestingOrder | None = None


class PaperBook:
    """The displayed book of one token with simulated orders in it. `orders` maps key to RestingOrder."""

    def __init__(
        self,
        token_id: str,
        *,
        tick: int,
        minimum_size: int,
        fee: FeeSchedule | None,
        complement_id: str = "",
        model: QueueModel = QueueModel.PESSIMISTIC,
    ) -> None:
        self.token_id = token_id
        self.complement_id = complement_id
        self.tick = tick
        self.minimum_size = minimum_size
        self.fee = fee
        self.model = model
        self.known = False  # a snapshot is needed first, and again after a gap
        self.bids = DisplayedSide(Side.BUY)
        self.asks = DisplayedSide(Side.SELL)
        self.orders: dict[str, RestingOrder] = {}  # in order of arrival
        self.traded: dict[tuple[Side, int], int] = {}  # trades not yet seen as shrinkage
        self._arrivals: list[tuple[int, PaperOrder]] = []

    # The displayed book -----------------------------------------------------------------------------

    def displayed(self, side: Side) -> DisplayedSide:
        return self.bids if side is Side.BUY else self.asks

    def is_crossed(self) -> bool:
        bid, ask = self.bids.best(), self.asks.best()
        return bid is not None and ask is not None and bid >= ask

    def on_snapshot(self, snapshot: BookSnapshot) -> list[PaperFill]:
        """Replace the displayed book; queues only shorten, and only as far as the new sizes show."""
        self.known = True
        if snapshot.tick is not None:
            self.tick = snapshot.tick
        for side, levels in ((Side.BUY, snapshot.bids), (Side.SELL, snapshot.asks)):
            new = dict(levels)
            for price in [p for p in self.displayed(side).levels if p not in new]:
                self.level_set(side, price, 0, snapshot.venue_ms)
            for price, size in new.items():
                self.level_set(side, price, size, snapshot.venue_ms)
        self.traded.clear()
        return self.crossings(snapshot.venue_ms)

    def on_gap(self) -> None:
        """Something may be missing: take no order until the next snapshot. Resting orders keep their place."""
        self.known = False

    def on_tick(self, tick: int) -> None:
        self.tick = tick

    def on_change(self, change: LevelChange) -> list[PaperFill]:
        self.level_set(change.side, change.price, change.size, change.venue_ms)
        return self.crossings(change.venue_ms)

    def level_set(self, side: Side, price: int, size: int, at_ms: int) -> None:
        """Set one displayed level and move our queues at its price: `on_change` without the crossings it may bring."""
        before = self.displayed(side).change(price, size)
        if not self.orders:
            return
        fallen = max(0, before - size)
        traded = self.traded.get((side, price), 0)
        if traded and fallen:
            self.traded[side, price] = max(0, traded - fallen)
        for order in self.orders.values():
            if order.side is side and order.price == price:
                order.level_changed(before, size, traded=traded, at_ms=at_ms, model=self.model)

    def crossings(self, at_ms: int) -> list[PaperFill]:
        """Return the fills of our orders that the opposite side reaches now."""
        fills: list[PaperFill] = []
        if not self.orders or self.is_crossed():
            return fills
        for side in (Side.BUY, Side.SELL):
            opposite = self.displayed(side.opposite)
            best = opposite.best()
            if best is None:
                continue
            for order in self._on_side(side):
                if (order.price < best) if side is Side.BUY else (order.price > best):
                    break
                takes = opposite.plan(order.remaining, order.price, unit=LOT)
                size = sum(take.size for take in takes)
                if size > 0:
                    order.ahead = 0
                    opposite.take(takes)
                    fills.append(self._fill(order, size, at_ms, inferred=False))
        return fills

    def on_trade(self, trade: TradePrint) -> list[PaperFill]:
        """Account for a trade of this token or, mirrored, of the complementary one."""
        if trade.token_id == self.token_id:
            hit, price = trade.side.opposite, trade.price
        elif trade.token_id == self.complement_id:
            hit, price = trade.side, ONE - trade.price
        else:
            raise ValueError(f"trade of token {trade.token_id} given to the book of {self.token_id}")
        if not self.orders:
            return []
        self.traded[hit, price] = self.traded.get((hit, price), 0) + trade.size
        fills: list[PaperFill] = []
        left = trade.size
        for order in self._on_side(hit):
            if left <= 0:
                break
            if order.price == price:
                size = order.traded_at_price(left, at_ms=trade.venue_ms)
            elif (order.price > price) is (hit is Side.BUY):
                order.ahead = 0  # the taker passed our price, so nobody was left before us
                size = min(order.remaining, left)
            else:
                continue
            if size < order.remaining:
                size -= size % LOT
            if size > 0:
                left -= size
                fills.append(self._fill(order, size, trade.venue_ms, inferred=trade.inferred))
        return fills

    # Orders -----------------------------------------------------------------------------------------

    def submit(self, order: PaperOrder, *, arrives_ms: int) -> None:
        """Keep the order until `advance` reaches its arrival."""
        self._arrivals.append((arrives_ms, order))
        self._arrivals.sort(key=lambda pair: pair[0])

    def advance(self, now_ms: int) -> list[tuple[str, PaperAnswer]]:
        """Place what has arrived by `now_ms` and return the answers by key."""
        answers: list[tuple[str, PaperAnswer]] = []
        while self._arrivals and self._arrivals[0][0] <= now_ms:
            arrived_ms, order = self._arrivals.pop(0)
            answers.append((order.key, self.place(order, now_ms=arrived_ms)))
        return answers

    def place(self, order: PaperOrder, *, now_ms: int) -> PaperAnswer:
        if reason := self._refusal(order):
            return PaperAnswer(status=PaperStatus.REJECTED, reason=reason)
        opposite = self.displayed(order.side.opposite)
        takes = [] if self.is_crossed() else opposite.plan(order.size, order.price, unit=LOT)
        matched = sum(take.size for take in takes)
        if answer := _turned_away(order, matched):
            return answer
        opposite.take(takes)
        fills = self._taker_fills(order, takes, now_ms)
        if matched == order.size:
            return PaperAnswer(status=PaperStatus.MATCHED, fills=fills)
        if order.order_type is OrderType.FAK:
            return PaperAnswer(status=PaperStatus.CANCELED, fills=fills, reason="the rest found no match")
        resting = RestingOrder(
            key=order.key,
            side=order.side,
            price=order.price,
            size=order.size,
            placed_ms=now_ms,
            filled=matched,
            ahead=self.displayed(order.side).size_at(order.price),
            expires_ms=order.expires_ms,
        )
        if not self.orders:
            self.traded.clear()  # nobody was there to see what became of older trades
        self.orders[order.key] = resting
        return PaperAnswer(status=PaperStatus.LIVE, fills=fills, resting=resting)

    def restore(self, order: RestingOrder) -> None:
        """Put a persisted order back where it stood. Restore oldest first."""
        self.orders[order.key] = order

    def cancel(self, key: str) -> RestingOrder | None:
        """Take the order off and return it as it stood; None when it is not here (any more)."""
        self._arrivals = [pair for pair in self._arrivals if pair[1].key != key]
        return self.orders.pop(key, None)

    def expire(self, now_ms: int) -> list[RestingOrder]:
        """Take off and return the orders whose time is over."""
        over = [o for o in self.orders.values() if o.expires_ms is not None and o.expires_ms <= now_ms]
        for order in over:
            del self.orders[order.key]
        return over

    # Inside -----------------------------------------------------------------------------------------

    def _refusal(self, order: PaperOrder) -> str:
        if not self.known:
            return "no current book for this token"
        if order.key in self.orders:
            return refusals.duplicated(order.key)
        if not is_on_tick(order.price, self.tick):
            return refusals.off_tick(order.key, text_from_micro(order.price), text_from_micro(self.tick))
        # The venue is reported not to apply its minimum to FAK orders.
        if order.size < (1 if order.order_type is OrderType.FAK else self.minimum_size):
            return refusals.too_small(order.key, text_from_micro(order.size), text_from_micro(self.minimum_size))
        if order.post_only and order.order_type in (OrderType.FOK, OrderType.FAK):
            return refusals.POST_ONLY_TYPE
        return ""

    def _taker_fills(self, order: PaperOrder, takes: list[Take], now_ms: int) -> tuple[PaperFill, ...]:
        fills: list[PaperFill] = []
        filled = 0
        for take in takes:
            filled += take.size
            fee = taker_fee(take.price, take.size, self.fee)
            fills.append(
                PaperFill(
                    key=order.key,
                    role=Role.TAKER,
                    price=take.price,
                    size=take.size,
                    fee=fee,
                    at_ms=now_ms,
                    filled=filled,
                )
            )
        return tuple(fills)

    def _on_side(self, side: Side) -> list[RestingOrder]:
        """Return our orders on a side by price, then time."""
        sign = -1 if side is Side.BUY else 1
        return sorted((o for o in self.orders.values() if o.side is side), key=lambda o: sign * o.price)

    def _fill(self, order: RestingOrder, size: int, at_ms: int, *, inferred: bool) -> PaperFill:
        order.filled += size
        if order.remaining <= 0:
            del self.orders[order.key]
        return PaperFill(
            key=order.key,
            role=Role.MAKER,
            price=order.price,
            size=size,
            fee=0,
            at_ms=at_ms,
            filled=order.filled,
            inferred=inferred,
        )


def _turned_away(order: PaperOrder, matched: int) -> PaperAnswer | None:
    """Return the answer when an order that would match `matched` shares at once may not go on."""
    if matched and order.post_only:
        return PaperAnswer(status=PaperStatus.REJECTED, reason=refusals.POST_ONLY_CROSSES)
    if order.order_type is OrderType.FOK and matched < order.size:
        return PaperAnswer(status=PaperStatus.CANCELED, reason=refusals.FOK_NOT_FILLED)
    if order.order_type is OrderType.FAK and not matched:
        return PaperAnswer(status=PaperStatus.CANCELED, reason=refusals.FAK_NO_MATCH)
    worth = notional_up(order.price, order.size)
    if matched and order.side is Side.BUY and worth < MINIMUM_MARKETABLE:
        reason = refusals.marketable_too_small(text_from_micro(worth))
        return PaperAnswer(status=PaperStatus.REJECTED, reason=reason)
    return None
