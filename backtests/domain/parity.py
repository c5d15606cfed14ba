"""A recorded paper run, replayed: the record says when things happened, the code says what happened.

From the record come the moments only: when the strategy was ticked, up to which event of the feed each book was seen,
when an order reached the venue and after which event, and which fills were known at a tick. Everything else is the
replay's: books, view, decision, gate, matching, fees, ledger. Decisions and fills must then be the same, one by one.
What differs first is named; nothing after it is compared, because one difference leads to others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backtests.domain.clock import NEVER
from backtests.domain.exchange import ARRIVES, Exchange, Sent, Timeline
from backtests.domain.markets import Replayed, markets_open
from backtests.domain.paper_record import Made, PaperRecord, RecordedTick, stream_digest
from backtests.domain.request import BacktestRequest
from backtests.domain.result import OrderEnd
from backtests.domain.run import Run, always
from backtests.domain.ticker import Ticked
from backtests.domain.venue import Effect, Ended, Filled, Rests
from backtests.domain.views import Watching
from markets.domain.tape import Tape
from orders.domain.intents import Placement
from risk.domain.limits import Limits
from strategies.domain.base import Strategy, TradingParameters
from strategies.domain.view import Needs
from strategies.domain.wanted import wanted_hash, wanted_json

_ENDS = {"canceled": OrderEnd.CANCELED, "expired": OrderEnd.EXPIRED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where the replay first left the record."""

    at_ns: int
    what: str
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPair:
    """One order in the record and in the replay; sizes and prices are millionths."""

    order_id: int
    outcome_id: int
    side: str
    price: int
    size: int
    recorded: tuple[tuple[int, int, int, str], ...]  # fills: price, size, fee, role
    replayed: tuple[tuple[int, int, int, str], ...]

    @property
    def same(self) -> bool:
        return self.recorded == self.replayed


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    ticks: int  # compared
    ticks_recorded: int
    orders: tuple[OrderPair, ...]
    decisions_recorded: str  # SHA-256 of the stream of (time, hash)
    decisions_replayed: str
    fills_recorded: str
    fills_replayed: str
    difference: Difference | None
    until_ns: int | None = None  # where the record breaks off, and why
    broken: str = ""

    @property
    def holds(self) -> bool:
        """Whether every decision and every fill was the same."""
        return (
            self.difference is None
            and self.decisions_recorded == self.decisions_replayed
            and self.fills_recorded == self.fills_replayed
        )


class _Left(BaseException):  # not an error of the strategy: its isolation must not swallow it
    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.what)
        self.difference = difference


