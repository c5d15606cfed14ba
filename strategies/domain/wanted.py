"""What a decision wants, as plain values, and the hash under which equal wants are one decision.

The runner stores both with every new decision, replays compare them: the same code for the same stream.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from markets.domain.units import text_from_micro
from orders.domain.intents import OrderIntent, Quote
from strategies.domain.base import Decision


def wanted_json(decision: Decision) -> list[dict[str, Any]]:
    """Return what is wanted as plain values, decimals as texts."""
    out = [_quote(quote) for quote in decision.quotes]
    out += [_intent(intent) for intent in decision.intents]
    for number, basket in enumerate(decision.baskets):
        legs = [_intent(leg) for leg in basket.legs]
        out.append(
            {
                "kind": "basket",
                "number": number,
                "policy": str(basket.policy),
                "worst_loss": text_from_micro(basket.worst_loss),
                "legs": legs,
            }
        )
    return out


def wanted_hash(wanted: Sequence[Mapping[str, Any]]) -> str:
    """Return the hash under which equal wants are one decision. Reasons are words and do not count."""
    bare = [{key: value for key, value in item.items() if key != "reason"} for item in wanted]
    return hashlib.sha256(json.dumps(bare, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _quote(quote: Quote) -> dict[str, Any]:
    return {
        "kind": "quote",
        "outcome_id": quote.outcome_id,
        "side": str(quote.side),
        "price": text_from_micro(quote.price),
        "size": text_from_micro(quote.size),
        "level": quote.level,
        "post_only": quote.post_only,
        "reason": quote.reason,
    }


def _intent(intent: OrderIntent) -> dict[str, Any]:
    return {
        "kind": "intent",
        "outcome_id": intent.outcome_id,
        "side": str(intent.side),
        "limit_price": text_from_micro(intent.limit_price),
        "size": text_from_micro(intent.size),
        "urgency": str(intent.urgency),
        "expires_at": intent.expires_at.isoformat() if intent.expires_at else None,
        "reason": intent.reason,
    }
