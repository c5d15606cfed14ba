"""The plans that a ticket can ask for: a chase to its price, or slices over its minutes."""

from __future__ import annotations

from orders.domain.drafts import PlanDraft
from orders.domain.intents import Placement
from orders.domain.slices import JOIN, TAKE
from polybot.dashboard.ticket import CHASE, TWAP, TicketForm
from risk.services import plans


def ticket_draft(form: TicketForm, placement: Placement) -> PlanDraft | None:
    """Return the plan that the ticket asks for; None for a single order, or a chase that one order does.

    Raises PlanError when the slices would be too small.
    """
    kind = form.cleaned_data["order_type"]
    if kind == CHASE:
        return plans.chase_wanted(placement)
    if kind != TWAP:
        return None
    count = form.parts
    every = max(1, form.cleaned_data["minutes"] * 60 // count)
    child = JOIN if form.cleaned_data.get("post_only") else TAKE
    return plans.slices_wanted(placement, count=count, interval_s=every, child=child, now=placement.created_at)
