"""The simulated venue in memory: books of traded outcomes, resting paper orders, and what happens to them.

Fed with the feed's ordered stream and with arriving orders; answers with effects to persist. It
knows no database and no clock. Prices and sizes are millionths, times are milliseconds.

After a gap a book is unsure until its next snapshot: trades still count, levels do not, and
nobody takes from it. Queue positions are kept as they were; a gap never moves an order forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from markets.domain.events import (
    BookSnapshot,
    FeedEvent,
    FeedGap,
    LevelChange,
    MarketResolved,
    TickSizeChange,
    TradePrint,
)
from markets.domain.instruments import MarketFacts, MarketState, Side
from markets.domain.views import VIEW_DEPTH, BookStatus, BookView
from markets.tickstore import StreamEvent
from markets.venues.simulated.paper import PaperBook, PaperFill, PaperOrder, PaperStatus
from markets.venues.simulated.queue import RestingOrder

EXPIRY_MARGIN_MS = 60_000  # the venue takes a good-till-date order off this much before its time
EXPIRY_MINIMUM_MS = 180_000  # and refuses one that ends sooner than this
_EVERYTHING = 10**18


class VenueState(StrEnum):
    LIVE = "live"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


_STATE_OF = {
    PaperStatus.LIVE: VenueState.LIVE,
    PaperStatus.MATCHED: VenueState.FILLED,
    PaperStatus.CANCELED: VenueState.CANCELED,
    PaperStatus.REJECTED: VenueState.REJECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An order on its way to the venue; it arrives at `arrives_ms`."""

    order_id: int
    venue_order_id: str
    account_id: int
    outcome_id: int
    order: PaperOrder
    expires_ms: int | None  # as the client states it to the venue, which ends the order a minute before
    arrives_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    trade_id: str
    venue_order_id: str
    account_id: int
    fill: PaperFill


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An order the venue has answered, with its first state."""

    arrival: Arrival
    state: VenueState
    reason: str
    filled: int
    ahead: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    venue_order_id: str
    outcome_id: int
    state: VenueState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Where a resting order stands now."""

    venue_order_id: str
    filled: int
    ahead: int
    slack: int
    slack_ms: int


@dataclass(slots=True)
class Effects:
    """What has to be written, in one transaction with the cursor it was caused by."""

    accepted: list[Accepted] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.accepted or self.trades or self.ended)

    @property
    def touched(self) -> list[str]:
        """Venue ids that our side has to take over."""
        found = dict.fromkeys(a.arrival.venue_order_id for a in self.accepted)
        found.update(dict.fromkeys(t.venue_order_id for t in self.trades))
        found.update(dict.fromkeys(e.venue_order_id for e in self.ended))
        return list(found)


@dataclass(slots=True)
class _Live:
    account_id: int
    outcome_id: int
    order: RestingOrder


