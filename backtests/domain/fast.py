"""Fast replays: the whole run of a quote strategy in one compiled loop, with the results of the exact mode.

`replay_fast` takes the strategies that are one function on plain numbers (`strategies.domain.quoting`). A function
that numba can compile runs inside the loop; any other is called at its ticks, with the loop stepping between them.
The loop carries those rules of the gate that can speak about a quote. A request in which another rule, a fee or a
model would matter is refused with a RequestError that names it: fast never differs silently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from backtests.domain.clock import Segment, payout_of, segments_of
from backtests.domain.fees_by_date import day_of, fee_on
from backtests.domain.kernel import layout as at
from backtests.domain.kernel import loop
from backtests.domain.kernel.compiled import compiled
from backtests.domain.kernel.outcome import result_of
from backtests.domain.kernel.rows import RowSource, gaps_of
from backtests.domain.kernel.stepping import stepper, table_of
from backtests.domain.kernel.tables import tables_grow, tables_make
from backtests.domain.numbering import markets_group, markets_number
from backtests.domain.request import BacktestRequest, QueueAssumption, RequestError
from backtests.domain.result import BacktestResult
from markets.domain.instruments import MarketFacts
from markets.domain.tape import Fidelity, Kind, Tape
from markets.domain.units import ONE
from risk.domain.limits import Limits
from strategies.domain.base import TradingParameters
from strategies.domain.parameters import ParameterError, parameters_load
from strategies.domain.quoting import QuoteStrategy, QuoteTerms
from strategies.library.registry import UnknownStrategy, strategy_get

MS = 10**6
SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
CURVE_POINTS = 2_000
DAY_NS = 86_400 * 10**9
STEP_ROWS = 1_000_000  # between two looks at `progress`
FINEST_STEP = 100  # millionths: finer prices times hundredths of a share are no exact sums of money
PROBE_MS = 1_800  # a live book is at most so old
DATED_S = 30  # facts are at most so old
_QUEUES = {QueueAssumption.PESSIMISTIC: 0, QueueAssumption.NEUTRAL: 1, QueueAssumption.OPTIMISTIC: 2}

Progress = Callable[[float], bool]


def always(fraction: float) -> bool:
    return True


def replay_fast(
    tapes: Sequence[Tape],
    request: BacktestRequest,
    *,
    limits: Limits,
    progress: Progress = always,
    strategy: QuoteStrategy | None = None,
    oracle: bool = False,
) -> BacktestResult:
    """Replay `tapes`. `strategy` replaces the registered one.

    `oracle` runs the same loop uncompiled, hundreds of times slower, for tests.

    Raises RequestError for what the fast mode cannot carry.
    """
    chosen, terms = strategy_terms(request, strategy)
    groups = markets_group(markets_number([tape for tape in tapes if len(tape)]))
    refuse(groups, request, terms, limits)
    run = Run(groups, request, terms, limits)
    return run.to_end(chosen, progress=progress, oracle=oracle)


def strategy_terms(request: BacktestRequest, given: QuoteStrategy | None = None) -> tuple[QuoteStrategy, QuoteTerms]:
    """Return the request's strategy with its parameters as numbers. Raises RequestError."""
    try:
        strategy: object = strategy_get(request.strategy) if given is None else given
    except UnknownStrategy as error:
        raise RequestError(str(error), field="strategy") from error
    if not isinstance(strategy, QuoteStrategy):
        words = f"{request.strategy} is not one function on numbers that only quotes: run it in exact mode"
        raise RequestError(words, field="mode")
    try:
        params = parameters_load(strategy.params, request.params)
    except ParameterError as error:
        raise RequestError(str(error), field="params") from error
    assert isinstance(params, TradingParameters)  # noqa: S101 - every strategy's are
    if not params.exits.is_off:
        raise RequestError("exits are not part of the fast mode: switch them off or run in exact mode", field="mode")
    return strategy, strategy.terms(params)


def refuse(groups: Sequence[Sequence[Tape]], request: BacktestRequest, terms: QuoteTerms, limits: Limits) -> None:
    """Raise RequestError where the loop would not be the exact mode's equal."""
    if request.rebates:
        raise RequestError("maker rebates are not part of the fast mode: run in exact mode", field="rebates")
    if terms.book_age_ms <= PROBE_MS or min(limits.book_age_resting_ms, limits.book_age_marketable_ms) <= PROBE_MS:
        raise RequestError(f"books younger than {PROBE_MS} ms cannot be asked for in fast mode", field="mode")
    if limits.metadata_age_s < DATED_S:
        raise RequestError("a limit of metadata_age_s below 30 s needs the exact mode", field="mode")
    for parts in groups:
        facts = parts[-1].facts
        name = facts.question or facts.slug
        if len({part.step for part in parts}) > 1:
            raise RequestError(f"{name}: its days have different price steps; run them apart", field="data")
        if parts[0].step % FINEST_STEP:
            raise RequestError(f"{name}: prices finer than 0.0001 need the exact mode", field="data")
        if any(part.fidelity is Fidelity.PRICES for part in parts):
            raise RequestError(f"{name} is a price series without a book: run it in exact mode", field="data")
        kinds = {int(kind) for part in parts for kind in np.unique(part.columns["kind"])}
        if {Kind.TICK, Kind.GAP} <= kinds:
            raise RequestError(f"{name}: a changing tick beside gaps needs the exact mode", field="data")
        first, last = min(p.start_ns for p in parts), max(p.end_ns for p in parts)
        known = {fee_on(facts, day_of(day), request) is None for day in (*range(first, last, DAY_NS), last)}
        if len(known) > 1:
            raise RequestError(f"{name}: its fee is unknown on some days only; run them apart", field="fees")


