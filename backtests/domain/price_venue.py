"""The venue's side of a price series: no book, so an order gets the price there is, made worse by the slippage.

An order arrives at the last price p. A buy takes at t = p + slippage when its limit is at least t, whole and with the
taker's fee; otherwise a resting one waits, and is filled whole at its own price, without a fee, by the first later
price whose t reaches it: goes below it for the pessimistic assumption, touches it for the others. Sells are the
mirror. Slippage is rounded against us. Nobody knows whether the shares were there: low fidelity, and labelled so.
"""

from __future__ import annotations

from dataclasses import dataclass

from backtests.domain.clock import Rows
from backtests.domain.fees_by_date import FeeCalendar
from backtests.domain.request import BacktestRequest, QueueAssumption, Slippage
from backtests.domain.result import OrderEnd
from backtests.domain.venue import CLOSED, MS, NO_FEE, Effect, Ended, Filled, Rests
from markets.domain.instruments import MarketFacts, Side
from markets.domain.tape import Kind
from markets.domain.units import ONE, is_on_tick, notional_up, text_from_micro
from markets.venues.simulated import refusals
from markets.venues.simulated.fees import taker_fee
from markets.venues.simulated.matching import OrderType
from markets.venues.simulated.paper import MINIMUM_MARKETABLE, PaperFill, PaperOrder, Role


@dataclass(slots=True)
class _Resting:
    outcome: int
    order: PaperOrder