class PaperEngine:
    """Every paper order that rests, and the books it rests in."""

    def __init__(self, cursor: str = "0-0") -> None:
        self.cursor = cursor
        self.effects = Effects()
        self.refused = 0  # events that no book could hold
        self.books: dict[int, PaperBook] = {}
        self.live: dict[str, _Live] = {}
        self.facts: dict[int, MarketFacts] = {}
        self.seen_ns: dict[int, int] = {}  # by outcome: receive time of its last event
        self._partner: dict[int, int] = {}

    # Books --------------------------------------------------------------------------------

    def track(self, outcome_id: int, facts: MarketFacts, view: BookView | None) -> None:
        """Begin to follow an outcome, from the published book when there is one that can be trusted."""
        partner = facts.other(outcome_id)
        token_id = facts.outcome(outcome_id).token_id
        self.books[outcome_id] = PaperBook(
            token_id,
            complement_id=partner.token_id,
            tick=facts.tick,
            minimum_size=facts.minimum_size,
            fee=facts.fee,
        )
        self.facts[outcome_id] = facts
        self._partner[outcome_id] = partner.outcome_id
        self._partner[partner.outcome_id] = outcome_id
        self.view_load(outcome_id, view)

    def view_load(self, outcome_id: int, view: BookView | None) -> bool:
        """Take the published book of an unsure outcome; return whether it may be traded on now.

        The view may be a moment ahead of the stream: level events set absolute sizes, so
        applying the rest of the stream ends in the same book.
        """
        book = self.books[outcome_id]
        if book.known:
            return True
        if view is None or view.status not in (BookStatus.LIVE, BookStatus.POLLED) or view.is_crossed:
            return False
        book.on_tick(view.tick)
        # Not as a snapshot: a view shows the best levels only, and one of ours may rest deeper.
        book.bids.levels, book.asks.levels = dict(view.bids), dict(view.asks)
        book.bids.taken.clear()
        book.asks.taken.clear()
        for resting in book.orders.values():
            shown = book.displayed(resting.side).size_at(resting.price)
            if shown:
                resting.ahead = min(resting.ahead, shown)
            # What crosses us now may be what filled us before: it does not fill us again.
            opposite = book.displayed(resting.side.opposite)
            opposite.take(opposite.plan(_EVERYTHING, resting.price))
        book.known = True
        return True

    def untrack(self, outcome_ids: Iterable[int]) -> None:
        for outcome_id in outcome_ids:
            if not self.books[outcome_id].orders:
                del self.books[outcome_id], self.facts[outcome_id]
                partner = self._partner[outcome_id]
                if partner not in self.books:
                    del self._partner[outcome_id], self._partner[partner]

    def gap(self) -> None:
        """Something of the stream was missed: no book is sure until its next snapshot."""
        for book in self.books.values():
            book.on_gap()

    def seen(self, outcome_id: int) -> int:
        """Return when the last event of this outcome's market was received, in nanoseconds; 0 before the first."""
        return max(self.seen_ns.get(outcome_id, 0), self.seen_ns.get(self._partner.get(outcome_id, 0), 0))

    def is_sure(self, outcome_id: int) -> bool:
        return outcome_id in self.books and self.books[outcome_id].known

    @property
    def unsure(self) -> set[int]:
        return {outcome_id for outcome_id, book in self.books.items() if not book.known}

    # Events -------------------------------------------------------------------------------

    def apply(self, cursor: str, events: Sequence[StreamEvent]) -> None:
        """Let one batch of the stream happen. An event that no book can hold makes its book unsure, nothing more."""
        self.cursor = cursor
        for item in events:
            self.seen_ns[item.outcome_id] = item.event.received_ns
            try:
                self._apply(item.outcome_id, item.event)
            except ValueError:
                self.refused += 1
                if (book := self.books.get(item.outcome_id)) is not None:
                    book.on_gap()

    def _apply(self, outcome_id: int, event: FeedEvent) -> None:
        if isinstance(event, TradePrint):
            # A trade of one token is a trade of the other at the mirrored price.
            for followed in (outcome_id, self._partner_of(outcome_id)):
                if followed in self.books:
                    self._filled(followed, self.books[followed].on_trade(event))
            return
        if isinstance(event, MarketResolved):
            self._market_end(outcome_id)
            return
        if (book := self.books.get(outcome_id)) is None:
            return
        if isinstance(event, LevelChange):
            if book.known:
                self._filled(outcome_id, book.on_change(event))
        elif isinstance(event, BookSnapshot):
            self._filled(outcome_id, book.on_snapshot(event))
        elif isinstance(event, TickSizeChange):
            book.on_tick(event.new_tick)
        elif isinstance(event, FeedGap):
            book.on_gap()

    def _partner_of(self, outcome_id: int) -> int | None:
        """Return the other outcome of a market in which at least one of the two is followed."""
        return self._partner.get(outcome_id)

    # Orders -------------------------------------------------------------------------------

    def crosses(self, arrival: Arrival) -> bool:
        """Whether the order would take from the book as it stands."""
        order = arrival.order
        opposite = self.books[arrival.outcome_id].displayed(order.side.opposite)
        return bool(opposite.plan(order.size, order.price))

    def place(self, arrival: Arrival, *, now_ms: int) -> Accepted:
        """Let the order arrive. The caller made sure that its book is sure."""
        book = self.books[arrival.outcome_id]
        if reason := self._refusal(arrival):
            return self._accepted(arrival, VenueState.REJECTED, reason, now_ms=now_ms)
        answer = book.place(arrival.order, now_ms=now_ms)
        ahead = 0
        if answer.resting is not None:
            ahead = answer.resting.ahead = self._ahead(book, answer.resting)
            self.live[arrival.venue_order_id] = _Live(arrival.account_id, arrival.outcome_id, answer.resting)
        accepted = self._accepted(
            arrival,
            _STATE_OF[answer.status],
            answer.reason,
            now_ms=now_ms,
            filled=sum(f.size for f in answer.fills),
            ahead=ahead,
        )
        for fill in answer.fills:
            self._trade(arrival.venue_order_id, arrival.account_id, fill, cause="placed")
        return accepted

    def reject(self, arrival: Arrival, reason: str, *, now_ms: int) -> Accepted:
        return self._accepted(arrival, VenueState.REJECTED, reason, now_ms=now_ms)

    def restore(self, resting: RestingOrder, *, account_id: int, outcome_id: int) -> None:
        """Put a persisted order back into its book. Oldest first."""
        self.books[outcome_id].restore(resting)
        self.live[resting.key] = _Live(account_id, outcome_id, resting)

    def cancel(self, venue_order_id: str, reason: str, *, state: VenueState = VenueState.CANCELED) -> bool:
        """Take an order off; return whether it still rested."""
        live = self.live.pop(venue_order_id, None)
        if live is None:
            return False
        self.books[live.outcome_id].cancel(venue_order_id)
        self.effects.ended.append(
            Ended(venue_order_id=venue_order_id, outcome_id=live.outcome_id, state=state, reason=reason)
        )
        return True

    def expire(self, now_ms: int) -> None:
        for outcome_id, book in self.books.items():
            for order in book.expire(now_ms):
                self.live.pop(order.key, None)
                self.effects.ended.append(
                    Ended(
                        venue_order_id=order.key,
                        outcome_id=outcome_id,
                        state=VenueState.EXPIRED,
                        reason="good-till-date reached",
                    )
                )

    def market_refresh(self, facts: MarketFacts) -> None:
        """Take new facts of a market. One that trades no more sends its orders back."""
        for outcome in facts.outcomes:
            if outcome.outcome_id in self.books:
                self.facts[outcome.outcome_id] = facts
                self.books[outcome.outcome_id].fee = facts.fee
                self.books[outcome.outcome_id].minimum_size = facts.minimum_size
        if facts.state in (MarketState.CLOSED, MarketState.RESOLVED):
            self._cancel_in({o.outcome_id for o in facts.outcomes}, f"the market is {facts.state}")

    def queues(self) -> list[Queue]:
        return [
            Queue(
                venue_order_id=key,
                filled=live.order.filled,
                ahead=live.order.ahead,
                slack=live.order.slack,
                slack_ms=live.order.slack_ms,
            )
            for key, live in self.live.items()
        ]

    def effects_take(self) -> Effects:
        effects, self.effects = self.effects, Effects()
        return effects

    # Inside -------------------------------------------------------------------------------

    def _refusal(self, arrival: Arrival) -> str:
        facts = self.facts[arrival.outcome_id]
        if facts.state is not MarketState.OPEN:
            return f"the market is {facts.state} and takes no orders"
        if facts.fee is None:
            return "fee rate not found for market"
        if arrival.expires_ms is not None and arrival.expires_ms < arrival.arrives_ms + EXPIRY_MINIMUM_MS:
            return "invalid expiration: a good-till-date order must end at least 3 minutes from now"
        return ""

    def _ahead(self, book: PaperBook, resting: RestingOrder) -> int:
        """Return the queue before a new order; deeper than the book shows, as much as its largest level."""
        levels = book.displayed(resting.side).levels
        if resting.price in levels or len(levels) < VIEW_DEPTH:
            return resting.ahead
        worst = min(levels) if resting.side is Side.BUY else max(levels)
        deeper = resting.price < worst if resting.side is Side.BUY else resting.price > worst
        return max(levels.values()) if deeper else resting.ahead

    def _accepted(
        self, arrival: Arrival, state: VenueState, reason: str, *, now_ms: int, filled: int = 0, ahead: int = 0
    ) -> Accepted:
        accepted = Accepted(arrival=arrival, state=state, reason=reason, filled=filled, ahead=ahead, at_ms=now_ms)
        self.effects.accepted.append(accepted)
        return accepted

    def _filled(self, outcome_id: int, fills: Iterable[PaperFill]) -> None:
        for fill in fills:
            live = self.live[fill.key]
            self._trade(fill.key, live.account_id, fill, cause=self.cursor)
            if live.order.remaining <= 0:
                del self.live[fill.key]
                self.effects.ended.append(
                    Ended(venue_order_id=fill.key, outcome_id=outcome_id, state=VenueState.FILLED, reason="")
                )

    def _trade(self, venue_order_id: str, account_id: int, fill: PaperFill, *, cause: str) -> None:
        # Filled size only grows, so (order, cause, filled) names a trade for ever, replays included.
        key = venue_order_id.removeprefix("paper-")
        self.effects.trades.append(
            Trade(
                trade_id=f"{key}:{cause}:{fill.filled}",
                venue_order_id=venue_order_id,
                account_id=account_id,
                fill=fill,
            )
        )

    def _market_end(self, outcome_id: int) -> None:
        partner = self._partner_of(outcome_id)
        if partner is not None:
            self._cancel_in({outcome_id, partner}, "the market is resolved")

    def _cancel_in(self, outcome_ids: set[int], reason: str) -> None:
        for key in [key for key, live in self.live.items() if live.outcome_id in outcome_ids]:
            self.cancel(key, reason)
