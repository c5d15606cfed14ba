"""A person's order, made complete. `risk.services.gate.review_manual` carries it through the gate."""

from __future__ import annotations

import random
from datetime import datetime

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares
from markets.selectors.catalogue import facts_by_outcome
from orders.domain.intents import INTENT_LEVEL, OrderType, Origin, OriginKind, Placement
from orders.domain.keys import new_key

_bits = random.SystemRandom()


class UnknownOutcome(LookupError):
    """The outcome is not in the catalogue."""


def manual_origin(*, user_id: int, name: str) -> Origin:
    return Origin(kind=OriginKind.MANUAL, id=user_id, label=name[:120])


def placement_make(
    *,
    outcome_id: int,
    side: Side,
    price: Price,
    size: Shares,
    order_type: OrderType,
    post_only: bool,
    origin: Origin,
    expires_at: datetime | None = None,
    reason: str = "manual",
    now: datetime,
) -> Placement:
    """Return a complete manual order. Raises UnknownOutcome."""
    facts = facts_by_outcome([outcome_id]).get(outcome_id)
    if facts is None:
        raise UnknownOutcome(f"there is no outcome {outcome_id}")
    return Placement(
        key=new_key(now=now, bits=_bits),
        market_id=facts.market_id,
        outcome_id=outcome_id,
        side=side,
        price=price,
        size=size,
        order_type=order_type,
        post_only=post_only,
        origin=origin,
        created_at=now,
        expires_at=expires_at,
        level=INTENT_LEVEL,
        reason=reason,
    )
