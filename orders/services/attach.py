"""What the venue shows of one of our orders becomes its state here: by listed steps, on evidence only.

An end is taken over only when every share that the venue counts as matched is booked: the answer to a cancel
and the last trades travel apart, and money let go too early may already be spent. A fill that failed to settle
counts as booked here, because the venue goes on counting it as matched.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum

from markets.domain.trading import OrderWord, VenueOrder
from markets.domain.units import decimal_from_micro
from orders.domain.intents import OrderType
from orders.domain.lifecycle import OPEN, TRANSITIONS, OrderState
from orders.models import Order, OrderSubmission
from orders.services.conflicts import conflict_record
from orders.services.states import order_advance, order_lock, plain

S = OrderState
_ENDS = {
    OrderWord.MATCHED: OrderState.FILLED,
    OrderWord.CANCELED: OrderState.CANCELED,
    OrderWord.EXPIRED: OrderState.EXPIRED,
}
_STATES = {OrderWord.LIVE: OrderState.LIVE, OrderWord.DELAYED: OrderState.DELAYED}
UNSENT = frozenset({S.NEW, S.RESERVED, S.SIGNED})


def venue_order_attach(order_id: int, theirs: VenueOrder, *, now: datetime) -> bool:
    """Move our order to what the venue shows; return whether its state moved.

    Any order and repetition of the same facts ends the same. An order that is not what we sent halts the account.
    """
    with transaction.atomic():
        order = order_lock(order_id)
        problem = _mismatch(order, theirs)
        if not problem:
            return _attach(order, theirs, now=now)
    conflict_record(order.account_id, subject=f"order {order_id}", problem=problem, now=now)
    return False


def order_found(order: Order, *, now: datetime, to: OrderState | None = None) -> bool:
    """Move a locked order that was sent into the unknown to where it certainly is; return whether it moved.

    Without `to`: a trade shows that the venue took it, so it rests, or matched if it is of a kind that never rests.
    """
    before = OrderState(order.state)
    if to is None:
        if before not in (S.UNKNOWN, S.QUARANTINED):
            return False
        to = S.LIVE if OrderType(order.order_type).rests else S.MATCHED
    if before is to or (before, to) not in TRANSITIONS:
        return False
    order_advance(
        order, to, now=now, reason="seen at the venue", acknowledged_at=order.acknowledged_at or now, lease_until=None
    )
    _found(order)
    return True


def end_when_booked(order: Order, *, now: datetime) -> bool:
    """End a locked order whose end is certain, once all that the venue matched of it is booked; return whether it did.

    Certain is an end that the venue has confirmed, and that of an order whose trades add up to its whole size.
    """
    if order.state not in OPEN:
        return False
    told = told_size(order)
    said = OrderSubmission.objects.filter(pk=order.pk).exclude(ending="").first()
    if told >= order.size:
        to = S.FILLED
    elif said is None or said.matched_claim is None or told < said.matched_claim:
        return False
    else:
        to = OrderState(said.ending)
    reason = order.cancel_reason or order.state_reason
    if to is S.FILLED and order.filled_size < order.size:
        # Complete at the venue and not here: a part failed to settle, or what is left is too small to trade.
        to, reason = S.CANCELED, f"the venue calls it complete at {plain(order.filled_size)} of {plain(order.size)}"
    fields: dict[str, Any] = {"acknowledged_at": order.acknowledged_at or now, "lease_until": None}
    before = OrderState(order.state)
    if (before, to) not in TRANSITIONS and (before, S.LIVE) in TRANSITIONS:
        order_advance(order, S.LIVE, now=now, **fields)
    order_advance(order, to, now=now, reason=reason, **fields)
    _found(order)
    return True


def told_size(order: Order) -> Decimal:
    """Return the shares of all its trades that we have booked, failed ones included, as the venue counts them."""
    return order.fills.aggregate(total=Sum("size"))["total"] or Decimal(0)


def _attach(order: Order, theirs: VenueOrder, *, now: datetime) -> bool:
    if order.state not in OPEN or order.state in UNSENT:
        return False  # over: a late fill is booked by its trade. Unsent: an answer is on its way, or a contradiction
    if not theirs.word.is_over:
        return order_found(order, now=now, to=_STATES[theirs.word])
    matched = _matched(order, theirs)
    if matched is None:
        return order_found(order, now=now)  # it is there, or was; how it ended is read again
    said = OrderSubmission.objects.filter(pk=order.pk).first()
    if said is None:
        return False
    claim = max(matched, said.matched_claim or Decimal(0))
    # The first end that was told stays: a cancel and an expiry of one order are the same end in two words.
    ending = said.ending or _ENDS[theirs.word].value
    OrderSubmission.objects.filter(pk=order.pk).update(ending=ending, matched_claim=claim)
    if not order.cancel_reason and theirs.reason and theirs.word is not OrderWord.MATCHED:
        Order.objects.filter(pk=order.pk).update(state_reason=theirs.reason[:300])
        order.state_reason = theirs.reason[:300]
    return end_when_booked(order, now=now) or order_found(order, now=now)


def _matched(order: Order, theirs: VenueOrder) -> Decimal | None:
    """Return what the venue counts as matched, None where it does not say."""
    if theirs.matched is not None:
        return decimal_from_micro(theirs.matched)
    if theirs.word is OrderWord.MATCHED and theirs.size is not None:
        return decimal_from_micro(theirs.size)
    # The venue leaves the size of a killed order empty: one that must fill completely filled nothing.
    return Decimal(0) if order.order_type == OrderType.FOK and theirs.word is OrderWord.CANCELED else None


def _mismatch(order: Order, theirs: VenueOrder) -> str:
    token = order.outcome.token_id
    if (theirs.token_id, theirs.side.value) != (token, order.side):
        return f"the venue shows {theirs.side} of {theirs.token_id}, we sent {order.side} of {token}"
    return ""


def _found(order: Order) -> None:
    """Nobody looks for it any more."""
    OrderSubmission.objects.filter(pk=order.pk).update(
        claimed_at_ms=None, unknown_since_ms=None, next_read_ms=None, reads=0
    )
