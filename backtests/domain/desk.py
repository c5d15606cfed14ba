"""The desk in memory: what the gate reviews against, and what becomes of what it allows.

It is the `risk.domain.desk.Desk` of replays, with one account and one strategy. The rules, the reservation and the
booking are those of the live desk; what is missing is everything that can only go wrong in a database.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType

from backtests.domain.equity import EquityBook
from backtests.domain.exchange import Exchange
from backtests.domain.fees_by_date import DAY_NS
from backtests.domain.holdings import Holdings, ShortOfFunds, freed_by
from backtests.domain.result import FILL, FORECAST, OrderEnd
from backtests.domain.tables import Table
from backtests.domain.venue import Ended, Filled, Rests
from markets.domain.instruments import MarketFacts, Side
from markets.domain.tape import ASK, BID
from markets.domain.units import Price, Shares, Usd
from markets.domain.views import BookView
from markets.venues.simulated.paper import Role
from orders.domain.drafts import PlanDraft
from orders.domain.intents import OpenOrder, Origin, Placement
from orders.domain.ledger import Fill, Portfolio
from orders.domain.lifecycle import Environment, OrderState, TradingState
from orders.domain.reserve import cash_to_reserve
from risk.domain.context import GateContext, OriginUsage, RecentOrder, origin_ref
from risk.domain.limits import Limits
from risk.domain.usage import usage_of
from risk.domain.verdicts import Decision, Verdict
from strategies.domain.base import OwnFill

_MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Working:
    """An order of ours as far as we know it."""

    order: OpenOrder
    reserved: int
    created_ms: int
    plan: int = 0
    leg: int = 0
    paid: int = 0  # dollars of its fills, fees included
    ended: bool = False


class ReplayDesk:
    """One account. `open` it for a review; between reviews the venue's news arrive through the listener's methods."""

    def __init__(
        self,
        *,
        holdings: Holdings,
        exchange: Exchange,
        limits: Limits,
        origin: Origin,
        facts: Callable[[], Mapping[int, MarketFacts]],
        equity: EquityBook,
        rebate: Callable[[int, Filled], int] | None = None,
    ) -> None:
        self.holdings = holdings
        self.exchange = exchange
        self.limits: Limits | None = limits
        self.origin = origin
        self.equity = equity
        self.books: Mapping[int, BookView] = {}  # as they are seen at this moment
        self.now_ns = 0
        self.now = equity.at(0)
        self.killed = ""  # why, once the drawdown has ended trading
        self.working: dict[int, Working] = {}
        self.payouts: dict[int, int] = {}  # by outcome, once settled
        self.fills = Table(FILL)
        self.forecasts = Table(FORECAST)
        self.news: list[OwnFill] = []  # fills that the strategy was not told yet
        self.refused: Counter[str] = Counter()
        self.shrunk: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.rebates_accrued = 0  # of the day, estimated
        self.wanted = self.placed = self.canceled = 0
        self.on_plan: Callable[[PlanDraft, Sequence[Verdict], Mapping[int, MarketFacts]], int | None] | None = None
        self.on_filled: Callable[[int], None] | None = None
        self.on_child_ended: Callable[[int, int], None] | None = None
        self.planned: Callable[[], tuple[OpenOrder, ...]] = tuple
        self._facts = facts
        self._rebate = rebate  # what a maker's fill may earn by its market's id, where that is estimated
        self._recent: deque[RecentOrder] = deque()
        self._open: tuple[OpenOrder, ...] | None = None
        self._picture: Portfolio | None = None
        self.version = 0  # moves with every change of an open order
        self._seen_facts: Mapping[int, MarketFacts] = {}
        exchange.listener = self

    # The desk -----------------------------------------------------------------------------------------

    def open(self, now: datetime) -> ReplayDesk:
        return self

    def __enter__(self) -> ReplayDesk:
        self._picture = None  # one picture for a whole review, as under the lock: its own cancels do not change it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    @property
    def open_orders(self) -> tuple[OpenOrder, ...]:
        if self._open is None:
            self._open = tuple(item.order for item in self.working.values())
        return self._open

    @property
    def portfolio(self) -> Portfolio:
        if self._picture is None:
            self._picture = self.portfolio_now()
        return self._picture

    def portfolio_now(self) -> Portfolio:
        value = self.equity.value(self.books, self.now_ns // 10**6)
        equity = Usd(self.holdings.cash + value.positions_value)
        return Portfolio(
            account_id=1,
            environment=Environment.PAPER,
            trading_state=TradingState.ACTIVE,
            cash=Usd(self.holdings.cash),
            reserved_cash=Usd(self.holdings.reserved_cash),
            positions=self.holdings.positions,
            open_orders=self.open_orders,
            equity=equity,
            day_start_equity=Usd(self.equity.day_start(self.now_ns)),
            peak_equity=Usd(max(self.equity.peak, equity)),
            positions_value=value.positions_value,
            unrealized=value.unrealized,
            unmarked=value.unmarked,
        )

    def context(self, placements: Sequence[Placement]) -> GateContext:
        """Return everything the rules may know. What approved plans may still order counts as open."""
        portfolio = self.portfolio
        if planned := self.planned():
            portfolio = replace(portfolio, open_orders=(*portfolio.open_orders, *planned))
        self.wanted += len(placements)
        while self._recent and self._recent[-1].at <= self.now - _MINUTE:
            self._recent.pop()
        known = self._facts()
        ids = {p.market_id for p in placements}
        ids.update(position.market_id for position in portfolio.positions.values())
        ids.update(order.market_id for order in portfolio.open_orders)
        self._seen_facts = {i: known[i] for i in ids}
        return GateContext(
            now=self.now,
            portfolio=portfolio,
            limits=self.limits,
            facts=self._seen_facts,
            books={i: view for i in {p.outcome_id for p in placements} if (view := self.books.get(i)) is not None},
            killed=bool(self.killed),
            kill_reason=self.killed,
            origin_usage={origin_ref(self.origin): self._usage(portfolio)},
            orders_last_minute=len(self._recent),
            recent_orders=tuple(self._recent),
        )

    def cancel(self, order_id: int, *, reason: str = "no longer wanted") -> None:
        """Ask for the order's end. It keeps its reservation until the venue says that it is gone."""
        item = self.working.get(order_id)
        if item is None or item.order.cancel_requested:
            return
        self._change(item, replace(item.order, cancel_requested=True))
        self.canceled += 1
        self.exchange.cancel(item.order.key, now_ns=self.now_ns)

    def record(self, verdict: Verdict) -> int | None:
        """Count the verdict; return the number of the order it created, if any."""
        self.count(verdict)
        if not verdict.approved:
            return None
        try:
            return self.order_create(verdict.placement, int(verdict.allowed_size))
        except ShortOfFunds:
            # The rules and the reservation count alike, but a verdict before this one may have used the money.
            self.refused["reservation"] += 1
            return None

    def count(self, verdict: Verdict) -> None:
        if verdict.refused:
            self.refused[verdict.rule] += 1
        elif verdict.decision is Decision.SHRUNK:
            self.shrunk[verdict.rule] += 1

    def record_plan(self, draft: PlanDraft, verdicts: Sequence[Verdict]) -> int | None:
        assert self.on_plan is not None  # noqa: S101 - set when the replay is put together
        return self.on_plan(draft, verdicts, self._seen_facts)

    def short_of(self, wanted: Sequence[tuple[Placement, int]]) -> str:
        """Return why not all of these orders can be covered together, or nothing."""
        cash = self.holdings.cash - self.holdings.reserved_cash
        free = {i: position.confirmed - position.reserved for i, position in self.holdings.positions.items()}
        for placement, size in wanted:
            if placement.side is Side.SELL:
                free[placement.outcome_id] = free.get(placement.outcome_id, 0) - size
                if free[placement.outcome_id] < 0:
                    return "not enough free shares"
                continue
            cash -= cash_to_reserve(
                side=placement.side,
                price=placement.price,
                size=Shares(size),
                may_take=not placement.post_only,
                fee=self._facts()[placement.market_id].fee,
            )
            if cash < 0:
                return "not enough free cash"
        return ""

    def order_create(self, placement: Placement, size: int, *, plan: int = 0, leg: int = 0) -> int:
        """Reserve and send. Raises ShortOfFunds."""
        facts = self._facts()[placement.market_id]
        reserved = self.holdings.reserve(placement, size, fee=facts.fee)
        market, outcome = placement.market_id - 1, (placement.outcome_id - 1) & 1
        order_id = self.exchange.send(placement, size, market=market, outcome=outcome, now_ns=self.now_ns)
        order = OpenOrder(
            order_id=order_id,
            key=placement.key,
            market_id=placement.market_id,
            outcome_id=placement.outcome_id,
            side=placement.side,
            price=placement.price,
            size=Shares(size),
            filled=Shares(0),
            order_type=placement.order_type,
            post_only=placement.post_only,
            state=OrderState.SENDING,
            origin=placement.origin,
            created_at=self.now,
            level=placement.level,
        )
        self.working[order_id] = Working(order, reserved, self.now_ns // 10**6, plan, leg)
        self._changed()
        self.placed += 1
        recent = RecentOrder(
            origin=origin_ref(placement.origin),
            outcome_id=placement.outcome_id,
            side=placement.side,
            price=placement.price,
            size=Shares(size),
            at=self.now,
        )
        self._recent.appendleft(recent)
        if placement.fair_value is not None:
            self._forecast(placement.outcome_id, int(placement.fair_value))
        return order_id

    # News from the venue ------------------------------------------------------------------------------

    def filled(self, at_ns: int, order_id: int, what: Filled) -> None:
        """Book a fill that has become known."""
        item = self.working[order_id]
        order, venue = item.order, what.fill
        leg = Fill(
            outcome_id=order.outcome_id,
            side=order.side,
            price=Price(venue.price),
            size=Shares(venue.size),
            fee=Usd(venue.fee),
        )
        freed = freed_by(leg, reserved=item.reserved, price=int(order.price), open_size=int(order.remaining))
        item.reserved -= freed
        item.paid += abs(leg.cash_change)
        realized = self.holdings.fill(leg, market_id=order.market_id, day=what.at_ns // DAY_NS, freed=freed)
        fill_id = 1 + self.fills.append(
            (
                what.at_ns,
                order_id,
                venue.price,
                venue.size,
                venue.fee,
                leg.cash_change,
                realized,
                what.mid,
                order.market_id - 1,
                (order.outcome_id - 1) & 1,
                BID if order.side is Side.BUY else ASK,
                venue.role is Role.TAKER,
                venue.inferred,
            )
        )
        told = OwnFill(
            fill_id=fill_id,
            order_id=order_id,
            outcome_id=order.outcome_id,
            side=order.side,
            price=venue.price,
            size=venue.size,
            fee=venue.fee,
            at=self.equity.at(what.at_ns),
        )
        self.news.append(told)
        if self._rebate is not None and venue.role is Role.MAKER:
            self.rebates_accrued += self._rebate(order.market_id, what)
        if self.on_filled is not None:
            self.on_filled(at_ns)
        order = replace(order, filled=Shares(order.filled + venue.size), state=OrderState.LIVE)
        self._change(item, order)
        if order.remaining <= 0:
            self._end(item, at_ns)

    def ended(self, at_ns: int, order_id: int, what: Ended) -> None:
        """Give back what an order that is over had set aside."""
        if what.end is OrderEnd.REJECTED:
            self.rejected[_bare(what.reason)] += 1
        if (item := self.working.get(order_id)) is not None:
            self._end(item, at_ns)

    def rests(self, at_ns: int, order_id: int, what: Rests) -> None:
        if (item := self.working.get(order_id)) is not None:
            item.order = replace(item.order, state=OrderState.DELAYED if what.held else OrderState.LIVE)
            self._open = None  # to be shown; what would be planned against it is the same

    def forget(self, item: Working) -> None:
        """Let go of an order that can never trade: its market has ended while it was on its way."""
        self._end(item, self.now_ns)

    # Inside -------------------------------------------------------------------------------------------

    def _end(self, item: Working, at_ns: int) -> None:
        self.holdings.release(item.order.outcome_id, item.order.side, item.reserved)
        item.reserved, item.ended = 0, True
        del self.working[item.order.order_id]
        self._changed()
        if item.plan and self.on_child_ended is not None:
            self.on_child_ended(at_ns, item.plan)

    def _change(self, item: Working, order: OpenOrder) -> None:
        item.order = order
        self._changed()

    def _changed(self) -> None:
        self._open = None
        self.version += 1

    def _usage(self, portfolio: Portfolio) -> OriginUsage:
        """Return what the strategy uses of its caps."""
        day = self.now_ns // DAY_NS
        traded = [
            sums.traded(outcome_id, day=day, payout=self.payouts.get(outcome_id))
            for outcome_id, sums in self.holdings.sums.items()
        ]
        marks = {}
        for one in traded:
            if one.day_bought > one.day_sold and one.payout is None:
                view = self.books.get(one.outcome_id)
                if view is not None and view.mid is not None:
                    marks[one.outcome_id] = view.mid
        open_buys = sum(
            -(-order.price * order.remaining // 1_000_000) for order in portfolio.open_orders if order.side is Side.BUY
        )
        return usage_of(traded, positions=portfolio.positions, open_buys=open_buys, marks=marks)

    def _forecast(self, outcome_id: int, fair: int) -> None:
        view = self.books.get(outcome_id)
        mid = -1 if view is None or view.mid is None else view.mid
        self.forecasts.append((self.now_ns, fair, mid, (outcome_id - 1) // 2, (outcome_id - 1) & 1))


def _bare(reason: str) -> str:
    """Return a refusal without the order's key, so that equal ones are counted together."""
    words = reason.split(" ")
    return " ".join(words[2:]) if words[0] == "order" and len(words) > 2 else reason
