"""The JSON objects of orders and trades, as REST and the user channel spell them.

Only text here: records in, plain dictionaries out. REST prefixes trade states, sockets do not; times are
seconds except the socket's own `timestamp`.
"""

from __future__ import annotations

from typing import Any

from markets.domain.units import text_from_micro
from polybot.sandbox.messages import MakerPart, OrderRecord, TradeRecord


def order_body(record: OrderRecord) -> dict[str, Any]:
    """Return the open-order object of GET /data/orders and /data/order/{id}."""
    return {
        "id": record.order_id,
        "status": record.status,
        "owner": record.owner,
        "maker_address": record.maker,
        "market": record.market,
        "asset_id": record.token_id,
        "side": record.side.value.upper(),
        "original_size": text_from_micro(record.size),
        "size_matched": text_from_micro(record.matched),
        "price": text_from_micro(record.price),
        "outcome": record.outcome,
        "expiration": str(record.expiration_s),
        "order_type": record.order_type.value,
        "associate_trades": list(record.trade_ids),
        "created_at": record.created_ms // 1000,
    }


def order_event(record: OrderRecord, kind: str, now_ms: int) -> dict[str, Any]:
    """Return an order event of the user channel; `kind` is PLACEMENT, UPDATE or CANCELLATION."""
    return {
        **order_body(record),
        "event_type": "order",
        "type": kind,
        "order_owner": record.owner,
        "created_at": str(record.created_ms // 1000),
        "timestamp": str(now_ms),
    }


def _part_body(part: MakerPart) -> dict[str, Any]:
    return {
        "order_id": part.order_id,
        "owner": part.owner,
        "maker_address": part.maker,
        "matched_amount": text_from_micro(part.size),
        "price": text_from_micro(part.price),
        "fee_rate_bps": "0",
        "asset_id": part.token_id,
        "outcome": part.outcome,
        "outcome_index": part.outcome_index,
        "side": part.side.value.upper(),
    }


def trade_body(trade: TradeRecord, *, viewer: str) -> dict[str, Any]:
    """Return the trade object of GET /data/trades as the API key `viewer` sees it."""
    return {
        "id": trade.trade_id,
        "taker_order_id": trade.taker_order_id,
        "market": trade.market,
        "asset_id": trade.token_id,
        "side": trade.side.value.upper(),
        "size": text_from_micro(trade.size),
        "fee_rate_bps": "0",
        "price": text_from_micro(trade.price),
        "status": f"TRADE_STATUS_{trade.status}",
        "match_time": str(trade.matched_ms // 1000),
        "match_time_nano": str(trade.matched_ms * 1_000_000),
        "last_update": str(trade.updated_ms // 1000),
        "outcome": trade.outcome,
        "bucket_index": trade.bucket,
        "owner": trade.owner,
        "maker_address": trade.maker,
        "transaction_hash": trade.transaction_hash,
        "err_msg": trade.error or None,
        "trader_side": "TAKER" if viewer == trade.owner else "MAKER",
        "maker_orders": [_part_body(part) for part in trade.parts],
    }


def trade_event(trade: TradeRecord, *, viewer: str, now_ms: int) -> dict[str, Any]:
    """Return the trade event of the user channel for the API key `viewer`."""
    body = trade_body(trade, viewer=viewer)
    del body["match_time_nano"], body["err_msg"]
    return {
        **body,
        "event_type": "trade",
        "type": "TRADE",
        "status": trade.status,
        "trade_owner": viewer,
        "timestamp": str(now_ms),
    }
