"""From a finished replay to its result: tables, what is still held, and what a reader must know."""

from __future__ import annotations

from collections.abc import Sequence

from backtests.domain.desk import ReplayDesk
from backtests.domain.markets import Replayed
from backtests.domain.plan_work import PlanWork
from backtests.domain.result import BacktestResult, Funnel, Holding
from backtests.domain.tables import Table
from backtests.domain.ticker import Ticker
from markets.domain.tape import Fidelity

_NAMES = ("the first outcome", "the second outcome")


def result_of(
    *,
    markets: Sequence[Replayed],
    capital: int,
    span: tuple[int, int],
    desk: ReplayDesk,
    ticker: Ticker,
    plans: PlanWork,
    settlements: Table,
    problems: Sequence[str],
    stopped: str,
) -> BacktestResult:
    holdings, (start_ns, end_ns) = desk.holdings, span
    return BacktestResult(
        markets=tuple(market.facts for market in markets),
        fidelity=tuple(market.fidelity for market in markets),
        capital=capital,
        start_ns=start_ns,
        end_ns=end_ns,
        orders=desk.exchange.orders.rows(),
        fills=desk.fills.rows(),
        equity=desk.equity.curve.rows(),
        settlements=settlements.rows(),
        holdings=tuple(_holdings(markets, desk)),
        cash=holdings.cash,
        fees=holdings.fees,
        rebates=holdings.rebates,
        funnel=Funnel(
            ticks=ticker.ticks,
            unchanged=ticker.unchanged,
            decisions=ticker.decided,
            wanted=desk.wanted,
            refused=dict(desk.refused),
            shrunk=dict(desk.shrunk),
            rejected=dict(desk.rejected),
            gates=dict(ticker.gates),
            placed=desk.placed,
            canceled=desk.canceled,
            fills=len(desk.fills),
            errors=ticker.errors,
            first_error=ticker.first_error,
        ),
        events=sum(market.seen.rows.count for market in markets),
        decisions=tuple(ticker.decisions),
        gaps=tuple(
            (index, begins, ends) for index, market in enumerate(markets) for begins, ends in market.seen.unsure(end_ns)
        ),
        problems=(*problems, *_problems(markets, end_ns=end_ns), *_notes(desk, plans)),
        forecasts=desk.forecasts.rows() if len(desk.forecasts) else None,
        stopped=stopped,
    )


def _holdings(markets: Sequence[Replayed], desk: ReplayDesk) -> list[Holding]:
    found = []
    for outcome_id, position in sorted(desk.holdings.positions.items()):
        market, outcome = divmod(outcome_id - 1, 2)
        found.append(
            Holding(
                market=market,
                outcome=outcome,
                size=int(position.size),
                cost=int(position.cost),
                realized=int(position.realized),
                fees=int(position.fees),
                mark=markets[market].seen.bid(outcome),
            )
        )
    return found


def _problems(markets: Sequence[Replayed], *, end_ns: int) -> list[str]:
    """Return what a reader must know of the recordings."""
    found = []
    for market in markets:
        name = market.facts.question or market.facts.slug
        if market.mirrored is not None:
            other = market.facts.outcomes[market.mirrored].label or _NAMES[market.mirrored]
            found.append(f"{name}: only one outcome was recorded; the book of {other} is its mirror")
        if all(market.seen.book(outcome, 0) is None for outcome in (0, 1)):
            found.append(f"{name}: no whole book was recorded, so its changes mean nothing and nobody could trade")
        elif market.seen.unsure(end_ns) != market.seen.gaps:
            found.append(f"{name}: after its last gap no whole book was recorded; entries were refused from there on")
        if market.seen.crossed:
            found.append(f"{name}: its book was crossed at {market.seen.crossed} looks; nothing traded on it then")
        if market.seen.rows.dropped:
            found.append(f"{name}: {market.seen.rows.dropped} rows after the last whole message were left out")
        if market.fidelity is Fidelity.PRICES:
            found.append(f"{name}: prices without a book; nobody knows whether the shares were there")
        elif market.fidelity is Fidelity.TOP_OF_BOOK:
            found.append(f"{name}: best prices only; resting orders fill only when the other side reaches them")
        if market.fees.at(end_ns - 1) is None:
            found.append(f"{name}: its fee on these days is not known, so the gate refuses entries")
    return found


def _notes(desk: ReplayDesk, plans: PlanWork) -> list[str]:
    """Return what a reader must know of how this run was worked out."""
    found = []
    if desk.holdings.rebates:
        found.append("maker rebates are an estimate: our share of the pool is in no recording")
    if plans.started:
        ended = ", ".join(f"{count} {name}" for name, count in sorted(plans.ended.items()))
        found.append(f"{plans.started} plans of several orders were worked: {ended or 'none ended'}")
    return found