class _RecordedExchange(Exchange):
    """Orders arrive and end when the record says, and what came of them is known when a tick knew it."""

    def __init__(
        self, markets: Sequence[Any], request: BacktestRequest, timeline: Timeline, record: PaperRecord
    ) -> None:
        super().__init__(markets, request.latency, timeline)
        self.expected: deque[Made] = deque()  # what the present tick made on paper
        self.numbers: dict[int, Made] = {}  # by the replay's order number
        self.real_of: dict[int, int] = {}  # our outcome id: the desk's
        self.done: dict[int, list[tuple[int, int, int, str]]] = {}
        self._record = record
        self._pending: dict[int, deque[tuple[int, Effect]]] = {}
        self._told: dict[int, int] = {}

    def send(self, placement: Placement, size: int, *, market: int, outcome: int, now_ns: int) -> int:
        made = self.expected.popleft() if self.expected else None
        ours = (self.real_of[placement.outcome_id], placement.side.value, int(placement.price), size)
        theirs = None if made is None else (made.outcome_id, made.side, made.price, made.size)
        if made is None or ours != theirs:
            raise _Left(Difference(at_ns=now_ns, what="an order", recorded=str(theirs), replayed=str(ours)))
        known = self._record.orders[made.key]
        after = known.arrived_after_ns
        self._order_ns = NEVER if after is None else max(0, after - now_ns)
        number = super().send(placement, size, market=market, outcome=outcome, now_ns=now_ns)
        self.numbers[number] = made
        self.done[number], self._pending[number], self._told[number] = [], deque(), 0
        if known.ended_after_ns is not None and known.state in _ENDS:
            at_ns = max(known.ended_after_ns, now_ns if after is None else max(after, now_ns))
            self._timeline.put(at_ns, ARRIVES, self._end_recorded, placement.key, _ENDS[known.state])
        return number

    def cancel(self, key: str, *, now_ns: int) -> None:
        """The record says when, and whether, the cancel took effect."""

    def _end_recorded(self, at_ns: int, key: str, end: OrderEnd) -> None:
        sent = self._sent.get(key)
        if sent is not None:
            market = self.markets[sent.market]
            market.advance(at_ns)
            self.collect(market)
            if market.cancel(sent.outcome, key, at_ns=at_ns, end=end):
                self.collect(market)

    def _note(self, sent: Sent, effect: Effect) -> None:
        if isinstance(effect, Filled):
            sent.filled += effect.fill.size
            self.orders.put(sent.order_id - 1, "filled", sent.filled)
            fill = effect.fill
            self.done[sent.order_id].append((fill.price, fill.size, int(fill.fee), fill.role.value))
            if sent.filled >= sent.paper.size:
                self._ends(sent, effect.at_ns, OrderEnd.FILLED)
        elif isinstance(effect, Ended):
            self._ends(sent, effect.at_ns, effect.end)
        self._pending[sent.order_id].append((effect.at_ns, effect))

    def reveal(self, at_ns: int, open_orders: Mapping[int, int]) -> None:
        """Tell what was known at a tick: of an open order its fills so far, of one that is gone everything."""
        listener = self.listener
        assert listener is not None  # noqa: S101 - the desk registers before it sends
        for number, pending in list(self._pending.items()):
            made = self.numbers[number]
            filled = open_orders.get(made.order_id)
            while pending:
                _, effect = pending[0]
                if isinstance(effect, Filled):
                    if filled is not None and self._told[number] + effect.fill.size > filled:
                        break
                    self._told[number] += effect.fill.size
                    pending.popleft()
                    listener.filled(at_ns, number, effect)
                elif isinstance(effect, Rests):
                    pending.popleft()
                    listener.rests(at_ns, number, effect)
                elif filled is not None:
                    break
                else:
                    pending.popleft()
                    listener.ended(at_ns, number, effect)
            if filled is None and not self._is_open(number):
                del self._pending[number]
            if filled is not None and self._told[number] != filled:
                self._leave(at_ns, made, f"{filled} known as filled", f"{self._told[number]} filled")
            if filled is None and self._is_open(number):
                self._leave(at_ns, made, "over", "still open")

    def _is_open(self, number: int) -> bool:
        return any(sent.order_id == number for sent in self._sent.values())

    @staticmethod
    def _leave(at_ns: int, made: Made, recorded: str, replayed: str) -> None:
        raise _Left(Difference(at_ns=at_ns, what=f"order {made.order_id}", recorded=recorded, replayed=replayed))


