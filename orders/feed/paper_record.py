"""What the simulated venue did and after which event of the feed, so that a replay can let it happen again.

`after` is the receive time, in nanoseconds, of the market's last event that the venue had seen; every other amount is
a millionth. A line may stand in the record although its transaction failed afterwards: the same thing is then written
again, and the later line holds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings

from markets.services.records import Record
from orders.feed.paper_engine import Effects, PaperEngine

VENUE = Record(settings.DECISION_RECORD_DIR, "venue")


def started(engine: PaperEngine, *, now: datetime) -> None:
    """Note that the venue's memory was rebuilt, and what rested then."""
    if VENUE.is_on:
        resting = [[q.venue_order_id, q.filled, q.ahead] for q in engine.queues()]
        VENUE.write({"k": "start", "at": _ms(now), "resting": resting}, at=now)


def effects_note(engine: PaperEngine, effects: Effects, *, now: datetime) -> None:
    """Note arrivals, fills and ends, in the order in which they happened."""
    if not effects or not VENUE.is_on:
        return
    lines: list[dict[str, Any]] = [
        {
            "k": "place",
            "id": accepted.arrival.venue_order_id,
            "order": accepted.arrival.order_id,
            "outcome": accepted.arrival.outcome_id,
            "at": accepted.at_ms,
            "after": engine.seen(accepted.arrival.outcome_id),
            "state": accepted.state.value,
            "filled": accepted.filled,
            "ahead": accepted.ahead,
        }
        for accepted in effects.accepted
    ]
    lines += [
        {
            "k": "fill",
            "id": trade.venue_order_id,
            "at": trade.fill.at_ms,
            "price": trade.fill.price,
            "size": trade.fill.size,
            "fee": trade.fill.fee,
            "role": trade.fill.role.value,
            "filled": trade.fill.filled,
        }
        for trade in effects.trades
    ]
    lines += [
        {
            "k": "end",
            "id": ended.venue_order_id,
            "at": _ms(now),
            "after": engine.seen(ended.outcome_id),
            "state": ended.state.value,
        }
        for ended in effects.ended
    ]
    VENUE.write(*lines, at=now)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
