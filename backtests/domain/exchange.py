"""The way of orders to the venue and of its answers back: what arrives when, and when we know what came of it.

Everything that waits for its time is in one timeline. `replay` lets messages happen up to the time of the next entry
before it takes that entry out. Times are nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Protocol

from backtests.domain.clock import NEVER, SECOND_NS
from backtests.domain.price_venue import PriceMarket
from backtests.domain.request import Latency
from backtests.domain.result import ORDER, OrderEnd
from backtests.domain.tables import Table
from backtests.domain.venue import MS, NO_BOOK, Effect, Ended, Filled, Rests, VenueMarket
from markets.domain.instruments import Side
from markets.domain.tape import ASK, BID
from markets.domain.units import Shares
from markets.venues.simulated.matching import OrderType
from markets.venues.simulated.paper import PaperOrder
from orders.domain.intents import Placement

EXPIRES, ARRIVES, KNOWN, SETTLED, PLANNED = range(5)  # the order of things at one moment
LOOK_NS = 50 * MS  # how often an order without a book looks for one, and how long it waits
NO_BOOK_NS = 5 * SECOND_NS
LIFE_NS = 120 * SECOND_NS  # of a good-till-date order, at least

Market = VenueMarket | PriceMarket


class Timeline:
    """What happens later, by moment, then kind, then in the order it was put in."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    @property
    def next_ns(self) -> int:
        return self._heap[0][0] if self._heap else NEVER

    def put(self, at_ns: int, kind: int, action: Callable[..., None], *arguments: Any) -> None:
        self._count += 1
        heappush(self._heap, (at_ns, kind, self._count, action, arguments))

    def take(self, until_ns: int) -> bool:
        """Let the first entry by `until_ns` happen; return whether there was one."""
        if not self._heap or self._heap[0][0] > until_ns:
            return False
        at_ns, _, _, action, arguments = heappop(self._heap)
        action(at_ns, *arguments)
        return True

    def take_known(self) -> int:
        """At the end: what is on its way back becomes known, nothing else arrives. Return when the last did, or 0."""
        last_ns = 0
        for at_ns, kind, _, action, arguments in sorted(self._heap, key=lambda entry: entry[:3]):
            if kind in (KNOWN, SETTLED):
                action(at_ns, *arguments)
                last_ns = at_ns
        self._heap.clear()
        return last_ns


@dataclass(slots=True)
class Sent:
    """One order on its way or at the venue, and its row of the result."""

    order_id: int
    market: int
    outcome: int
    paper: PaperOrder
    expires_ns: int | None
    held: bool = False
    cancel_waits: bool = False
    filled: int = 0
    ended: bool = False
    waited_since: int = 0


class Listener(Protocol):
    """Who is told what the venue did, when it becomes known."""

    def filled(self, at_ns: int, order_id: int, what: Filled) -> None: ...
    def ended(self, at_ns: int, order_id: int, what: Ended) -> None: ...
    def rests(self, at_ns: int, order_id: int, what: Rests) -> None: ...


