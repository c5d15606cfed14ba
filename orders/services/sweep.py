"""What lost messages and crashes left behind: found by state and time in Postgres, never by a queue (I15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from markets.domain.instruments import Side
from orders.domain.intents import OriginKind
from orders.domain.lifecycle import OPEN, RESTING, Environment, OrderState, TradingState
from orders.models import Account, Order, PaperOrder
from orders.services import keyholder
from orders.services.execution import cancel_all, order_cancel_request, order_submit
from orders.services.kill import empty_read_record, kill_confirmed, killed
from orders.services.paper import order_lost, paper_sync, pending_venue_orders
from orders.services.states import order_advance, order_lock
from orders.services.submission import tend as tending
from orders.services.submission.killing import accounts_clear, connected_accounts, unresolved_count
from orders.services.submission.stages import running_clock
from orders.services.submission.tend import left_behind, tend

UNSENT_AFTER_S = 3  # an approved order whose message was lost is sent by the sweep
ORDER_TTL_S = 600  # a strategy's order that nobody renewed for this long is cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    submitted: int = 0
    unknown: int = 0
    booked: int = 0
    lost: int = 0
    killed: int = 0
    stopped: int = 0  # asked to end because their account may not make them any more


def orders_sweep(now: datetime) -> Swept:
    """Send what was never sent, call UNKNOWN what outlived its lease, book what was not booked, enforce every stop."""
    asked = kill_enforce(now) if killed() else 0
    stopped = stopped_cancel(now) + market_cancel(now)
    submitted = sum(order_submit(order_id, now) for order_id in _unsent(now))
    unknown = sum(lease_expire(order_id, now) for order_id in _leases_over(now))
    tended = tend(now, running_clock(now))
    submitted, unknown = submitted + tended.submitted, unknown + tended.unknown
    booked = sum(paper_sync(venue_order_id, now=now) for venue_order_id in pending_venue_orders())
    lost = sum(order_lost(order_id, now=now) for order_id in _unknown())
    return Swept(submitted=submitted, unknown=unknown, booked=booked, lost=lost, killed=asked, stopped=stopped)


def lease_expire(order_id: int, now: datetime) -> bool:
    """Call an order UNKNOWN whose sender did not report within the lease. It keeps its reservation."""
    if Order.objects.filter(pk=order_id, submission__isnull=False).exists():
        return tending.lease_expire(order_id, now)
    with transaction.atomic():
        order = order_lock(order_id)
        if order.state != OrderState.SENDING or order.lease_until is None or order.lease_until > now:
            return False
        order_advance(
            order, OrderState.UNKNOWN, now=now, reason="no answer within the lease", actor="sweep", lease_until=None
        )
        return True


def kill_enforce(now: datetime) -> int:
    """Ask for the end of every open order, take everything off at the venues, and count the reads that saw none (I13).

    The cancels go on until the kill is confirmed. An account that cannot be read is not empty.
    """
    asked = sum(
        cancel_all(account_id, "kill switch", "sweep", now)
        for account_id in Account.objects.values_list("pk", flat=True)
    )
    accounts = connected_accounts()
    if accounts and not keyholder.can_sign():
        return asked  # the trader clears and counts
    if accounts and kill_confirmed() and not unresolved_count():
        return asked
    cleared = accounts_clear(accounts, now)
    paper_empty = not PaperOrder.objects.filter(state=PaperOrder.State.LIVE).exists()
    empty_read_record(empty=paper_empty and cleared, now=now, unresolved=unresolved_count())
    return asked


def market_cancel(now: datetime) -> int:
    """Ask for the end of live orders whose market changed its tick, closed or is about to."""
    return sum(order_cancel_request(order_id, reason, "sweep", now) for order_id, reason in left_behind(now))


def stopped_cancel(now: datetime) -> int:
    """Ask for the end of orders that rest although their account may not make such orders any more.

    Halted: all of them. Reduce-only: the buys. Automatic orders switched off: those of strategies.
    """
    resting = Order.objects.filter(state__in=OPEN, cancel_requested_at=None)
    halted = Q(account__trading_state=TradingState.HALTED)
    reduced = Q(account__trading_state=TradingState.REDUCE_ONLY, side=Side.BUY)
    manual = Q(account__auto_trade=False, origin_kind=OriginKind.STRATEGY)
    rows = resting.filter(halted | reduced | manual).order_by("id").values_list("pk", "account__trading_state")
    asked = 0
    for order_id, state in list(rows):
        reason = "automatic orders are off" if state == TradingState.ACTIVE else f"the account is {state}"
        asked += order_cancel_request(order_id, reason, "sweep", now)
    return asked


def stale_cancel(now: datetime, *, ttl_s: int = ORDER_TTL_S) -> int:
    """Ask for the end of strategies' resting orders older than `ttl_s`; a strategy that still wants one renews it.

    Orders a person placed rest until that person cancels them.
    """
    old = Order.objects.filter(
        state__in=RESTING,
        acknowledged_at__lt=now - timedelta(seconds=ttl_s),
        cancel_requested_at=None,
    ).exclude(origin_kind=OriginKind.MANUAL)
    ids = list(old.order_by("id").values_list("pk", flat=True))
    return sum(order_cancel_request(order_id, f"older than {ttl_s} s", "sweep", now) for order_id in ids)


def _unsent(now: datetime) -> list[int]:
    due = Order.objects.filter(
        state__in=[OrderState.RESERVED, OrderState.SIGNED],
        created_at__lt=now - timedelta(seconds=UNSENT_AFTER_S),
        account__environment=Environment.PAPER,
    )
    return list(due.order_by("id").values_list("pk", flat=True)[:500])


def _leases_over(now: datetime) -> list[int]:
    over = Order.objects.filter(state=OrderState.SENDING, lease_until__lt=now, account__environment=Environment.PAPER)
    return list(over.order_by("id").values_list("pk", flat=True)[:500])


def _unknown() -> list[int]:
    return list(
        Order.objects.filter(state=OrderState.UNKNOWN, account__environment="paper")
        .order_by("id")
        .values_list("pk", flat=True)[:500]
    )
