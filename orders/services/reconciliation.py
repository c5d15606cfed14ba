"""Reconciliation: our records against the venue's, differences repaired where evidence allows, all of it on file.

Missing fills are booked from the venue's trades, open orders take the venue's state, orders
only the venue knows are recorded. What cannot be repaired is told; what is still there in
the next run halts the account, because an account whose books are wrong must not trade.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta

from django.db import transaction

from markets.domain.units import micro_from_decimal
from markets.venues.base import VenueError
from orders.domain.lifecycle import OPEN, Environment, OrderState
from orders.domain.reconcile import (
    Books,
    Difference,
    DiscrepancyKind,
    OurOrder,
    Repair,
    TradeLeg,
    compare_books,
    compare_orders,
    compare_trades,
)
from orders.models import Account, Fill, Order, PaperOrder, Position, ReconcileRun
from orders.services import keyholder, ownership, reconciliation_live
from orders.services.accounts import account_lock
from orders.services.invariants import check_invariants
from orders.services.paper import order_lost, paper_sync
from orders.services.reconciliation_runs import Finding, Reconciliation, run_failed, run_store
from orders.services.venue_books import their_books, their_orders, their_trades

log = logging.getLogger(__name__)

_REPAIR_TRIES = 3
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)  # a cursor alone is never trusted (V12)


def reconcile(account_id: int, now: datetime) -> Reconciliation:
    """Compare one account with its venue, repair, and store what was found.

    A run that fails is stored with its error and counts as not clean; other accounts are not held up. Raises
    NotInThisProcess or KeyRefused for an account at a venue that this process cannot ask.
    """
    environment = Account.objects.values_list("environment", flat=True).get(pk=account_id)
    begun = time.monotonic()
    gateway = None if environment == Environment.PAPER else keyholder.gateway(account_id)
    run = ReconcileRun.objects.create(account_id=account_id, started_at=now)
    try:
        if gateway is None:
            return _reconcile(account_id, run, now=now)
        return reconciliation_live.compare(
            account_id, run, gateway, clock=lambda: now + timedelta(seconds=time.monotonic() - begun)
        )
    except VenueError as error:
        log.warning("a venue cannot be read", extra={"account": account_id, "problem": str(error)[:200]})
        return run_failed(run, f"{type(error).__name__}: {error}", now=now)
    except Exception as error:
        log.exception("a reconciliation failed", extra={"account": account_id, "run": run.pk})
        return run_failed(run, f"{type(error).__name__}: {error}", now=now)


def live_reconcile(now: datetime) -> int:
    """Reconcile every connected account that this trader trades, or can take; return how many were clean.

    In a process that cannot sign nothing happens: whose books are clean is who may send.
    """
    if not keyholder.can_sign():
        return 0
    begun, clean = time.monotonic(), 0
    accounts = Account.objects.exclude(environment=Environment.PAPER).filter(connection="ready").order_by("pk")
    for account_id in list(accounts.values_list("pk", flat=True)):
        if not ownership.take(account_id):
            log.info("another trader has the account", extra={"account": account_id})
            continue
        try:
            clean += reconcile(account_id, now + timedelta(seconds=time.monotonic() - begun)).clean
        except keyholder.KeyRefused as error:
            log.warning("an account cannot be reconciled", extra={"account": account_id, "problem": str(error)})
    return clean


def _reconcile(account_id: int, run: ReconcileRun, *, now: datetime) -> Reconciliation:
    since = _since(account_id)
    # Trading goes on meanwhile. The venue acts first, so our fills are read before its trades and its
    # orders before ours: what happens in between shows up as a difference that repairs itself.
    my_trades = _our_trades(account_id, since=since)
    trades = their_trades(account_id, since=since)
    theirs = their_orders(account_id, since=since)
    mine = _our_orders(account_id, [o.venue_order_id for o in theirs])
    differences = compare_trades(my_trades, trades) + compare_orders(mine, theirs)
    found = [_repair(difference, now=now) for difference in differences]
    found += [Finding(difference=difference) for difference in _books(account_id, since=since)]
    return run_store(run, found, orders=len(mine), fills=len(trades), now=now)


def _since(account_id: int) -> datetime:
    """Return from when trades are compared: the last clean run with an overlap; without one, all of them are."""
    last = (
        ReconcileRun.objects.filter(account_id=account_id, clean=True)
        .order_by("-id")
        .values_list("started_at", flat=True)
        .first()
    )
    return _BEGINNING if last is None else last - OVERLAP


def _our_orders(account_id: int, venue_ids: list[str]) -> list[OurOrder]:
    rows = Order.objects.filter(account_id=account_id)
    rows = rows.filter(state__in=OPEN) | rows.filter(venue_order_id__in=venue_ids)
    return [
        OurOrder(
            order_id=row.pk,
            venue_order_id=row.venue_order_id or "",
            state=OrderState(row.state),
            filled=micro_from_decimal(row.filled_size),
        )
        for row in rows
    ]


def _our_trades(account_id: int, *, since: datetime) -> list[TradeLeg]:
    rows = Fill.objects.filter(account_id=account_id, venue_at__gte=since, voided=False).select_related("order")
    return [
        TradeLeg(
            trade_id=row.venue_trade_id,
            venue_order_id=row.order.venue_order_id or "",
            role=row.role,
            price=micro_from_decimal(row.price),
            size=micro_from_decimal(row.size),
            fee=micro_from_decimal(row.fee),
        )
        for row in rows
    ]


def _repair(difference: Difference, *, now: datetime) -> Finding:
    """Do what the evidence allows and return the difference with what was done; nothing means a person must look."""
    if difference.repair is Repair.BOOK_FILL and difference.trade is not None:
        trade = difference.trade
        paper_sync(trade.venue_order_id, now=now)
        booked = Fill.objects.filter(venue_trade_id=trade.trade_id, role=trade.role, voided=False).exists()
        return Finding(difference=difference, repair="booked from the venue's record" if booked else "")
    if difference.repair is Repair.ATTACH_STATE and difference.order_id is not None:
        before = difference.ours
        if difference.their_order is None:
            return Finding(difference=difference, repair=_lost_end(difference.order_id, now=now))
        for _ in range(_REPAIR_TRIES):  # the venue may go on between two looks; what differs each time is told
            paper_sync(difference.their_order.venue_order_id, now=now)
            order = Order.objects.get(pk=difference.order_id)
            theirs = PaperOrder.objects.get(pk=difference.their_order.venue_order_id)
            if order.filled_size == theirs.filled and (order.state in OPEN) == (theirs.state == theirs.State.LIVE):
                return Finding(difference=difference, repair=f"was {before}, now {order.state}")
    return Finding(difference=difference)


def _lost_end(order_id: int, *, now: datetime) -> str:
    """End an order that the venue never had; return what became of it, nothing if it still stands."""
    if order_lost(order_id, now=now):
        return "ended: the venue never received it"
    order = Order.objects.get(pk=order_id)
    if order.state not in OPEN:  # the sweep, or another run, was there first
        return f"ended meanwhile: {order.state}"
    return "reached the venue meanwhile" if PaperOrder.objects.filter(pk=order.venue_order_id).exists() else ""


def _books(account_id: int, *, since: datetime) -> list[Difference]:
    """Compare cash and positions with the venue's, and our own books with each other, while nothing moves."""
    with transaction.atomic():
        account = account_lock(account_id)
        held = Position.objects.filter(account_id=account_id, size__gt=0).values_list("outcome_id", "size")
        ours = Books(
            cash=micro_from_decimal(account.cash),
            positions={outcome_id: micro_from_decimal(size) for outcome_id, size in held},
            trades=(),
        )
        found = compare_books(ours, their_books(account_id))
        found += [
            Difference(kind=DiscrepancyKind.LEDGER_DIFFERS, subject=v.subject, ours=f"{v.invariant}: {v.message}")
            for v in check_invariants([account_id], since=since)
        ]
    return found
