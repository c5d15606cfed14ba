"""How soon the gate is asked again for what it refused: not every second, and less often each time.

The runner and replays decide by the same functions whether a tick opens the gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from orders.domain.intents import Placement
from strategies.domain.cycle import Plan

RETRY_FIRST_S, RETRY_LONGEST_S = 5, 60
ASKED_SIZES_KEPT = 100

Signature = frozenset[tuple[int, str, int, int, int]]  # of placements: outcome, side, level, price, size


def signature(placements: Sequence[Placement]) -> Signature:
    return frozenset((p.outcome_id, str(p.side), p.level, int(p.price), int(p.size)) for p in placements)


def pause_s(refusals: int) -> int:
    """Return the pause after so many refusals in a row, the last one included."""
    return min(RETRY_LONGEST_S, RETRY_FIRST_S << min(refusals - 1, 8))


def is_refused_again(
    plan: Plan, *, refused: Signature, retry_at: datetime | None, now: datetime, observes: bool
) -> bool:
    """Whether all that the plan would do is ask again for what was refused (or only observed) a moment ago."""
    if (plan.stale_order_ids and not observes) or not signature(plan.wanted) <= refused:
        return False
    return retry_at is None or now < retry_at