class _RecordedRun(Run):
    """A replay whose clock is the record."""

    exchange: _RecordedExchange

    def __init__(
        self,
        tapes: Sequence[Tape],
        request: BacktestRequest,
        strategy: Strategy,
        params: TradingParameters,
        *,
        limits: Limits,
        record: PaperRecord,
        outcomes: Mapping[int, int],
    ) -> None:
        self._record = record
        self._outcomes = outcomes  # our outcome id: the desk's
        self._tick = -1
        self._reached: dict[int, int] = {}
        self.decisions: list[tuple[int, str]] = []
        moments = [(tick.at_ns, tick.trigger) for tick in record.ticks]
        super().__init__(
            tapes,
            request,
            strategy,
            params,
            limits=limits,
            progress=always,
            ticks=moments,
            on_tick=self._compare,
        )
        self.exchange.real_of = dict(outcomes)

    def _markets_open(self, tapes: Sequence[Tape], needs: Needs, watching: Watching) -> tuple[Replayed, ...]:
        return markets_open(tapes, self.request, needs=needs, watching=watching, venue_time=False)

    def _exchange_open(self) -> Exchange:
        venues = [market.venue for market in self.markets]
        return _RecordedExchange(venues, self.request, self.timeline, self._record)

    def _see(self, at_ns: int) -> None:
        """See what the tick saw, of each market up to its own last event; between ticks nothing new."""
        for market in self.markets:
            reached = self._reached.get(market.facts.market_id)
            if reached is not None:
                market.seen.advance(min(reached, at_ns))

    def _by_the_clock(self, at_ns: int) -> None:
        if at_ns >= self._next_tick[0]:
            self._tick += 1
            tick = self._record.ticks[self._tick]
            self._begin(tick)
        super()._by_the_clock(at_ns)
        if self.exchange.expected:
            made = self.exchange.expected[0]
            raise _Left(Difference(at_ns=at_ns, what="an order", recorded=str(made), replayed="none"))

    def _begin(self, tick: RecordedTick) -> None:
        for market in self.markets:
            seen = [tick.seen.get(self._outcomes[o.outcome_id], 0) for o in market.facts.outcomes]
            self._reached[market.facts.market_id] = max(self._reached.get(market.facts.market_id, 0), *seen)
        # What the venue had done by then happens first; then what of it was known becomes known.
        for venue in self.exchange.markets:
            if venue.has_orders:
                while venue.advance(tick.at_ns):
                    self.exchange.collect(venue)
                self.exchange.collect(venue)
        self.exchange.reveal(tick.at_ns, tick.open_orders)
        self.exchange.expected = deque(tick.made)

    def _compare(self, ticked: Ticked) -> None:
        wanted = wanted_json(ticked.decision)
        digest = wanted_hash([_in_desk_ids(item, self._outcomes) for item in wanted])
        tick = self._record.ticks[self._tick]
        self.decisions.append((tick.at_ns, digest))
        if digest != tick.digest:
            raise _Left(
                Difference(at_ns=tick.at_ns, what="a decision", recorded=tick.digest, replayed=f"{digest}: {wanted}")
            )


def _in_desk_ids(item: Mapping[str, Any], outcomes: Mapping[int, int]) -> dict[str, Any]:
    out = dict(item)
    if "outcome_id" in out:
        out["outcome_id"] = outcomes[out["outcome_id"]]
    if "legs" in out:
        out["legs"] = [_in_desk_ids(leg, outcomes) for leg in out["legs"]]
    return out


def parity_check(
    record: PaperRecord,
    tapes: Sequence[Tape],
    request: BacktestRequest,
    strategy: Strategy,
    params: TradingParameters,
    *,
    limits: Limits,
) -> Parity:
    """Replay a recorded run. `tapes` are of its markets in the desk's order, their facts with the desk's ids.

    `request` gives capital, fees and queue; latency and interval are the record's. Raises RequestError for tapes
    that cannot be replayed.
    """
    ours: dict[int, int] = {}
    seen: dict[int, int] = {}
    for tape in tapes:
        place = seen.setdefault(tape.facts.market_id, len(seen))
        for outcome in tape.facts.outcomes:
            ours[2 * place + 1 + outcome.index] = outcome.outcome_id
    last = max(tape.end_ns for tape in tapes)
    span = replace(request, start_ns=record.ticks[0].at_ns, end_ns=max(last, record.ticks[-1].at_ns) + 1)
    run = _RecordedRun(tapes, span, strategy, params, limits=limits, record=record, outcomes=ours)
    difference: Difference | None = None
    try:
        run.result()
    except _Left as left:
        difference = left.difference
    pairs = _pairs(run, record)
    compared = record.ticks[: len(run.decisions)]
    return Parity(
        ticks=len(run.decisions),
        ticks_recorded=len(record.ticks),
        orders=pairs,
        decisions_recorded=stream_digest([(t.at_ns, t.digest) for t in (compared if difference else record.ticks)]),
        decisions_replayed=stream_digest(run.decisions),
        fills_recorded=stream_digest([(p.order_id, *fill) for p in pairs for fill in p.recorded]),
        fills_replayed=stream_digest([(p.order_id, *fill) for p in pairs for fill in p.replayed]),
        difference=difference,
        until_ns=record.broken_ns,
        broken=record.broken,
    )


def _pairs(run: _RecordedRun, record: PaperRecord) -> tuple[OrderPair, ...]:
    out: list[OrderPair] = []
    for number, made in sorted(run.exchange.numbers.items()):
        out.append(
            OrderPair(
                order_id=made.order_id,
                outcome_id=made.outcome_id,
                side=made.side,
                price=made.price,
                size=made.size,
                recorded=tuple(record.orders[made.key].fills),
                replayed=tuple(run.exchange.done[number]),
            )
        )
    return tuple(out)
