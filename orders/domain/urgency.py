"""From a wish to a complete order: urgency becomes an order type, once and only here.

low: post-only, rests · medium: rests at its limit, may take · high: takes what is there
up to the limit · immediate: all or nothing. A strategy may name another type; it can
never loosen the limit price, which already contains the slippage it accepts.
"""

from __future__ import annotations

from datetime import datetime

from orders.domain.intents import INTENT_LEVEL, OrderIntent, OrderType, Origin, Placement, Quote, Urgency

_TYPE_OF = {
    Urgency.LOW: OrderType.GTC,
    Urgency.MEDIUM: OrderType.GTC,
    Urgency.HIGH: OrderType.FAK,
    Urgency.IMMEDIATE: OrderType.FOK,
}


def order_terms(intent: OrderIntent) -> tuple[OrderType, bool]:
    """Return (order type, post-only) for `intent`. An expiry makes a resting order good-till-date."""
    order_type = intent.order_type or _TYPE_OF[intent.urgency]
    if order_type is OrderType.GTC and intent.expires_at is not None:
        order_type = OrderType.GTD
    return order_type, intent.urgency is Urgency.LOW and order_type.rests


def intent_placement(
    intent: OrderIntent, *, key: str, market_id: int, origin: Origin, now: datetime, marketable: bool = False
) -> Placement:
    """Return the complete order that `intent` asks for."""
    order_type, post_only = order_terms(intent)
    return Placement(
        key=key,
        market_id=market_id,
        outcome_id=intent.outcome_id,
        side=intent.side,
        price=intent.limit_price,
        size=intent.size,
        order_type=order_type,
        post_only=post_only,
        origin=origin,
        created_at=now,
        expires_at=intent.expires_at if order_type is OrderType.GTD else None,
        level=INTENT_LEVEL,
        fair_value=intent.fair_value,
        reason=intent.reason,
        marketable=marketable,
    )


def quote_placement(
    quote: Quote, *, key: str, market_id: int, origin: Origin, now: datetime, replaces_order_id: int | None = None
) -> Placement:
    """Return the resting order that `quote` asks for."""
    return Placement(
        key=key,
        market_id=market_id,
        outcome_id=quote.outcome_id,
        side=quote.side,
        price=quote.price,
        size=quote.size,
        order_type=OrderType.GTC,
        post_only=quote.post_only,
        origin=origin,
        created_at=now,
        level=quote.level,
        fair_value=quote.fair_value,
        reason=quote.reason,
        replaces_order_id=replaces_order_id,
    )
