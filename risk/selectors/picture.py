"""The picture a review is made in: portfolio, limits, market facts, books and recent orders, read together.

Call it under the account's lock: then nothing in it that belongs to the account moves until
the transaction ends. Market data is as new as the tickstore has it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from markets.domain.instruments import MarketFacts, Side
from markets.domain.views import BookView
from markets.selectors.ahead import market_facts_ahead
from markets.selectors.drift import blocked_markets
from markets.tickstore import TickstoreUnavailable, get_tickstore
from orders.domain.equity import day_start
from orders.domain.intents import OpenOrder, OriginKind, Placement
from orders.domain.ledger import Portfolio
from orders.domain.lifecycle import Environment, TradingState
from orders.domain.readiness import LiveConditions
from orders.selectors.conditions import conditions_ahead
from orders.selectors.origins import origin_trades
from orders.selectors.permits import permits_missing
from orders.selectors.plans import planned_orders
from orders.selectors.portfolio import recent_orders
from risk.domain.context import GateContext, OriginRef, OriginUsage, RecentOrder, origin_ref
from risk.domain.limits import Limits
from risk.domain.usage import Traded, usage_of
from risk.selectors.halts import halted_state
from risk.selectors.limits import origin_limits_get

log = logging.getLogger(__name__)


def context_get(
    portfolio: Portfolio,
    placements: Sequence[Placement],
    *,
    limits: Limits | None,
    killed: bool | None,
    kill_reason: str = "",
    now: datetime,
) -> GateContext:
    """Return everything the rules may know about `placements` on this account.

    What approved plans may still order counts as open: it is promised, and may go out at any moment.
    """
    portfolio = replace(portfolio, open_orders=(*portfolio.open_orders, *planned_orders(portfolio.account_id)))
    origins = {origin_ref(p.origin) for p in placements if p.origin.kind is OriginKind.STRATEGY}
    facts = market_facts_ahead(_markets(portfolio, placements))
    venue_blocks, market_blocks = _blocks({p.market_id for p in placements}, facts)
    recent = list(recent_orders(portfolio.account_id, now - timedelta(minutes=1)))
    return GateContext(
        now=now,
        portfolio=replace(portfolio, trading_state=effective_state(portfolio)),
        limits=limits,
        facts=facts,
        books=books_read({p.outcome_id for p in placements}),
        killed=killed,
        kill_reason=kill_reason,
        auto_trade=portfolio.auto_trade,
        origin_limits=origin_limits_get(origins),
        origin_usage=usage_get(portfolio, origins, now=now),
        orders_last_minute=len(recent),
        recent_orders=tuple(_recent(order) for order in recent),
        conditions=conditions_of(portfolio),
        venue_blocks=venue_blocks,
        market_blocks=market_blocks,
        permits_missing=_permits_missing(portfolio, placements),
    )


def conditions_of(portfolio: Portfolio) -> LiveConditions:
    """Return what must be well around the account's orders; for paper nothing has to be read."""
    if portfolio.environment is Environment.PAPER:
        return LiveConditions(account_id=portfolio.account_id, environment=Environment.PAPER)
    return conditions_ahead(portfolio.account_id)


def _blocks(market_ids: set[int], facts: Mapping[int, MarketFacts]) -> tuple[dict[str, str], dict[int, str]]:
    """Return why entries stop, by venue and by market, for the markets that are asked about."""
    venues: dict[str, str] = {}
    markets: dict[int, str] = {}
    for venue in {str(facts[i].venue) for i in market_ids if i in facts}:
        for market_id, reason in blocked_markets(venue, market_ids).items():
            if market_id is None:
                venues[venue] = reason
            else:
                markets[market_id] = reason
    return venues, markets


def _permits_missing(portfolio: Portfolio, placements: Sequence[Placement]) -> dict[OriginRef, tuple[str, ...]]:
    """Return per origin what stands between it and real money. A strategy needs a permit of its own (I11)."""
    if portfolio.environment is not Environment.LIVE:
        return {}
    return {
        (kind, origin_id): tuple(
            permits_missing(portfolio.account_id, origin_id if kind is OriginKind.STRATEGY else None)
        )
        for kind, origin_id in {origin_ref(p.origin) for p in placements}
    }


def effective_state(portfolio: Portfolio) -> TradingState:
    """Return the stricter of the account's own state and the open halts: a new account obeys an old halt too."""
    halted = halted_state(portfolio.account_id)
    order = [TradingState.ACTIVE, TradingState.REDUCE_ONLY, TradingState.HALTED]
    return max(portfolio.trading_state, halted, key=order.index)


def books_read(outcome_ids: Iterable[int]) -> Mapping[int, BookView]:
    """Return the latest books. A store that does not answer leaves none, and the gate refuses for want of a book."""
    try:
        return get_tickstore().books_get(outcome_ids)
    except (TickstoreUnavailable, OSError) as error:
        log.warning("no books for the review", extra={"problem": str(error)[:200]})
        return {}


def usage_get(portfolio: Portfolio, origins: Iterable[OriginRef], *, now: datetime) -> dict[OriginRef, OriginUsage]:
    """Return what each strategy uses of its caps."""
    refs = {(str(kind), origin_id): (kind, origin_id) for kind, origin_id in origins}
    if not refs:
        return {}
    trades = origin_trades(portfolio.account_id, refs, since=day_start(now))
    today = {t.outcome_id for rows in trades.values() for t in rows if t.day_bought > t.day_sold and t.payout is None}
    marks = {i: book.mid for i, book in books_read(today).items() if book.mid is not None} if today else {}
    return {
        refs[key]: usage_of(
            [
                Traded(
                    outcome_id=t.outcome_id,
                    bought=t.bought,
                    bought_cost=t.bought_cost,
                    sold=t.sold,
                    day_bought=t.day_bought,
                    day_bought_cost=t.day_bought_cost,
                    day_sold=t.day_sold,
                    day_sold_proceeds=t.day_sold_proceeds,
                    day_fees=t.day_fees,
                    payout=t.payout,
                )
                for t in rows
            ],
            positions=portfolio.positions,
            open_buys=_open_buys(portfolio, refs[key]),
            marks=marks,
        )
        for key, rows in trades.items()
    }


def _open_buys(portfolio: Portfolio, origin: OriginRef) -> int:
    """Return what the origin's open buys may still cost, without fees, which the account's cash check covers."""
    return sum(
        -(-order.price * order.remaining // 1_000_000)
        for order in portfolio.open_orders
        if order.side is Side.BUY and origin_ref(order.origin) == origin
    )


def _markets(portfolio: Portfolio, placements: Sequence[Placement]) -> set[int]:
    """Return the markets whose facts the rules need: asked for, held, or with an open order."""
    ids = {p.market_id for p in placements}
    ids |= {position.market_id for position in portfolio.positions.values()}
    return ids | {order.market_id for order in portfolio.open_orders}


def _recent(order: OpenOrder) -> RecentOrder:
    return RecentOrder(
        origin=origin_ref(order.origin),
        outcome_id=order.outcome_id,
        side=order.side,
        price=order.price,
        size=order.size,
        at=order.created_at,
    )