class PriceMarket:
    """Prices of both outcomes, driven by the rows of the tape. Looks like `VenueMarket` to a replay."""

    def __init__(
        self, facts: MarketFacts, rows: Rows, *, request: BacktestRequest, fees: FeeCalendar, mirrored: int | None
    ) -> None:
        self.facts = facts
        self.rows = rows
        self.effects: list[Effect] = []
        self.resolved = False
        self.has_orders = False
        self.fees = fees
        self._request = request
        self._strict = request.queue is QueueAssumption.PESSIMISTIC
        self._mirrored = mirrored
        self._tick = int(facts.tick)
        self._prices: list[int | None] = [None, None]
        self._orders: dict[str, _Resting] = {}

    def advance(self, limit_ns: int) -> bool:
        """Let prices happen up to `limit_ns`, or to the first row that moves one of our orders: then return True."""
        rows = self.rows
        while rows.next_ns <= limit_ns:
            stop = rows.until(limit_ns)
            for k in range(rows.i, stop):
                self._row(rows.ops[k], rows.prices[k], rows.times[k])
                if self.effects:
                    rows.move(k + 1)
                    return True
            rows.move(stop)
        return False

    def _row(self, op: int, price: int, at_ns: int) -> None:
        kind, outcome = op >> 2, op >> 1 & 1
        if kind == Kind.PRICE:
            self._price(outcome, price, at_ns)
            if self._mirrored is not None:
                self._price(1 - outcome, ONE - price, at_ns)
        elif kind == Kind.TICK:
            self._tick = price
        elif kind == Kind.GAP:
            self._prices[outcome] = None
            if self._mirrored is not None:
                self._prices[1 - outcome] = None
        elif kind == Kind.RESOLVED and not self.resolved:
            self.resolved = True
            self.effects += [Ended(at_ns, key, OrderEnd.CANCELED, CLOSED) for key in self._orders]
            self._orders.clear()
            self.has_orders = False

    def _price(self, outcome: int, price: int, at_ns: int) -> None:
        self._prices[outcome] = price
        for key, resting in list(self._orders.items()):
            order = resting.order
            if resting.outcome != outcome or not self._reaches(order, self._taken_at(order.side, price)):
                continue
            del self._orders[key]
            fill = PaperFill(
                key=key,
                role=Role.MAKER,
                price=order.price,
                size=order.size,
                fee=0,
                at_ms=at_ns // MS,
                filled=order.size,
            )
            self.effects.append(Filled(at_ns, key, fill, price))
        self.has_orders = bool(self._orders)

    def _reaches(self, order: PaperOrder, at: int) -> bool:
        beyond = order.price - at if order.side is Side.BUY else at - order.price
        return beyond > 0 if self._strict else beyond >= 0

    def _taken_at(self, side: Side, price: int) -> int:
        amount = self._request.slippage_amount
        if self._request.slippage is Slippage.NONE:
            worse = 0
        elif self._request.slippage is Slippage.FIXED:
            worse = amount
        else:
            worse = -(-price * amount // ONE)
        return price + worse if side is Side.BUY else price - worse

    # Orders -------------------------------------------------------------------------------------------

    def is_known(self, outcome: int) -> bool:
        return self._prices[outcome] is not None

    def refusal(self) -> str:
        return CLOSED if self.resolved else ""

    def crosses(self, outcome: int, order: PaperOrder) -> bool:
        price = self._prices[outcome]
        if price is None:
            return False
        at = self._taken_at(order.side, price)
        within = order.price >= at if order.side is Side.BUY else order.price <= at
        return within and 0 < at < ONE

    def place(self, outcome: int, order: PaperOrder, *, at_ns: int) -> None:
        fee, price = self.fees.at(at_ns), self._prices[outcome]
        if fee is None:
            self._end(order, OrderEnd.REJECTED, NO_FEE, at_ns)
        elif price is None:
            self._end(order, OrderEnd.REJECTED, refusals.NO_BOOK, at_ns)
        elif reason := self._refusal(order):
            self._end(order, OrderEnd.REJECTED, reason, at_ns)
        elif self.crosses(outcome, order):
            self._take(outcome, order, self._taken_at(order.side, price), at_ns)
        elif order.order_type in (OrderType.FOK, OrderType.FAK):
            fok = order.order_type is OrderType.FOK
            self._end(order, OrderEnd.CANCELED, refusals.FOK_NOT_FILLED if fok else refusals.FAK_NO_MATCH, at_ns)
        else:
            self._rest(outcome, order, at_ns)

    def cancel(self, outcome: int, key: str, *, at_ns: int, end: OrderEnd = OrderEnd.CANCELED) -> bool:
        if self._orders.pop(key, None) is None:
            return False
        self.effects.append(Ended(at_ns, key, end))
        self.has_orders = bool(self._orders)
        return True

    def _take(self, outcome: int, order: PaperOrder, at: int, at_ns: int) -> None:
        worth = notional_up(order.price, order.size)
        if order.post_only and order.price != at:
            return self._end(order, OrderEnd.REJECTED, refusals.POST_ONLY_CROSSES, at_ns)
        if order.post_only:  # at the very price: it joins who is there
            return self._rest(outcome, order, at_ns)
        if order.side is Side.BUY and worth < MINIMUM_MARKETABLE:
            reason = refusals.marketable_too_small(text_from_micro(worth))
            return self._end(order, OrderEnd.REJECTED, reason, at_ns)
        fill = PaperFill(
            key=order.key,
            role=Role.TAKER,
            price=at,
            size=order.size,
            fee=taker_fee(at, order.size, self.fees.at(at_ns)),
            at_ms=at_ns // MS,
            filled=order.size,
        )
        self.effects.append(Filled(at_ns, order.key, fill, self._prices[outcome] or -1))
        return None

    def _rest(self, outcome: int, order: PaperOrder, at_ns: int) -> None:
        self._orders[order.key] = _Resting(outcome, order)
        self.has_orders = True
        self.effects.append(Rests(at_ns, order.key))

    def _refusal(self, order: PaperOrder) -> str:
        if not is_on_tick(order.price, self._tick):
            return refusals.off_tick(order.key, text_from_micro(order.price), text_from_micro(self._tick))
        smallest = 1 if order.order_type is OrderType.FAK else int(self.facts.minimum_size)
        if order.size < smallest:
            return refusals.too_small(order.key, text_from_micro(order.size), text_from_micro(smallest))
        if order.post_only and order.order_type in (OrderType.FOK, OrderType.FAK):
            return refusals.POST_ONLY_TYPE
        return ""

    def _end(self, order: PaperOrder, end: OrderEnd, reason: str, at_ns: int) -> None:
        self.effects.append(Ended(at_ns, order.key, end, reason))
