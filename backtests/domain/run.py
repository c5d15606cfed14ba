"""The loop of an exact replay. What it means is written in `replay`; here is the order in which it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heapreplace

from backtests.domain.catalogue import Catalogue
from backtests.domain.clock import NEVER, SECOND_NS
from backtests.domain.desk import ReplayDesk
from backtests.domain.equity import MINUTE_NS, EquityBook
from backtests.domain.exchange import LOOK_NS, SETTLED, Exchange, Market, Timeline
from backtests.domain.fees_by_date import DAY_NS
from backtests.domain.holdings import Holdings
from backtests.domain.markets import Replayed, markets_open
from backtests.domain.outcome import result_of
from backtests.domain.plan_work import PlanWork
from backtests.domain.request import BacktestRequest, RequestError
from backtests.domain.result import SETTLEMENT, BacktestResult
from backtests.domain.tables import Table
from backtests.domain.ticker import ERROR_LIMIT, Ticked, Ticker
from backtests.domain.venue import Filled
from backtests.domain.views import Books, Watching
from markets.domain.tape import Tape
from markets.domain.units import ONE, Price
from markets.venues.simulated.fees import taker_fee
from orders.domain.intents import Origin, OriginKind
from risk.domain.limits import Limits
from risk.domain.watch import Response, findings
from strategies.domain.base import Resolved, Strategy, TradingParameters, WakeKind
from strategies.domain.parameters import ParameterError, parameters_load
from strategies.domain.view import Needs
from strategies.library.registry import UnknownStrategy, strategy_get

MS = 10**6
WAKE_PAUSE_NS = 250 * MS  # as the waker's
CURVE_POINTS = 2_000
WORK_PER_REPORT = 200_000  # rows, with a tick as fifty of them: a fraction of a second
TICK_WORK = 50
REBATE_MINIMUM = ONE  # the venue pays no smaller sum a day

Progress = Callable[[float], bool]


def always(fraction: float) -> bool:
    """Go on, whatever the progress."""
    return True


def replay_exact(
    tapes: Sequence[Tape],
    request: BacktestRequest,
    *,
    limits: Limits,
    progress: Progress = always,
    strategy: Strategy | None = None,
    ticks: Iterable[tuple[int, str]] | None = None,
    on_tick: Callable[[Ticked], None] | None = None,
) -> BacktestResult:
    """Replay `tapes` as `request` says, under the limits of its risk profile.

    `progress` is told the fraction done a few times a second and returns False to stop: the result is then partial.
    `strategy` replaces the registered one, for tests. `ticks`, (time in ns, trigger) in order, replace interval and
    wakes: a recorded run is replayed at its own moments. `on_tick` is told of every evaluation, unchanged ones too.
    Raises RequestError, naming the field at fault, for what cannot be replayed.
    """
    chosen, params = _strategy(request, strategy)
    return Run(tapes, request, chosen, params, limits=limits, progress=progress, ticks=ticks, on_tick=on_tick).result()


def _strategy(request: BacktestRequest, strategy: Strategy | None) -> tuple[Strategy, TradingParameters]:
    if request.interval_ms < 1:
        raise RequestError("the interval must be at least 1 ms", field="interval_ms")
    if request.capital <= 0:
        raise RequestError("there must be capital to trade with", field="capital")
    if min(request.latency.feed_ms, request.latency.order_ms, request.latency.answer_ms) < 0:
        raise RequestError("a latency cannot be negative", field="latency")
    try:
        strategy = strategy_get(request.strategy) if strategy is None else strategy
        params = parameters_load(strategy.params, request.params)
    except UnknownStrategy as error:
        raise RequestError(str(error), field="strategy") from None
    except ParameterError as error:
        raise RequestError(str(error), field="params") from None
    assert isinstance(params, TradingParameters)  # noqa: S101 - every strategy's are
    return strategy, params


class Run:
    """One replay in progress."""

    def __init__(
        self,
        tapes: Sequence[Tape],
        request: BacktestRequest,
        strategy: Strategy,
        params: TradingParameters,
        *,
        limits: Limits,
        progress: Progress,
        ticks: Iterable[tuple[int, str]] | None,
        on_tick: Callable[[Ticked], None] | None,
    ) -> None:
        self.request = request
        self.problems: list[str] = []
        if any(wake.kind is WakeKind.SIGNAL for wake in strategy.wakes):
            self.problems.append("external signals are not recorded: the strategy saw none and was woken by none")
        self.stopped = ""
        self._progress = progress
        self._wakes = {wake.kind for wake in strategy.wakes} if ticks is None else set()
        watching = _watching(strategy) if ticks is None else Watching()
        self._watches = not watching.is_idle
        self.markets: tuple[Replayed, ...] = self._markets_open(tapes, strategy.needs(params), watching)
        first = min(market.start_ns for market in self.markets)
        last = max(market.end_ns for market in self.markets) + request.latency.feed_ms * MS + 1
        self.start_ns = first if request.start_ns is None else request.start_ns
        self.end_ns = last if request.end_ns is None else request.end_ns
        if self.end_ns <= self.start_ns:
            raise RequestError("nothing was recorded between start and end", field="end_ns")
        self.timeline = Timeline()
        self.holdings = Holdings(request.capital)
        self.settlements = Table(SETTLEMENT)
        self._seen = {o.outcome_id: m.seen for m in self.markets for o in m.facts.outcomes}
        self.equity = EquityBook(self.holdings, self._bid)
        self.exchange = self._exchange_open()
        self.catalogue = Catalogue([m.seen for m in self.markets], [m.fees for m in self.markets])
        origin = Origin(
            kind=OriginKind.STRATEGY, id=1, label=strategy.title, strategy_class=strategy.name, version=1, run_id=1
        )
        self.desk = ReplayDesk(
            holdings=self.holdings,
            exchange=self.exchange,
            limits=limits,
            origin=origin,
            facts=lambda: self.catalogue.at(self.desk.now_ns),
            equity=self.equity,
            rebate=self._estimated_rebate if request.rebates else None,
        )
        self.plans = PlanWork(
            self.desk, self.timeline, look=self._look, facts=lambda: self.catalogue.at(self.desk.now_ns)
        )
        self.ticker = Ticker(strategy, params, self.desk, self._seen, origin=origin, on_tick=on_tick)
        self.desk.on_filled = lambda at_ns: self._woken(at_ns, WakeKind.FILL)
        self._limits = limits
        self._books = Books({}, 0)
        self._now_ns = self.start_ns
        self._ticks: Iterator[tuple[int, WakeKind]] = self._moments(ticks)
        self._next_tick = next(self._ticks, (NEVER, WakeKind.INTERVAL))
        self._wake: tuple[int, WakeKind] = (NEVER, WakeKind.INTERVAL)
        self._woken_ns = -NEVER
        self._minute_ns = -(-self.start_ns // MINUTE_NS) * MINUTE_NS
        self._step_ns = max(SECOND_NS, (self.end_ns - self.start_ns) // CURVE_POINTS)
        self._point_ns = self.start_ns
        self._work = self._work_told = 0
        self._is_over = False
        self._queue: list[tuple[int, int]] = []
        for index, market in enumerate(self.markets):
            if market.payout is not None:
                booked = market.payout.received_ns + max(request.latency.feed_ms, request.latency.answer_ms) * MS
                self.timeline.put(booked, SETTLED, self._settle, index)

    # What a replay of a recorded run puts together in another way -------------------------------------

    def _markets_open(self, tapes: Sequence[Tape], needs: Needs, watching: Watching) -> tuple[Replayed, ...]:
        return markets_open(tapes, self.request, needs=needs, watching=watching)

    def _exchange_open(self) -> Exchange:
        return Exchange([market.venue for market in self.markets], self.request.latency, self.timeline)

    # The loop -----------------------------------------------------------------------------------------

    def result(self) -> BacktestResult:
        self._warm_up()
        while True:
            at = min(self.timeline.next_ns, self._next_tick[0], self._wake[0], self._minute_ns, self._point_ns)
            at = self._messages(min(at, self.end_ns - 1))
            while self.timeline.take(at):
                pass
            self._by_the_clock(at)
            if at >= self.end_ns - 1 and min(self._next_tick[0], self._wake[0], self.timeline.next_ns) >= self.end_ns:
                break
            if self._work - self._work_told >= WORK_PER_REPORT and not self._report(at):
                self.stopped = "stopped on request"
                self.end_ns = at + 1
                break
        self._finish()
        return result_of(
            markets=self.markets,
            capital=int(self.request.capital),
            span=(self.start_ns, self.end_ns),
            desk=self.desk,
            ticker=self.ticker,
            plans=self.plans,
            settlements=self.settlements,
            problems=self.problems,
            stopped=self.stopped,
        )

    def _warm_up(self) -> None:
        """Fill the books with what came before the start."""
        for market in self.markets:
            market.seen.advance(self.start_ns - 1)
        if self._watches:
            self._queue = [(m.seen.rows.next_ns, i) for i, m in enumerate(self.markets)]
            heapify(self._queue)

    def _messages(self, until_ns: int) -> int:
        """Let messages happen up to `until_ns`, in order; return the moment at which something came of them first."""
        venues = [market.venue for market in self.markets if market.venue.has_orders]
        if not venues and not self._watches:
            return until_ns
        while True:
            first, second, chosen = NEVER, NEVER, None
            for venue in venues:
                at = venue.rows.next_ns
                if at < first:
                    first, second, chosen = at, first, venue
                elif at < second:
                    second = at
            if self._watches and self._queue[0][0] < first:
                first, second, chosen = self._queue[0][0], min(first, self._seen_second()), None
            elif self._watches:
                second = min(second, self._queue[0][0])
            if first > until_ns:
                return until_ns
            until_ns = self._advance(chosen, min(until_ns, second), until_ns)

    def _seen_second(self) -> int:
        return min((entry[0] for entry in self._queue[1:3]), default=NEVER)

    def _advance(self, venue: Market | None, limit_ns: int, until_ns: int) -> int:
        """Advance one market; return `until_ns`, or an earlier moment at which something is due now."""
        if venue is not None:
            before = venue.rows.count
            if venue.advance(limit_ns):
                self.exchange.collect(venue)
                until_ns = min(until_ns, self.timeline.next_ns)
            self._work += venue.rows.count - before
            return until_ns
        _, index = self._queue[0]
        seen = self.markets[index].seen
        before = seen.rows.count
        kind = seen.advance_watching(limit_ns)
        self._work += seen.rows.count - before
        heapreplace(self._queue, (seen.rows.next_ns, index))
        if kind:
            self._woken(seen.woken_ns, WakeKind(kind))
            until_ns = min(until_ns, self._wake[0])
        return until_ns

    def _by_the_clock(self, at_ns: int) -> None:
        """Minutes, points of the curve and the strategy's tick, when they are due."""
        if at_ns >= self._minute_ns:
            self._minute(at_ns)
        if at_ns >= self._point_ns:
            self._see(at_ns)
            self.equity.point(at_ns)
            self._point_ns += self._step_ns
        due = min(self._next_tick[0], self._wake[0])
        if at_ns < due or self.ticker.is_stopped:
            if self.ticker.is_stopped:
                self._next_tick = self._wake = (NEVER, WakeKind.INTERVAL)
            return
        if at_ns >= self._next_tick[0]:
            kind = self._next_tick[1]
            self._next_tick = next(self._ticks, (NEVER, WakeKind.INTERVAL))
        else:
            kind = self._wake[1]
            self._woken_ns = at_ns
        self._wake = (NEVER, WakeKind.INTERVAL)
        self._look(at_ns)
        self._work += TICK_WORK
        if not self.ticker.tick(kind, self.catalogue.at(at_ns), self._books):
            words = (
                f"the strategy was stopped after {ERROR_LIMIT} errors in a row, the first: {self.ticker.first_error}"
            )
            self.problems.append(words)
            self._end_trading(at_ns)

    # Moments ------------------------------------------------------------------------------------------

    def _moments(self, ticks: Iterable[tuple[int, str]] | None) -> Iterator[tuple[int, WakeKind]]:
        if ticks is not None:
            for at_ns, trigger in ticks:
                if self.start_ns <= at_ns < self.end_ns:
                    yield at_ns, WakeKind(trigger)
            return
        at_ns, step = self.start_ns, self.request.interval_ms * MS
        while at_ns < self.end_ns:
            yield at_ns, WakeKind.INTERVAL
            at_ns += step

    def _woken(self, at_ns: int, kind: WakeKind) -> None:
        """The strategy wants to be woken; it is, when its pause is over."""
        if kind in self._wakes and self._wake[0] == NEVER:
            self._wake = (max(at_ns, self._woken_ns + WAKE_PAUSE_NS), kind)

    def _see(self, at_ns: int) -> None:
        """Let us see what has come by `at_ns`."""
        for market in self.markets:
            seen = market.seen
            before = seen.rows.count
            seen.advance(at_ns)
            self._work += seen.rows.count - before

    def _look(self, at_ns: int) -> None:
        """Bring the desk's clock and books to a moment."""
        self._see(at_ns)
        self._books.close()
        self._books = Books(self._seen, at_ns // MS)
        self.desk.now_ns, self.desk.now, self.desk.books = at_ns, self.equity.at(at_ns), self._books

    def _bid(self, outcome_id: int) -> int | None:
        return self._seen[outcome_id].bid((outcome_id - 1) & 1)

    def _minute(self, at_ns: int) -> None:
        """Take the minute's snapshot; end trading when the account has lost what the profile lets it lose."""
        self._look(at_ns)
        if at_ns % DAY_NS == 0:
            self._rebate()
        self.equity.snapshot(at_ns, self._books)
        if not self.desk.killed:
            for finding in findings(self.desk.portfolio_now(), self._limits):
                if finding.response is Response.KILL:
                    self.desk.killed = finding.reason
                    self.problems.append(f"trading ended on {self.desk.now:%Y-%m-%d %H:%M} UTC: {finding.reason}")
                    self._end_trading(at_ns)
        self._minute_ns += MINUTE_NS

    def _end_trading(self, at_ns: int) -> None:
        self.plans.stop(at_ns)
        for order_id in list(self.desk.working):
            self.desk.cancel(order_id)

    def _estimated_rebate(self, market_id: int, what: Filled) -> int:
        """Return our share of the fee that the taker paid, as if all makers were paid alike."""
        schedule = self.markets[market_id - 1].fees.at(what.at_ns)
        fee = taker_fee(what.fill.price, what.fill.size, schedule)
        return 0 if schedule is None else fee * schedule.rebate_ppm // ONE

    def _rebate(self) -> None:
        """Pay the maker rebates of the day that has ended; less than the venue's minimum is not paid."""
        accrued, self.desk.rebates_accrued = self.desk.rebates_accrued, 0
        if accrued >= REBATE_MINIMUM:
            self.holdings.rebate(accrued)

    def _settle(self, at_ns: int, index: int) -> None:
        """Pay a decided market out, once none of its orders can trade any more."""
        market = self.markets[index]
        assert market.payout is not None  # noqa: S101 - only such a market is put on the timeline
        market_id = market.facts.market_id
        left = [item for item in self.desk.working.values() if item.order.market_id == market_id]
        if left and not self._is_over:
            self.timeline.put(at_ns + LOOK_NS, SETTLED, self._settle, index)
            return
        for item in left:
            self.desk.forget(item)
        self._see(at_ns)
        found = market.payout.payouts
        payouts = {o.outcome_id: Price(found[o.index]) for o in market.facts.outcomes if o.index in found}
        if len(payouts) != len(market.facts.outcomes) or sum(payouts.values()) != ONE:
            self.catalogue.end(market_id, {})
            self.problems.append(f"{market.facts.question} ended without clear payouts: nothing was paid")
            return
        self.catalogue.end(market_id, payouts)
        self.desk.payouts.update(payouts)
        for outcome_id, size, dollars, realized in self.holdings.settle(payouts):
            row = (at_ns, index, (outcome_id - 1) & 1, size, int(payouts[outcome_id]), dollars, realized)
            self.settlements.append(row)
        self.equity.point(at_ns)
        self.ticker.resolved.append(Resolved(market_id=market_id, payouts=payouts, at=self.equity.at(at_ns)))
        self._woken(at_ns, WakeKind.RESOLUTION)

    def _report(self, at_ns: int) -> bool:
        self._work_told = self._work
        return self._progress((at_ns - self.start_ns) / max(1, self.end_ns - self.start_ns))

    def _finish(self) -> None:
        """Book what has happened and is not known yet; value what is left."""
        at_ns = self.end_ns - 1
        self._is_over = True
        self._look(at_ns)
        at_ns = max(at_ns, self.timeline.take_known())
        self._rebate()
        self.equity.point(at_ns)
        self.holdings.check()


def _watching(strategy: Strategy) -> Watching:
    thresholds = [wake.threshold for wake in strategy.wakes if wake.kind is WakeKind.BOOK]
    trade = any(wake.kind is WakeKind.TRADE for wake in strategy.wakes)
    return Watching(book=min(thresholds, default=None), trade=trade)
