"""Strategies of one test, and limits that are in nobody's way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from backtests.domain.replay import replay_exact
from backtests.domain.request import BacktestRequest, Fees, Latency
from backtests.domain.result import BacktestResult
from markets.domain.instruments import Side
from markets.domain.tape import Tape
from markets.domain.units import Price, Shares, Usd
from orders.domain.intents import OrderIntent, Quote, Urgency
from risk.domain.limits import Limits
from strategies.domain.base import Base, Decision, OwnFill, Resolved, State, TradingParameters, Wake, WakeKind
from strategies.domain.view import MarketView, Needs
from tests.backtests.tapes import micro

WIDE = Usd(10**13)
LIMITS = Limits(
    profile="test",
    account_exposure=WIDE,
    market_exposure=WIDE,
    event_exposure=WIDE,
    strategy_exposure=WIDE,
    order_size=WIDE,
    order_minimum=Usd(1_000_000),
    open_orders=100,
    open_positions=100,
    daily_loss=WIDE,
    drawdown_stop_bps=9_000,
    drawdown_kill_bps=9_500,
    slippage_bps=2_000,
    orders_per_minute=100_000,
)


class ScriptParameters(TradingParameters):
    pass


class Script(Base):
    """Asks a function what to do at each tick, and keeps what it saw."""

    name, title, description, params = "script", "Script", "", ScriptParameters

    def __init__(
        self,
        decide: Callable[[MarketView], Decision | None],
        *,
        needs: Needs | None = None,
        wakes: Sequence[Wake] = (),
        on_fill: Callable[[State, OwnFill], State] | None = None,
    ) -> None:
        self._decide = decide
        self._needs = needs or Needs()
        self._on_fill = on_fill
        self.wakes = (Wake(kind=WakeKind.INTERVAL), *wakes)  # type: ignore[misc]
        self.views: list[MarketView] = []
        self.fills: list[OwnFill] = []
        self.resolved: list[Resolved] = []

    def needs(self, params: Any) -> Needs:
        return self._needs

    def decide(self, view: MarketView) -> Decision:
        list(view.books)  # what is not looked at in time is never seen
        self.views.append(view)
        return self._decide(view) or Decision()

    def on_fill(self, state: State, fill: OwnFill) -> State:
        self.fills.append(fill)
        return state if self._on_fill is None else self._on_fill(state, fill)

    def on_resolved(self, state: State, resolved: Resolved) -> State:
        self.resolved.append(resolved)
        return state


def at_ticks(script: dict[int, Decision]) -> Callable[[MarketView], Decision | None]:
    """Decide by the number of the tick; quotes stay wanted until the next entry, intents are wanted once."""
    ticks = iter(range(10**9))
    state = {"last": Decision()}

    def decide(view: MarketView) -> Decision:
        number = next(ticks)
        if number in script:
            state["last"] = script[number]
            return script[number]
        return Decision(quotes=state["last"].quotes)

    return decide


def quote(outcome_id: int, side: Side, price: str, size: str, **values: Any) -> Quote:
    return Quote(outcome_id=outcome_id, side=side, price=Price(micro(price)), size=Shares(micro(size)), **values)


def intent(outcome_id: int, side: Side, price: str, size: str, urgency: Urgency, **values: Any) -> OrderIntent:
    return OrderIntent(
        outcome_id=outcome_id,
        side=side,
        limit_price=Price(micro(price)),
        size=Shares(micro(size)),
        urgency=urgency,
        **values,
    )


def request(**values: Any) -> BacktestRequest:
    fields = {"strategy": "script", "params": {}, "data": (), "fees": Fees.NONE, "latency": Latency(), **values}
    return BacktestRequest(**fields)


def replay(
    tapes: Tape | Sequence[Tape], script: Base | None, *, limits: Limits = LIMITS, **values: Any
) -> BacktestResult:
    """Replay and check what must always hold: the books balance, and nothing raised unseen."""
    extra = {name: values.pop(name) for name in ("ticks", "on_tick", "progress") if name in values}
    tapes = [tapes] if isinstance(tapes, Tape) else tapes
    result = replay_exact(tapes, request(**values), limits=limits, strategy=script, **extra)  # type: ignore[arg-type]
    moved = int(result.fills["cash"].sum()) + int(result.settlements["cash"].sum()) + result.rebates
    assert result.cash == result.capital + moved
    return result
