"""What a user reads of his own orders and trades: usually the truth, under a fault an older one, badly paged.

Times are Unix milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from polybot.sandbox.engine_rules import EngineFault, EngineRules
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.http_core import Request
from polybot.sandbox.http_markets import END_CURSOR, cursor_of, page, read_cursor
from polybot.sandbox.messages import OrderRecord, TradeRecord

SMALL_PAGE = 2


def open_orders(exchange: Exchange, *, owner: str, order_id: str, market: str, asset_id: str) -> list[OrderRecord]:
    """Return the owner's open orders, as they were a while ago when reads lag."""
    lag = exchange.rules.lag(EngineFault.READ_LAG, exchange.now_ms)
    if not lag:
        return exchange.open_orders(owner=owner, order_id=order_id, market=market, asset_id=asset_id)
    return [
        shown
        for shown in (_as_of(record, exchange, exchange.now_ms - lag) for record in exchange.orders_of(owner))
        if shown is not None
        and (not order_id or shown.order_id == order_id)
        and (not market or shown.market == market)
        and (not asset_id or shown.token_id == asset_id)
    ]


def one_order(exchange: Exchange, order_id: str, *, owner: str) -> OrderRecord | None:
    """Return an order of the owner while it is active, by what a lagging read knows."""
    record = exchange.order(order_id)
    if record is None or record.owner != owner:
        return None
    lag = exchange.rules.lag(EngineFault.READ_LAG, exchange.now_ms)
    if lag:
        return _as_of(record, exchange, exchange.now_ms - lag)
    return record if exchange.is_open(record) else None


def trades(exchange: Exchange, found: list[TradeRecord]) -> list[TradeRecord]:
    """Leave out what a lagging read does not know yet."""
    lag = exchange.rules.lag(EngineFault.READ_LAG, exchange.now_ms)
    return [t for t in found if t.matched_ms <= exchange.now_ms - lag] if lag else found


def _as_of(record: OrderRecord, exchange: Exchange, at_ms: int) -> OrderRecord | None:
    """Return the order as it stood at `at_ms`, None when it was not open then."""
    if record.created_ms > at_ms or (record.ended_ms and record.ended_ms <= at_ms):
        return None
    later = 0
    for trade_id in record.trade_ids:
        trade = exchange.trade(trade_id)
        if trade is None or trade.matched_ms <= at_ms:
            continue
        if trade.taker_order_id == record.order_id:
            later += trade.size
        later += sum(part.size for part in trade.parts if part.order_id == record.order_id)
    return replace(record, status="LIVE", matched=max(0, record.matched - later), trade_ids=list(record.trade_ids))


def quirky_page(
    request: Request, rows: list[Any], shape: Callable[[Any], Any], *, limit: int, rules: EngineRules, now_ms: int
) -> dict[str, Any]:
    """Return a page, or what a fault makes of it."""
    if not rules.rules:
        return page(request, rows, shape, limit=limit)
    if rules.strike(EngineFault.PAGE_SMALL, now_ms) is not None:
        limit = SMALL_PAGE
    answer = page(request, rows, shape, limit=limit)
    start = max(0, read_cursor(request))
    if start and rows and rules.strike(EngineFault.PAGE_OVERLAP, now_ms) is not None:
        answer["data"] = [shape(rows[start - 1]), *answer["data"]]
        answer["count"] = len(answer["data"])
    if answer["next_cursor"] != END_CURSOR and rules.strike(EngineFault.PAGE_LOOP, now_ms) is not None:
        answer["next_cursor"] = cursor_of(start)
    elif (
        answer["data"]
        and answer["next_cursor"] == END_CURSOR
        and rules.strike(EngineFault.PAGE_TAIL, now_ms) is not None
    ):
        answer["next_cursor"] = cursor_of(len(rows))
    return answer
