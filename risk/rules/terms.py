"""Are the order's terms ones that the venue takes?"""

from __future__ import annotations

from orders.domain.intents import OrderType
from risk.domain.question import Question
from risk.domain.verdicts import Check, Unit

# Polymarket wants a stated expiry 180 s ahead and takes the order off 60 s before it. Our
# `expires_at` is the moment it really ends, so it lies at least two minutes ahead.
MINIMUM_LIFE_S = 120


def expiry(question: Question) -> Check:
    """Only a good-till-date order has an expiry, and it lies at least two minutes ahead."""
    rule, placement = "expiry", question.placement
    if placement.order_type is not OrderType.GTD:
        passed = placement.expires_at is None
        note = "" if passed else f"{placement.order_type} orders have no expiry; use gtd"
        return Check(rule=rule, passed=passed, unit=Unit.SECONDS, note=note)
    if placement.expires_at is None:
        return Check(rule=rule, passed=False, limit=MINIMUM_LIFE_S, unit=Unit.SECONDS, note="gtd needs an expiry")
    # From when it was asked for: waiting for the gate must not make a good order a bad one.
    left = int((placement.expires_at - placement.created_at).total_seconds())
    passed = left >= MINIMUM_LIFE_S
    note = "" if passed else f"expires in {left} s; the venue wants at least {MINIMUM_LIFE_S} s"
    return Check(rule=rule, passed=passed, value=left, limit=MINIMUM_LIFE_S, unit=Unit.SECONDS, note=note)
