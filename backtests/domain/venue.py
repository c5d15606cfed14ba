"""The venue's side of one market in a replay: its books, our orders in them, and what happens to those.

Matching is `PaperBook`'s. Rows that cannot touch anything of ours only set a displayed level: the book is asked when a
price holds an order, a trade or something taken of ours, or when a level reaches one of our orders. Effects are
collected in `effects` with their moment, for the replay to tell when they become known. Times are nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from backtests.domain.clock import LEVELS, Rows
from backtests.domain.fees_by_date import FeeCalendar
from backtests.domain.guard import Guard, concerns, guard_of
from backtests.domain.result import OrderEnd
from markets.domain.events import BookSnapshot, TradePrint
from markets.domain.instruments import MarketFacts, Side
from markets.domain.tape import INFERRED, LAST, Fidelity, Kind
from markets.domain.units import ONE
from markets.domain.views import VIEW_DEPTH
from markets.venues.simulated.paper import PaperBook, PaperFill, PaperOrder, PaperStatus, Role
from markets.venues.simulated.queue import QueueModel

MS = 10**6
_TRADE, _CLEAR, _TICK, _GAP, _RESOLVED = Kind.TRADE, Kind.CLEAR, Kind.TICK, Kind.GAP, Kind.RESOLVED
NO_BOOK = "no live order book to match against"
CLOSED = "the market is resolved and takes no orders"
NO_FEE = "fee rate not found for market"
_ENDS = {
    PaperStatus.MATCHED: OrderEnd.FILLED,
    PaperStatus.CANCELED: OrderEnd.CANCELED,
    PaperStatus.REJECTED: OrderEnd.REJECTED,
}


@dataclass(frozen=True, slots=True)
class Filled:
    """A fill at the venue. `mid` is of the traded outcome after the event, -1 where a side is missing."""

    at_ns: int
    key: str
    fill: PaperFill
    mid: int


@dataclass(frozen=True, slots=True)
class Ended:
    at_ns: int
    key: str
    end: OrderEnd
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rests:
    """The venue has taken the order; it rests, or is held."""

    at_ns: int
    key: str
    held: bool = False


Effect = Filled | Ended | Rests


class VenueMarket:
    """Books of both outcomes, driven by the rows of the tape."""

    def __init__(
        self,
        facts: MarketFacts,
        rows: Rows,
        *,
        model: QueueModel,
        fees: FeeCalendar,
        fidelity: Fidelity,
        mirrored: int | None,
    ) -> None:
        self.facts = facts
        self.rows = rows
        self.effects: list[Effect] = []
        self.resolved = False
        self.fees = fees
        self._trades_fill = fidelity is not Fidelity.TOP_OF_BOOK
        self._mirrored = mirrored
        tokens = [outcome.token_id or str(outcome.outcome_id) for outcome in facts.outcomes]
        self.tokens = tokens
        self.books = tuple(
            PaperBook(
                tokens[i],
                complement_id=tokens[1 - i],
                tick=facts.tick,
                minimum_size=facts.minimum_size,
                fee=None,
                model=model,
            )
            for i in (0, 1)
        )
        self._guards = [Guard(), Guard()]
        self._nowhere: dict[int, int] = {}  # levels of a book that is not known
        self._levels: list[dict[int, int]] = [self._nowhere] * LEVELS
        self.has_orders = False
        self._guarded = False  # something of ours is in a book: an order, or what one took

    # Time -------------------------------------------------------------------------------------------

    def advance(self, limit_ns: int) -> bool:
        """Let messages happen up to `limit_ns`, or to the first row that moves one of our orders: then return True."""
        rows = self.rows
        while rows.next_ns <= limit_ns:
            stop = rows.until(limit_ns)
            if self._guarded:
                at = self._watchfully(rows.i, stop)
                if at:
                    rows.move(at)
                    return True
            else:
                self._quickly(rows.i, stop)
            rows.move(stop)
        return False

    def _quickly(self, start: int, stop: int) -> None:
        """Apply rows while nothing of ours is in the books."""
        rows, levels = self.rows, self._levels
        k = start
        for op, price, size in zip(rows.ops[start:stop], rows.prices[start:stop], rows.sizes[start:stop], strict=True):
            if op < LEVELS:
                if size:
                    levels[op][price] = size
                else:
                    levels[op].pop(price, None)
            elif op >> 2 != _TRADE:
                self._special(op, k, price)
            k += 1

    def _watchfully(self, start: int, stop: int) -> int:
        """Apply rows; return the index after the first that moved an order of ours, 0 for none."""
        rows, levels, effects, guards = self.rows, self._levels, self.effects, self._guards
        k = start
        for op, price, size in zip(rows.ops[start:stop], rows.prices[start:stop], rows.sizes[start:stop], strict=True):
            k += 1
            if op < LEVELS:
                guard = guards[op >> 1]
                if (
                    price in guard.hot[op & 1]
                    or guard.touching
                    or (size and (price >= guard.lowest_ask if op & 1 else price <= guard.highest_bid))
                ):
                    self._level(op, price, size, rows.times[k - 1])
                elif size:
                    levels[op][price] = size
                    continue
                else:
                    levels[op].pop(price, None)
                    continue
            elif op >> 2 == _TRADE:
                self._trade(op, k - 1, price, size)
            else:
                self._special(op, k - 1, price)
            if effects:
                return k
        if not self.has_orders:
            self._guarded = self._is_active(0) or self._is_active(1)
        return 0

    # Rows that concern us -----------------------------------------------------------------------------

    def _level(self, op: int, price: int, size: int, at_ns: int) -> None:
        """Set a level that may concern an order of ours, or one in the mirrored book."""
        outcome, bid = op >> 1, op & 1
        guard, book = self._guards[outcome], self.books[outcome]
        if not book.known:
            return
        reaches = guard.touching or (size and (price >= guard.lowest_ask if bid else price <= guard.highest_bid))
        mirrored, other = self._mirrored, price in guard.mirrored[bid]
        before = self._levels[op].get(price, 0) if other else 0
        if price in guard.own[bid]:
            side = _SIDES[bid]
            book.level_set(side, price, size, at_ns // MS)
            if not concerns(book, side, price):
                guard.drop(bid, price, mirrored=False)
        elif size:
            self._levels[op][price] = size
        else:
            self._levels[op].pop(price, None)
        if other and mirrored is not None:
            self._level_mirrored(guard, bid, price, sizes=(before, size), at_ns=at_ns)
        if reaches:
            self._fills(outcome, book.crossings(at_ns // MS), at_ns)
            if mirrored is not None and self.books[mirrored].orders:
                self._sync()
                self._fills(mirrored, self.books[mirrored].crossings(at_ns // MS), at_ns)
            self._guard(outcome)

    def _level_mirrored(self, guard: Guard, bid: int, price: int, *, sizes: tuple[int, int], at_ns: int) -> None:
        """Set the level's mirror, in whose book something of ours stands at that price."""
        assert self._mirrored is not None  # noqa: S101 - nothing is watched for a mirror that there is not
        book, side, at = self.books[self._mirrored], _SIDES[1 - bid], ONE - price
        before, size = sizes
        shown = book.displayed(side).levels  # not kept up to date: say what stood there
        if before:
            shown[at] = before
        else:
            shown.pop(at, None)
        book.level_set(side, at, size, at_ns // MS)
        if not concerns(book, side, at):
            guard.drop(bid, price, mirrored=True)

    def _trade(self, op: int, k: int, price: int, size: int) -> None:
        if not (self._trades_fill and self.has_orders):
            return
        rows, outcome = self.rows, op >> 1 & 1
        at_ns = rows.times[k]
        trade = TradePrint(
            token_id=self.tokens[outcome],
            side=_SIDES[op & 1],
            price=price,
            size=size,
            venue_ms=at_ns // MS,
            received_ns=at_ns,
            inferred=bool(rows.flags[k] & INFERRED),
        )
        for index, book in enumerate(self.books):
            if book.orders:
                fills = book.on_trade(trade)
                # The side that was hit: a buyer hits asks of his outcome, and bids of the other.
                source = index if self._mirrored is None else 1 - self._mirrored
                own = source == outcome
                self._guards[source].add((op & 1) ^ own, price if own else ONE - price, mirrored=index != source)
                if fills:
                    self._fills(index, fills, at_ns)
                    self._guard(source)

    def _special(self, op: int, k: int, price: int) -> None:
        kind, outcome = op >> 2, op >> 1 & 1
        which = (0, 1) if self._mirrored is not None else (outcome,)
        if kind == _CLEAR:
            self._clear(outcome, k)
        elif kind == _TICK:
            for index in which:
                self.books[index].on_tick(price)
        elif kind == _GAP:
            for index in which:
                self.books[index].on_gap()
                self._levels[2 * index] = self._levels[2 * index + 1] = self._nowhere
        elif kind == _RESOLVED and not self.resolved:
            self.resolved = True
            for book in self.books:
                for key in list(book.orders):
                    book.cancel(key)
                    self.effects.append(Ended(self.rows.times[k], key, OrderEnd.CANCELED, CLOSED))
            self._orders_changed()

    def _clear(self, outcome: int, k: int) -> None:
        """Take the whole new book of an outcome: the level rows of it up to the end of the message."""
        rows = self.rows
        sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        row = k
        while not rows.flags[row] & LAST:
            row += 1
            op = rows.ops[row]
            if op < LEVELS and op >> 1 == outcome and rows.sizes[row]:
                sides[op & 1][rows.prices[row]] = rows.sizes[row]
        self._replace(outcome, asks=sides[0], bids=sides[1], at_ns=rows.times[k])
        if self._mirrored is not None and self._is_active(1 - outcome):
            self._replace(1 - outcome, asks=_mirror(sides[1]), bids=_mirror(sides[0]), at_ns=rows.times[k])
            self._guard(outcome)
        elif self._mirrored is not None:
            self.books[1 - outcome].known = True

    def _replace(self, outcome: int, *, asks: dict[int, int], bids: dict[int, int], at_ns: int) -> None:
        book = self.books[outcome]
        if self._is_active(outcome):
            snapshot = BookSnapshot(
                token_id=book.token_id,
                bids=tuple(bids.items()),
                asks=tuple(asks.items()),
                venue_ms=at_ns // MS,
                received_ns=at_ns,
            )
            self._fills(outcome, book.on_snapshot(snapshot), at_ns)
        else:
            book.known = True
            book.bids.levels, book.asks.levels = bids, asks
        if outcome != self._mirrored:
            self._levels[2 * outcome], self._levels[2 * outcome + 1] = book.asks.levels, book.bids.levels
            self._guard(outcome)

    # Orders -------------------------------------------------------------------------------------------

    def is_known(self, outcome: int) -> bool:
        return self.books[outcome].known

    def crosses(self, outcome: int, order: PaperOrder) -> bool:
        """Whether the order would take from the book as it stands."""
        self._wake(outcome)
        return bool(self.books[outcome].displayed(order.side.opposite).plan(order.size, order.price))

    def refusal(self) -> str:
        """Return why the market takes no order now, or nothing."""
        return CLOSED if self.resolved else ""

    def place(self, outcome: int, order: PaperOrder, *, at_ns: int) -> None:
        """Let the order match and rest. Its effects follow in `effects`."""
        self._wake(outcome)
        book = self.books[outcome]
        book.fee = self.fees.at(at_ns)
        if book.fee is None:
            self.effects.append(Ended(at_ns, order.key, OrderEnd.REJECTED, NO_FEE))
            return
        answer = book.place(order, now_ms=at_ns // MS)
        self._fills(outcome, list(answer.fills), at_ns)
        if answer.resting is not None:
            answer.resting.ahead = self._ahead(book, answer.resting.side, answer.resting.price, answer.resting.ahead)
            self.effects.append(Rests(at_ns, order.key))
        elif answer.status is not PaperStatus.MATCHED:
            self.effects.append(Ended(at_ns, order.key, _ENDS[answer.status], answer.reason))
        self._orders_changed()

    def cancel(self, outcome: int, key: str, *, at_ns: int, end: OrderEnd = OrderEnd.CANCELED) -> bool:
        """Take an order off; return whether it still rested."""
        if self.books[outcome].cancel(key) is None:
            return False
        self.effects.append(Ended(at_ns, key, end))
        self._orders_changed()
        return True

    # Inside -------------------------------------------------------------------------------------------

    def _ahead(self, book: PaperBook, side: Side, price: int, ahead: int) -> int:
        """Return the queue before a new order; deeper than the book shows, as much as its largest level (as paper)."""
        levels = book.displayed(side).levels
        if price in levels or len(levels) < VIEW_DEPTH:
            return ahead
        deeper = price < min(levels) if side is Side.BUY else price > max(levels)
        return max(levels.values()) if deeper else ahead

    def _fills(self, outcome: int, fills: list[PaperFill], at_ns: int) -> None:
        if not fills:
            return
        mid = self._mid(outcome)
        for fill in fills:
            self.effects.append(Filled(at_ns, fill.key, fill, mid))
        gone = [fill.key for fill in fills if fill.role is Role.MAKER and fill.key not in self.books[outcome].orders]
        if gone:
            self._orders_changed()

    def _mid(self, outcome: int) -> int:
        mirrored = outcome == self._mirrored
        book = self.books[1 - outcome if mirrored else outcome]
        bid, ask = book.bids.best(), book.asks.best()
        if bid is None or ask is None:
            return -1
        return (2 * ONE - bid - ask) // 2 if mirrored else (bid + ask) // 2

    def _is_active(self, outcome: int) -> bool:
        book = self.books[outcome]
        return bool(book.orders or book.bids.taken or book.asks.taken)

    def _wake(self, outcome: int) -> None:
        """Bring a mirrored book up to date before it is looked at."""
        if outcome == self._mirrored:
            self._sync()

    def _sync(self) -> None:
        """Show in the mirrored book what the recorded one shows. Prices of ours in it are up to date already."""
        assert self._mirrored is not None  # noqa: S101 - only then
        source, book = self.books[1 - self._mirrored], self.books[self._mirrored]
        book.known = source.known
        book.bids.levels, book.asks.levels = _mirror(source.asks.levels), _mirror(source.bids.levels)

    def _orders_changed(self) -> None:
        self.has_orders = bool(self.books[0].orders or self.books[1].orders)
        self._guarded = self.has_orders or self._is_active(0) or self._is_active(1)
        if self._mirrored is None:
            self._guard(0)
            self._guard(1)
        else:
            self._guard(1 - self._mirrored)

    def _guard(self, source: int) -> None:
        """Find again where rows of one recorded book may concern us."""
        mirror = None if self._mirrored is None else self.books[self._mirrored]
        self._guards[source] = guard_of(self.books[source], mirror)


_SIDES = (Side.SELL, Side.BUY)  # by the tape's side


def _mirror(levels: dict[int, int]) -> dict[int, int]:
    return {ONE - price: size for price, size in levels.items()}
