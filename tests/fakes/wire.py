"""Polymarket's socket and REST objects, with the few numbers a test cares about."""

from __future__ import annotations

from typing import Any

from markets.domain.events import BookSnapshot
from markets.selectors.watch import WatchedOutcome
from markets.venues.polymarket import parse

AT_MS = 1_790_000_000_000


def book(token: str, *, bid: str = "0.48", ask: str = "0.52", at_ms: int = AT_MS, **changes: Any) -> dict[str, Any]:
    return {
        "event_type": "book",
        "market": "0x1",
        "asset_id": token,
        "timestamp": str(at_ms),
        "hash": "",
        "bids": [{"price": "0.01", "size": "50"}, {"price": bid, "size": "10"}],
        "asks": [{"price": "0.99", "size": "50"}, {"price": ask, "size": "10"}],
        "tick_size": "0.01",
        "last_trade_price": "",
        **changes,
    }


def price_change(token: str, price: str, size: str, *, side: str = "BUY", at_ms: int = AT_MS) -> dict[str, Any]:
    entry = {"asset_id": token, "price": price, "size": size, "side": side, "hash": "h"}
    return {"event_type": "price_change", "market": "0x1", "timestamp": str(at_ms), "price_changes": [entry]}


def trade(token: str, price: str, size: str, *, ref: str = "", at_ms: int = AT_MS) -> dict[str, Any]:
    return {
        "event_type": "last_trade_price",
        "market": "0x1",
        "asset_id": token,
        "price": price,
        "size": size,
        "side": "BUY",
        "timestamp": str(at_ms),
        "transaction_hash": ref,
    }


def snapshot(token: str, **changes: Any) -> BookSnapshot:
    """The same book as REST gives it."""
    values = {k: v for k, v in book(token, **changes).items() if k != "event_type"}
    levels = {side: [parse.WireLevel(**level) for level in values[side]] for side in ("bids", "asks")}
    return parse.snapshot_from_wire(parse.WireBook(**{**values, **levels}), 1)


def watched(outcome_id: int, token: str, **changes: Any) -> WatchedOutcome:
    values: dict[str, Any] = {
        "outcome_id": outcome_id,
        "market_id": outcome_id,
        "token_id": token,
        "condition_id": "0x1",
        "tick": 10_000,
        "minimum_size": 5_000_000,
        "neg_risk": False,
        "takes_orders": True,
        "urgent": True,
        "label": f"Market {outcome_id} · Yes",
    }
    return WatchedOutcome(**{**values, **changes})