class Run:
    """One replay under way: its tables, its rows and how far it is."""

    def __init__(
        self, groups: Sequence[Sequence[Tape]], request: BacktestRequest, terms: QuoteTerms, limits: Limits
    ) -> None:
        self.groups = groups
        self.request = request
        self.terms = terms
        self.facts = [parts[-1].facts for parts in groups]
        self.segments = [segments_of(parts, end_ns=request.end_ns) for parts in groups]
        top = max(ONE // parts[0].step for parts in groups)
        self.tables = tables_make(
            markets=len(groups), top=top, levels=terms.levels, memory=terms.memory, numbers=terms.numbers
        )
        self.start_ns, self.end_ns = self._span()
        self._world(limits)
        for one, parts in enumerate(groups):
            self._market(one, parts, parts[0].facts, limits)
        self.rows = RowSource(self.segments, self.tables.market)
        self.tables.market[:, at.M_NEXT] = -1

    def to_end(self, strategy: QuoteStrategy, *, progress: Progress, oracle: bool) -> BacktestResult:
        world = self.tables.world
        inside = strategy.compiles and not oracle
        world[at.W_INSIDE] = int(inside)
        step = self._steps(strategy, inside=inside, oracle=oracle)
        stopped = ""
        while True:
            world[at.W_PAUSE] = world[at.W_EVENTS] + STEP_ROWS
            why = step()
            if why == at.ASKED:
                why = self._ask_on(strategy, step)
            if why == at.DONE:
                break
            if why == at.MORE_ROWS:
                self.rows.refill(int(world[at.W_MARKET]))
            elif why == at.MORE_ROOM:
                tables_grow(self.tables)
            elif not progress(int(world[at.W_EVENTS]) / max(1, self.rows.total)):
                stopped = "stopped on request"
                break
            step = self._steps(strategy, inside=inside, oracle=oracle)
        return result_of(
            self.tables,
            groups=self.groups,
            facts=self.facts,
            request=self.request,
            span=(self.start_ns, self.end_ns),
            gaps=[self._gaps(one) for one in range(len(self.groups))],
            stopped=stopped,
        )

    def _steps(self, strategy: QuoteStrategy, *, inside: bool, oracle: bool) -> Callable[[], int]:
        """Return the loop over the tables and rows as they lie now."""
        arguments = (*self.tables.arguments(), *self.rows.arguments())
        if inside:
            return partial(compiled(loop.run, {"quote": strategy.quote}), *arguments)
        if oracle:
            return partial(loop.run, *arguments)
        # The table must live as long as the function that is called with its address.
        table = table_of(arguments)
        function, address = stepper(), table.ctypes.data
        return lambda kept=(table, arguments): function(address)  # type: ignore[misc]

    def _ask_on(self, strategy: QuoteStrategy, step: Callable[[], int]) -> int:
        """Call the strategy's own function at its ticks until something else is due."""
        quote, numbers, tables = strategy.quote, self.terms.numbers, self.tables
        # Views of memory: reading a number from a numpy array costs three times as much.
        markets: list[tuple[Any, Any, Any]] = [
            (memoryview(asked), memoryview(memory), memoryview(prices))
            for asked, memory, prices in zip(tables.asked, tables.memory, tables.prices, strict=True)
        ]
        why: int = at.ASKED
        while why == at.ASKED:
            for asked, memory, prices in markets:
                if asked[0]:
                    quote(memory, numbers, asked[1], asked[2], asked[3], float(asked[4]), prices)
            why = step()
        return why

    def _gaps(self, one: int) -> list[tuple[int, int]]:
        outcome = int(mirrored_outcome(self.groups[one]) == 0)
        feed_ns = self.request.latency.feed_ms * MS
        return gaps_of(self.segments[one], outcome=outcome, feed_ns=feed_ns, end_ns=self.end_ns)

    def _span(self) -> tuple[int, int]:
        tapes = [segment.tape for segments in self.segments for segment in segments if segment.tape is not None]
        if not tapes:
            raise RequestError("there are no events in this span", field="data")
        start = self.request.start_ns
        first = min(tape.start_ns for tape in tapes) if start is None else start
        end = self.request.end_ns
        last = max(_end_of(segments) for segments in self.segments) + self.request.latency.feed_ms * MS + 1
        return first, last if end is None else end

    def _world(self, limits: Limits) -> None:
        world, request, terms = self.tables.world, self.request, self.terms
        start = self.start_ns
        world[at.W_START], world[at.W_END] = start, self.end_ns
        world[at.W_TICK], world[at.W_INTERVAL] = start, request.interval_ms * MS
        world[at.W_MINUTE] = -(-start // MINUTE_NS) * MINUTE_NS
        world[at.W_FEED] = request.latency.feed_ms * MS
        world[at.W_ORDER] = request.latency.order_ms * MS
        world[at.W_ANSWER] = request.latency.answer_ms * MS
        world[at.W_QUEUE] = _QUEUES[request.queue]
        world[at.W_LEVELS], world[at.W_SIZE], world[at.W_STOP_MS] = terms.levels, terms.size, terms.stop_ms
        for column in (at.W_CASH, at.W_PEAK, at.W_DAY_EQUITY, at.W_LAST_EQUITY, at.W_MARKED_EQUITY):
            world[column] = request.capital
        world[at.W_DAY] = world[at.W_WANTED] = -1
        world[at.W_WAITS] = world[at.W_SETTLE] = at.NEVER
        world[at.W_EQUITY_NEXT] = start
        world[at.W_EQUITY_STEP] = max(SECOND_NS, (self.end_ns - start) // CURVE_POINTS)
        for column, value in (
            (at.L_ACCOUNT, limits.account_exposure),
            (at.L_MARKET, limits.market_exposure),
            (at.L_EVENT, limits.event_exposure),
            (at.L_STRATEGY, limits.strategy_exposure),
            (at.L_ORDER_SIZE, limits.order_size),
            (at.L_ORDER_MINIMUM, limits.order_minimum),
            (at.L_OPEN_ORDERS, limits.open_orders),
            (at.L_POSITIONS, limits.open_positions),
            (at.L_DAILY, limits.daily_loss),
            (at.L_STOP_BPS, limits.drawdown_stop_bps),
            (at.L_KILL_BPS, limits.drawdown_kill_bps),
            (at.L_PER_MINUTE, limits.orders_per_minute),
            (at.L_CLOSE_S, limits.minimum_seconds_to_close),
            (at.L_EXIT_AGE_MS, 60_000),
        ):
            world[column] = value

    def _market(self, one: int, parts: Sequence[Tape], facts: MarketFacts, limits: Limits) -> None:
        row = self.tables.market[one]
        row[at.M_STEP] = parts[0].step
        row[at.M_TOP] = ONE // parts[0].step
        row[at.M_MINIMUM] = facts.minimum_size
        row[at.M_FEE] = int(fee_on(facts, day_of(parts[0].start_ns), self.request) is not None)
        row[at.M_CLOSES] = at.NEVER if facts.closes_at is None else round(facts.closes_at.timestamp() * 1_000) * MS
        row[at.M_TRADES] = int(all(part.fidelity is not Fidelity.TOP_OF_BOOK for part in parts))
        row[at.M_MIRROR] = int(mirrored_outcome(parts) is not None)
        row[at.M_BASE] = row[at.M_TICKED] = facts.tick
        row[at.M_EVENT] = facts.event_id
        row[at.M_GROUP] = -1
        if facts.neg_risk:
            same = [i for i, other in enumerate(self.facts) if other.neg_risk and other.event_id == facts.event_id]
            row[at.M_GROUP] = same[0]
        if facts.liquidity < limits.minimum_liquidity:
            row[at.M_ENTRY] = 1
        elif facts.volume_24h < limits.minimum_volume_24h:
            row[at.M_ENTRY] = 2
        paid = payout_of(parts, end_ns=self.request.end_ns)
        delay = max(self.request.latency.feed_ms, self.request.latency.answer_ms) * MS
        row[at.M_SETTLE] = at.NEVER if paid is None else paid.received_ns + delay
        self.tables.world[at.W_SETTLE] = min(int(self.tables.world[at.W_SETTLE]), int(row[at.M_SETTLE]))
        if paid is not None and set(paid.payouts) == {0, 1} and sum(paid.payouts.values()) == ONE:
            row[at.M_PAID], row[at.M_PAY_YES], row[at.M_PAY_NO] = 1, paid.payouts[0], paid.payouts[1]
        self.tables.book[2 * one : 2 * one + 2, at.B_TICK] = facts.tick
        self.tables.book[2 * one : 2 * one + 2, at.B_SEEN_TICK] = facts.tick


def mirrored_outcome(parts: Sequence[Tape]) -> int | None:
    """Return the outcome of which no book was recorded, when the other one was: its book is the mirror."""
    seen = {
        outcome
        for tape in parts
        for outcome in np.unique(tape.columns["outcome"][tape.columns["kind"] == Kind.LEVEL]).tolist()
    }
    return None if len(seen) != 1 else 1 - int(seen.pop())


def _end_of(segments: Sequence[Segment]) -> int:
    ends = [int(s.tape.columns["received_ns"][s.last - 1]) for s in segments if s.tape is not None]
    return max(ends, default=0)