class Exchange:
    """All markets of a replay seen from the wire."""

    def __init__(self, markets: Sequence[Market], latency: Latency, timeline: Timeline) -> None:
        self.markets = markets
        self.orders = Table(ORDER)
        self.listener: Listener | None = None
        self._order_ns = latency.order_ms * MS
        self._answer_ns = latency.answer_ms * MS
        self._timeline = timeline
        self._sent: dict[str, Sent] = {}  # by key, while it may still trade

    def send(self, placement: Placement, size: int, *, market: int, outcome: int, now_ns: int) -> int:
        """Send an order and return its number."""
        buys = placement.side is Side.BUY
        row = (len(self.orders) + 1, now_ns, 0, 0, int(placement.price), size, 0, market, outcome)
        order_id = self.orders.append((*row, BID if buys else ASK, OrderEnd.OPEN, placement.level)) + 1
        expires = None if placement.expires_at is None else round(placement.expires_at.timestamp() * 1e6) * 1_000
        paper = PaperOrder(
            key=placement.key,
            side=placement.side,
            price=int(placement.price),
            size=Shares(size),
            order_type=_TYPES[placement.order_type.value],
            post_only=placement.post_only,
        )
        sent = Sent(order_id, market, outcome, paper, expires)
        self._sent[placement.key] = sent
        self._timeline.put(now_ns + self._order_ns, ARRIVES, self._arrive, sent)
        return order_id

    def cancel(self, key: str, *, now_ns: int) -> None:
        self._timeline.put(now_ns + self._order_ns, ARRIVES, self._cancel, key)

    def collect(self, market: Market) -> None:
        """Take over what happened in a market: it becomes known when the answer has come back."""
        effects, market.effects = market.effects, []
        for effect in effects:
            sent = self._sent.get(effect.key)
            if sent is not None:
                self._note(sent, effect)

    # At the venue -------------------------------------------------------------------------------------

    def _arrive(self, at_ns: int, sent: Sent) -> None:
        market = self.markets[sent.market]
        market.advance(at_ns)
        if not sent.waited_since:
            sent.waited_since = at_ns
            self.orders.put(sent.order_id - 1, "arrived_ns", at_ns)
        if reason := market.refusal():
            self._note(sent, Ended(at_ns, sent.paper.key, OrderEnd.REJECTED, reason))
        elif not market.is_known(sent.outcome):
            if at_ns - sent.waited_since >= NO_BOOK_NS:
                self._note(sent, Ended(at_ns, sent.paper.key, OrderEnd.REJECTED, NO_BOOK))
            else:
                self._timeline.put(at_ns + LOOK_NS, ARRIVES, self._arrive, sent)
        elif market.facts.seconds_delay and not sent.paper.post_only and market.crosses(sent.outcome, sent.paper):
            sent.held = True
            self._note(sent, Rests(at_ns, sent.paper.key, held=True))
            self._timeline.put(at_ns + market.facts.seconds_delay * SECOND_NS, ARRIVES, self._let_go, sent)
        else:
            self._place(at_ns, sent)

    def _let_go(self, at_ns: int, sent: Sent) -> None:
        sent.held = False
        market = self.markets[sent.market]
        market.advance(at_ns)
        if reason := market.refusal():
            self._note(sent, Ended(at_ns, sent.paper.key, OrderEnd.REJECTED, reason))
        elif not market.is_known(sent.outcome):
            self._note(sent, Ended(at_ns, sent.paper.key, OrderEnd.REJECTED, NO_BOOK))
        else:
            self._place(at_ns, sent)

    def _place(self, at_ns: int, sent: Sent) -> None:
        market = self.markets[sent.market]
        market.place(sent.outcome, sent.paper, at_ns=at_ns)
        self.collect(market)
        if sent.cancel_waits and not sent.ended:
            self._cancel(at_ns, sent.paper.key)

    def _cancel(self, at_ns: int, key: str) -> None:
        sent = self._sent.get(key)
        if sent is None:
            return
        market = self.markets[sent.market]
        if market.cancel(sent.outcome, key, at_ns=at_ns):
            self.collect(market)
        else:
            sent.cancel_waits = True  # it is held, or waits for a book

    def _expire(self, at_ns: int, sent: Sent) -> None:
        market = self.markets[sent.market]
        if not sent.ended and market.cancel(sent.outcome, sent.paper.key, at_ns=at_ns, end=OrderEnd.EXPIRED):
            self.collect(market)

    # Back to us ---------------------------------------------------------------------------------------

    def _note(self, sent: Sent, effect: Effect) -> None:
        listener = self.listener
        assert listener is not None  # noqa: S101 - the desk registers before it sends
        known_ns = effect.at_ns + self._answer_ns
        if isinstance(effect, Filled):
            sent.filled += effect.fill.size
            self.orders.put(sent.order_id - 1, "filled", sent.filled)
            if sent.filled >= sent.paper.size:
                self._ends(sent, effect.at_ns, OrderEnd.FILLED)
            self._timeline.put(known_ns, KNOWN, listener.filled, sent.order_id, effect)
        elif isinstance(effect, Ended):
            self._ends(sent, effect.at_ns, effect.end)
            self._timeline.put(known_ns, KNOWN, listener.ended, sent.order_id, effect)
        else:
            if sent.expires_ns is not None and not effect.held:
                expires_ns = max(sent.expires_ns, sent.waited_since + LIFE_NS)
                self._timeline.put(expires_ns, EXPIRES, self._expire, sent)
            self._timeline.put(known_ns, KNOWN, listener.rests, sent.order_id, effect)

    def _ends(self, sent: Sent, at_ns: int, end: OrderEnd) -> None:
        sent.ended = True
        self.orders.put(sent.order_id - 1, "ended_ns", at_ns)
        self.orders.put(sent.order_id - 1, "state", end)
        self._sent.pop(sent.paper.key, None)


_TYPES = {kind.value.lower(): kind for kind in OrderType}
