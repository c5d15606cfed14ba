"""Our side of paper trading: what the simulated venue's rows say becomes fills and states of our orders.

The fills process calls this right after it committed the venue's side; the sweep and the
reconciliation call it for whatever a crash left behind. Calling it twice books nothing twice.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import IntegrityError, transaction

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from markets.domain.units import Price, Shares, Usd, micro_from_decimal
from orders.domain.lifecycle import OPEN, TRANSITIONS, Environment, OrderState, TradingState, TransitionError
from orders.models import Order, PaperOrder, PaperTrade
from orders.services.accounts import trading_state_set
from orders.services.faults import faultpoint
from orders.services.fills import FillError, VenueTrade, fill_book
from orders.services.states import order_advance, order_lock

log = logging.getLogger(__name__)

STATE_OF = {
    PaperOrder.State.LIVE: OrderState.LIVE,
    PaperOrder.State.FILLED: OrderState.FILLED,
    PaperOrder.State.CANCELED: OrderState.CANCELED,
    PaperOrder.State.EXPIRED: OrderState.EXPIRED,
    PaperOrder.State.REJECTED: OrderState.REJECTED,
}
NEVER_RECEIVED = "the venue never received it"


def paper_sync(venue_order_id: str, *, now: datetime) -> int:
    """Book what the simulated venue knows about one order of ours; return how many fills were new.

    A trade that our books cannot hold halts the account and stays un-ingested for a person to look at.
    """
    try:
        return _sync(venue_order_id, now=now)
    except (FillError, TransitionError, IntegrityError) as error:
        # One order that cannot be booked must not stop the others: its account halts, the rest goes on.
        _refused(venue_order_id, str(error).splitlines()[0], now=now)
        return 0


@transaction.atomic
def _sync(venue_order_id: str, *, now: datetime) -> int:
    order_id = Order.objects.filter(venue_order_id=venue_order_id).values_list("pk", flat=True).first()
    if order_id is None:
        return 0  # reconciliation records it as an unknown order
    order = order_lock(order_id)
    theirs = PaperOrder.objects.get(pk=venue_order_id)
    booked = 0
    for trade in PaperTrade.objects.filter(order_id=venue_order_id, ingested=False).order_by("at", "trade_id"):
        result = fill_book(
            order,
            VenueTrade(
                trade_id=trade.trade_id,
                role=trade.role,
                price=Price(micro_from_decimal(trade.price)),
                size=Shares(micro_from_decimal(trade.size)),
                fee=Usd(micro_from_decimal(trade.fee)),
                at=trade.at,
            ),
            now=now,
        )
        booked += result.created
        PaperTrade.objects.filter(pk=trade.pk).update(ingested=True)
    faultpoint("paper.booked")
    state_attach(order, STATE_OF[PaperOrder.State(theirs.state)], now=now, reason=theirs.reason)
    faultpoint("paper.attached")
    return booked


def state_attach(order: Order, to: OrderState, *, now: datetime, reason: str = "") -> bool:
    """Bring a locked order to the state that the venue reports, by listed steps only. Returns whether it moved."""
    before = OrderState(order.state)
    if before is to or before not in OPEN:
        return False  # our end state came from the same evidence; a late fill is booked by fill_record
    acknowledged = {"acknowledged_at": order.acknowledged_at or now, "lease_until": None}
    if (before, to) not in TRANSITIONS and (before, OrderState.LIVE) in TRANSITIONS:
        order_advance(order, OrderState.LIVE, now=now, **acknowledged)
    if to is OrderState.CANCELED and order.cancel_reason:
        reason = order.cancel_reason
    order_advance(order, to, now=now, reason=reason, **acknowledged)
    return True


def order_lost(order_id: int, *, now: datetime) -> bool:
    """End an order that the simulated venue never had. Its absence is evidence: it accepts only orders in SENDING.

    Returns whether the order ended.
    """
    with transaction.atomic():
        order = order_lock(order_id)
        if PaperOrder.objects.filter(pk=order.venue_order_id).exists():
            return False
        to = {
            OrderState.UNKNOWN: OrderState.REJECTED,
            OrderState.QUARANTINED: OrderState.CANCELED,
            OrderState.DELAYED: OrderState.REJECTED,
            OrderState.LIVE: OrderState.CANCELED,
            OrderState.MATCHED: OrderState.CANCELED,
        }.get(OrderState(order.state))
        if to is None:
            return False
        order_advance(order, to, now=now, reason=NEVER_RECEIVED)
        return True


def pending_venue_orders(*, limit: int = 500) -> list[str]:
    """Return the venue ids whose trades or final state our side has not taken over yet."""
    trades = PaperTrade.objects.filter(ingested=False).order_by("at").values_list("order_id", flat=True)[:limit]
    found = dict.fromkeys(trades)
    open_ids = list(
        Order.objects.filter(account__environment=Environment.PAPER, state__in=OPEN - {OrderState.RESERVED})
        .order_by("id")
        .values_list("venue_order_id", "state")[: limit * 4]
    )
    theirs = dict(PaperOrder.objects.filter(pk__in=[v for v, _ in open_ids]).values_list("pk", "state"))
    for venue_order_id, state in open_ids:
        if venue_order_id in theirs and STATE_OF[PaperOrder.State(theirs[venue_order_id])] != state:
            found.setdefault(venue_order_id)
    return list(found)


def _refused(venue_order_id: str, problem: str, *, now: datetime) -> None:
    """Halt the account whose books cannot hold what the venue did, once."""
    account_id = PaperOrder.objects.values_list("account_id", flat=True).get(pk=venue_order_id)
    log.error("a fill cannot be booked", extra={"venue_order": venue_order_id, "problem": problem})
    with transaction.atomic():
        halted = trading_state_set(
            account_id=account_id, state=TradingState.HALTED, reason=f"a fill cannot be booked: {problem}", now=now
        )
        if halted:
            event_record(
                "reconcile.difference",
                f"venue order {venue_order_id}: {problem}",
                severity=Severity.CRITICAL,
                stream=f"account:{account_id}",
                account_id=account_id,
                subject_kind="account",
                subject_id=str(account_id),
                payload={"venue_order_id": venue_order_id, "problem": problem},
                now=now,
            )
