"""Buying what is offered now: one order that takes at the best ask or a little above, and never rests."""

from __future__ import annotations

from markets.domain.instruments import MarketFacts, MarketState, Side
from markets.domain.units import ONE, Price, Shares, round_down_to_tick
from orders.domain.intents import OrderIntent, OrderType, Urgency
from strategies.domain.trace import TraceEntry
from strategies.domain.view import MarketView

_LOT = 10_000  # sizes are whole hundredths of a share


def offered_at(view: MarketView, facts: MarketFacts, outcome_id: int, *, oldest_s: int) -> int | TraceEntry:
    """Return the best ask in millionths, or the gate that closes: market, book, its age, no ask."""
    if facts.state is not MarketState.OPEN:
        return TraceEntry("market_not_open", False, outcome_id=outcome_id, note=str(facts.state))
    book = view.books.get(outcome_id)
    if book is None:
        return TraceEntry("book_missing", False, outcome_id=outcome_id)
    if not book.is_fresh(view.now_ms, oldest_s * 1000):
        return TraceEntry("book_stale", False, book.age_ms(view.now_ms), oldest_s * 1000, "ms", outcome_id)
    if book.best_ask is None:
        return TraceEntry("one_sided", False, outcome_id=outcome_id)
    return book.best_ask


def take_offer(
    facts: MarketFacts, outcome_id: int, *, ask: int, size: int, slippage_bps: int, reason: str
) -> OrderIntent:
    """Return a fill-and-kill BUY of `size` (raised to the market's minimum) at `ask` plus the slippage, on the tick."""
    limit = min(round_down_to_tick(ask + ask * slippage_bps // 10_000, facts.tick), ONE - facts.tick)
    return OrderIntent(
        outcome_id=outcome_id,
        side=Side.BUY,
        size=Shares(-(-max(size, facts.minimum_size) // _LOT) * _LOT),
        limit_price=Price(max(limit, ask)),
        urgency=Urgency.HIGH,
        order_type=OrderType.FAK,
        reason=reason,
    )
