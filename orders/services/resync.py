"""One REST look at an account: open orders and our trades, taken over into our books.

The reconciliation does it each half minute, the user stream after every reconnect and in between: a socket alone
is never trusted. The venue's orders are read before its trades, so that what trades in between is booked from
the trades. Repeating it changes nothing.

An order that should rest and is not listed has ended, but an absence proves little (V7): only reads that began a
minute after the order's last certain sign count, three of them over half a minute, and one question for the
order itself. What it traded is in the trades: an order of which the venue once named more as matched than its
trades show keeps what it has set aside, and is told as an open end when that lasts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from markets.domain.trading import VenueLeg, VenueOrder
from markets.venues.trading import OrderGateway
from orders.domain.lifecycle import OPEN, RESTING, OrderState
from orders.models import Fill, LedgerTransaction, Order, OrderSubmission
from orders.services.attach import end_when_booked, told_size, venue_order_attach
from orders.services.faults import faultpoint
from orders.services.fills import DUST
from orders.services.foreign import foreign_legs_record, foreign_orders_record
from orders.services.legs import LegsResult, legs_ingest
from orders.services.states import order_lock

log = logging.getLogger(__name__)

YOUNG = timedelta(seconds=60)  # a reading may lag: a younger order's absence says nothing
LATE = timedelta(seconds=5)  # by when the user stream has brought a trade
MISSING_READS = 3
MISSING_FOR = timedelta(seconds=30)
UNBOOKED_FOR = timedelta(seconds=120)  # after which matched shares without a trade are an open end
OVERLAP_MS = 600_000  # a cursor alone is never trusted (V12)
_EVIDENCE_HELPS = RESTING | {OrderState.UNKNOWN, OrderState.QUARANTINED}


@dataclass(slots=True)
class Resynced:
    """What one look found. Times are when the reading began."""

    started: datetime
    listed: dict[str, VenueOrder] = field(default_factory=dict)  # open at the venue, by order id
    legs: LegsResult = field(default_factory=LegsResult)
    legs_read: int = 0
    late: list[str] = field(default_factory=list)  # trades that only this look brought, in words
    moved: list[int] = field(default_factory=list)  # our orders that took the venue's state
    ended: list[int] = field(default_factory=list)  # our orders that the venue lists no more
    unbooked: dict[int, tuple[Decimal, Decimal]] = field(default_factory=dict)  # shares booked, and matched; by order
    undead: list[str] = field(default_factory=list)  # order ids that rest at the venue although over here
    foreign: int = 0  # new ones
    foreign_cash: int = 0  # dollars that trades of others moved, millionths, fees apart


def account_resync(account_id: int, gateway: OrderGateway, *, since_ms: int, clock: Callable[[], datetime]) -> Resynced:
    """Read and take over. Raises VenueError when the venue cannot be read: then nothing was concluded from it."""
    found = Resynced(started=clock())
    listed = {order.order_id.lower(): order for order in gateway.open_orders()}
    legs = gateway.legs(since_ms=since_ms)
    faultpoint("resync.read")
    now = clock()
    found.listed, found.legs_read = listed, len(legs)
    known = set(
        Fill.objects.filter(account_id=account_id, venue_trade_id__in={leg.trade_id for leg in legs}).values_list(
            "venue_trade_id", flat=True
        )
    )
    found.legs = legs_ingest(account_id, legs, now=now)
    strangers = strangers_of(account_id, found.legs)
    found.foreign = foreign_legs_record(account_id, strangers, now=now)
    found.foreign_cash = sum(
        (leg.dollars or 0) * (-1 if leg.side == "buy" else 1) for leg in legs if leg.order_id.lower() in strangers
    )
    late_ms = int((found.started - LATE).timestamp() * 1000)
    found.late = [
        f"trade {leg.trade_id}"
        for leg in legs
        if leg.trade_id not in known and leg.matched_ms < late_ms and leg.order_id.lower() not in found.legs.unknown
    ]
    faultpoint("resync.booked")
    _orders(account_id, gateway, found, now=now)
    return found


def strangers_of(account_id: int, legs: LegsResult) -> dict[str, VenueLeg]:
    """Return a leg of each order that is not ours; what the wallet did before it was opened is in its opening."""
    if not legs.unknown:
        return {}
    opened_ms = _opened_ms(account_id)
    return {order_id: leg for order_id, leg in legs.unknown.items() if leg.matched_ms >= opened_ms}


def since_of(account_id: int, last_clean: datetime | None) -> int:
    """Return from when trades are read: the last clean look with an overlap; without one, since the opening."""
    opened = _opened_ms(account_id) - OVERLAP_MS
    if last_clean is None:
        return max(0, opened)
    # A trade that has not settled is read until it has, however long that takes.
    open_fill = (
        Fill.objects.filter(account_id=account_id, settlement__in=("matched", "mined", "retrying"))
        .order_by("venue_at")
        .values_list("venue_at", flat=True)
        .first()
    )
    since = min(last_clean, open_fill) if open_fill else last_clean
    return max(0, opened, int(since.timestamp() * 1000) - OVERLAP_MS)


def _opened_ms(account_id: int) -> int:
    opened = LedgerTransaction.objects.filter(account_id=account_id, kind="opening").values_list("at", flat=True)
    first = opened.first()
    # The venue tells the time of a trade in whole seconds.
    return 0 if first is None else int(first.timestamp()) * 1000


def _orders(account_id: int, gateway: OrderGateway, found: Resynced, *, now: datetime) -> None:
    listed = found.listed
    rows = Order.objects.filter(account_id=account_id, venue_order_id__in=listed)
    ours = {row.venue_order_id: row for row in rows.select_related("submission")}
    found.foreign += foreign_orders_record(account_id, [o for k, o in listed.items() if k not in ours], now=now)
    for order_id, row in ours.items():
        if row.state in OPEN:
            # SENDING waits for its own answer; an order that rests here and there says nothing new.
            if row.state in _EVIDENCE_HELPS and row.state != OrderState.LIVE:
                found.moved += [row.pk] * venue_order_attach(row.pk, listed[order_id], now=now)
            if row.submission.missing_reads:
                OrderSubmission.objects.filter(pk=row.pk).update(missing_reads=0, missing_since=None)
        elif row.ended_at is not None and row.ended_at < found.started - YOUNG:
            found.undead.append(order_id)
    absent = Order.objects.filter(account_id=account_id, state__in=RESTING, submission__isnull=False)
    for row in absent.exclude(venue_order_id__in=listed).select_related("submission").order_by("pk"):
        last_sign = row.acknowledged_at or row.sent_at or row.created_at
        if found.started >= last_sign + YOUNG and _absent(row, gateway, found, now=now):
            found.ended.append(row.pk)


def _absent(row: Order, gateway: OrderGateway, found: Resynced, *, now: datetime) -> bool:
    """Count one more reading without the order; end it when that is enough. Returns whether it ended."""
    said = row.submission
    if said.missing_since is None:
        OrderSubmission.objects.filter(pk=row.pk).update(missing_reads=1, missing_since=found.started)
        return False
    OrderSubmission.objects.filter(pk=row.pk).update(missing_reads=said.missing_reads + 1)
    if said.missing_reads + 1 < MISSING_READS or found.started < said.missing_since + MISSING_FOR:
        return False
    theirs = gateway.order(row.venue_order_id or "")
    if theirs is not None:
        OrderSubmission.objects.filter(pk=row.pk).update(missing_reads=0, missing_since=None)
        return venue_order_attach(row.pk, theirs, now=now)
    with transaction.atomic():
        order = order_lock(row.pk)
        if order.state not in RESTING:
            return False
        expired = order.expires_at is not None and order.expires_at <= now
        ending = OrderState.EXPIRED if expired and not order.cancel_reason else OrderState.CANCELED
        # Everything that it traded is read and booked by now; what were to come later is a late fill.
        claim = told_size(order)
        said = OrderSubmission.objects.get(pk=row.pk)
        if said.matched_claim is not None and said.matched_claim > claim + DUST:
            if said.missing_since is not None and found.started >= said.missing_since + UNBOOKED_FOR:
                found.unbooked[row.pk] = claim, said.matched_claim
            return False
        OrderSubmission.objects.filter(pk=row.pk).update(ending=ending.value, matched_claim=claim)
        if not order.state_reason:
            order.state_reason = "the venue lists it no more"
        return end_when_booked(order, now=now)
