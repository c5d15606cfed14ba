"""Finding out what nobody knows: due orders are read at the venue until evidence, a cancel or a person settles them.

Due rows are found in Postgres (`next_read_ms`), so nothing is lost with a process. One pass over an account
asks for each due order by its hash and for our own part in all trades since before the oldest of them; what
is found is booked and attached, what is not found is counted, and only then is anything done about it.
A read that failed is no read.

An unknown order is still wanted, so that the same bytes may go again, if it rests, nobody asked for its end, the
account may still make such orders, its market is open with the same tick, its own time is not nearly over, no
newer order stands in its place, it is at most ten minutes old, and nothing else would stop it from being sent now.
Its price needs no other question: it is a limit that money is set aside for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from markets.domain.instruments import MarketState, Side
from markets.domain.trading import VenueLeg, VenueOrder
from markets.domain.units import micro_from_decimal
from markets.venues.base import VenueError
from markets.venues.trading import OrderGateway
from orders.domain import submission
from orders.domain.intents import OrderType, OriginKind
from orders.domain.lifecycle import OPEN, OrderState, TradingState
from orders.domain.submission import Step, Submission
from orders.models import Account, Order, OrderSubmission, Position
from orders.services import keyholder
from orders.services.attach import end_when_booked, order_found, told_size, venue_order_attach
from orders.services.faults import faultpoint
from orders.services.kill import killed, killed_for_share
from orders.services.legs import legs_ingest
from orders.services.ownership import owns
from orders.services.states import order_lock
from orders.services.submission.claim import Claimed, attempt_record, order_claim_again, tampered_stop
from orders.services.submission.obstacles import condition_obstacle, gathered, live_obstacle
from orders.services.submission.signing import NotReady, maker_of, read_back
from orders.services.submission_rows import milliseconds, submission_of, submission_store

log = logging.getLogger(__name__)

LOOK_BACK_MS = 600_000  # trades are read from this long before an order was made (V12)
FAILED_READ_MS = 5_000
MOST_AT_ONCE = 50  # orders of one account in one pass
WANTED_FOR = timedelta(minutes=10)
LAST_MINUTES = timedelta(minutes=2)  # of a good-till-date order that is not worth sending again
# Reads in a row without the order, over 35 s, before it counts as over: what it traded may be shown as late as that.
QUIET_READS = 4
_LOST = (OrderState.UNKNOWN, OrderState.QUARANTINED)


@dataclass(slots=True)
class Resolved:
    """What one pass did. `claimed` and `cancels` are to be sent by the caller."""

    read: int = 0
    found: int = 0
    quarantined: int = 0
    released: int = 0
    failed: int = 0  # accounts whose venue could not be read
    claimed: list[Claimed] = field(default_factory=list)
    cancels: list[int] = field(default_factory=list)


def accounts_due(now: datetime) -> list[int]:
    """Return the accounts that have an order to read now."""
    rows = OrderSubmission.objects.filter(_is_due(now), order__state__in=OPEN)
    rows = rows.exclude(order__account__connection="away")  # another exchange knows nothing of them
    return sorted(set(rows.values_list("order__account_id", flat=True)))


def _is_due(now: datetime) -> Q:
    """Its next read has come, or it was unknown for so long that a person must hear of it."""
    long_ago = milliseconds(now) - submission.QUARANTINE_AFTER_MS
    return Q(next_read_ms__lte=milliseconds(now)) | Q(order__state=OrderState.UNKNOWN, unknown_since_ms__lte=long_ago)


def account_resolve(account_id: int, now: datetime, *, order_ids: Iterable[int] | None = None) -> Resolved:
    """Read the account's due orders (or those named) and do what the rules say. Raises NotInThisProcess, KeyRefused."""
    gateway = keyholder.gateway(account_id)
    result = Resolved()
    due = _due(account_id, now, order_ids)
    if not due:
        return result
    faultpoint("unknown.reading")
    try:
        seen, legs = _read(gateway, due)
    except VenueError as error:
        log.warning("unknown orders cannot be read", extra={"account": account_id, "problem": str(error)[:200]})
        later = milliseconds(now) + FAILED_READ_MS
        OrderSubmission.objects.filter(pk__in=[row.pk for row in due]).update(next_read_ms=later)
        result.failed = 1
        return result
    faultpoint("unknown.read")
    result.read = len(due)
    legs_ingest(account_id, legs, now=now)
    faultpoint("unknown.booked")
    traded = {leg.order_id.lower() for leg in legs}
    for row in due:
        theirs = seen.get(row.order_hash)
        if theirs is not None:
            result.found += venue_order_attach(row.pk, theirs, now=now)
        _after_read(row.pk, listed=theirs is not None, traded=row.order_hash in traded, result=result, now=now)
    for row in due:
        _step(account_id, row.pk, gateway, result, now=now)
    return result


def is_wanted(order: Order, row: OrderSubmission, *, now: datetime) -> bool:
    """Whether an unknown order may be sent again with the same bytes. The rule is told at the top."""
    if not OrderType(order.order_type).rests or order.cancel_requested_at is not None:
        return False
    account, market = order.account, order.market
    automatic = order.origin_kind != OriginKind.MANUAL
    newer = Order.objects.filter(
        Q(replaces=order) | Q(pk__gt=order.pk, level=order.level),
        account_id=order.account_id,
        origin_kind=order.origin_kind,
        origin_id=order.origin_id,
        outcome_id=order.outcome_id,
        side=order.side,
    ).exclude(state__in=(OrderState.DENIED, OrderState.ABANDONED))
    refusals = (
        account.trading_state == TradingState.HALTED,
        account.trading_state == TradingState.REDUCE_ONLY and order.side == Side.BUY,
        automatic and not account.auto_trade,
        market.state != MarketState.OPEN or market.tick != row.tick,
        order.expires_at is not None and order.expires_at - now < LAST_MINUTES,
        now - order.created_at > WANTED_FOR,
    )
    return not any(refusals) and (not automatic or not newer.exists())


def _due(account_id: int, now: datetime, order_ids: Iterable[int] | None) -> list[OrderSubmission]:
    rows = OrderSubmission.objects.filter(order__account_id=account_id, order__state__in=OPEN)
    if order_ids is None:
        rows = rows.filter(_is_due(now))
    else:
        rows = rows.filter(pk__in=list(order_ids))
    return list(rows.order_by("next_read_ms", "pk")[:MOST_AT_ONCE])


def _read(gateway: OrderGateway, due: Sequence[OrderSubmission]) -> tuple[dict[str, VenueOrder], list[VenueLeg]]:
    seen: dict[str, VenueOrder] = {}
    for row in due:
        theirs = gateway.order(row.order_hash)
        if theirs is not None:
            seen[row.order_hash] = theirs
    return seen, gateway.legs(since_ms=min(row.timestamp_ms for row in due) - LOOK_BACK_MS)


@transaction.atomic
def _after_read(order_id: int, *, listed: bool, traded: bool, result: Resolved, now: datetime) -> None:
    """Plan the next read. An unknown order that neither list shows has had an empty read."""
    order = order_lock(order_id)
    if order.state not in OPEN:
        return
    row = OrderSubmission.objects.get(pk=order_id)
    before = submission_of(order, row)
    if before.state in _LOST:
        if not listed and not traded:
            submission_store(
                order, row, before, submission.after_empty_read(before, started_ms=milliseconds(now)), now=now
            )
            faultpoint("unknown.noted")
        else:
            order_found(order, now=now)  # a trade shows that the venue took it, even one that failed to settle
        return
    _followed(order, row, before, listed=listed, now=now)


def _followed(order: Order, row: OrderSubmission, before: Submission, *, listed: bool, now: datetime) -> None:
    """Plan the next read of an order that the venue took: until it rests undisturbed or has ended.

    A reading without the order that began before one was due may be from a time when the venue had not got it yet
    (whoever read was held up, and meanwhile the same bytes went again): it counts for nothing.
    """
    if not listed and row.next_read_ms is not None and milliseconds(now) < row.next_read_ms:
        return
    rests = OrderType(order.order_type).rests
    settled = listed and rests and before.state is OrderState.LIVE and order.cancel_requested_at is None
    reads = 0 if listed else row.reads + 1
    pause = submission.READ_AFTER_MS[min(reads, len(submission.READ_AFTER_MS) - 1)]
    row.reads, row.next_read_ms = reads, None if settled else milliseconds(now) + pause
    OrderSubmission.objects.filter(pk=row.pk).update(reads=row.reads, next_read_ms=row.next_read_ms)
    gone = not listed and reads >= QUIET_READS and before.state is not OrderState.DELAYED
    if gone and row.matched_claim is None and (row.ending or not rests or order.cancel_requested_at is not None):
        # It was there and is on no list any more, read after read (V7): what is booked is all that it matched.
        OrderSubmission.objects.filter(pk=row.pk).update(
            ending=row.ending or OrderState.CANCELED.value, matched_claim=told_size(order)
        )
        end_when_booked(order, now=now)


def _step(account_id: int, order_id: int, gateway: OrderGateway, result: Resolved, *, now: datetime) -> None:
    """Do what the rules ask for about one order, right after it was looked for."""
    row = OrderSubmission.objects.select_related("order").get(pk=order_id)
    if row.order.state not in _LOST:
        return
    account = Account.objects.get(pk=account_id)
    row.order.account = account
    wanted = is_wanted(row.order, row, now=now) and not _stopped(account, row, now=now)
    step = submission.next_step(submission_of(row.order, row), now_ms=milliseconds(now), killed=killed(), wanted=wanted)
    if step is Step.REPOST:
        claimed = _claim_again(account, order_id, wanted=wanted, now=now)
        result.claimed += [claimed] if claimed else []
    elif step is Step.CANCEL:
        result.cancels.append(order_id)
    elif step is Step.QUARANTINE:
        result.quarantined += _quarantine(order_id, now=now)
    elif step is Step.RELEASE:
        result.released += _release(order_id, gateway, now=now)


def _stopped(account: Account, row: OrderSubmission, *, now: datetime) -> bool:
    """Whether something would stop the order from being sent for the first time now (its age apart)."""
    order = row.order
    young = Order(**{f.attname: getattr(order, f.attname) for f in Order._meta.concrete_fields})
    young.account, young.created_at = account, now
    known = gathered(account, [order])
    tick = micro_from_decimal(row.tick)
    for_good = live_obstacle(young, known, killed=killed(), now=now, tick=tick, unknown={})
    return bool(for_good or condition_obstacle(young, known, now=now))


def _claim_again(account: Account, order_id: int, *, wanted: bool, now: datetime) -> Claimed | None:
    row = OrderSubmission.objects.select_related("order__outcome").get(pk=order_id)
    stored = read_back(row, maker_of(account.venue))
    if isinstance(stored, NotReady):
        tampered_stop(order_id, stored.reason, now=now)
        return None
    with transaction.atomic():
        stopped = killed_for_share()
        if not owns(account.pk):
            return None  # another trader has the account
        order = order_lock(order_id)
        current = OrderSubmission.objects.get(pk=order_id)
        if not order_claim_again(order, current, killed=stopped, wanted=wanted, now=now):
            return None
        claimed = Claimed(
            order_id=order_id,
            account_id=account.pk,
            order_hash=current.order_hash,
            body=stored.body,
            token_id=row.order.outcome.token_id,
            is_sell=order.side == Side.SELL,
            claim=submission_of(order, current),
        )
        attempt_record(claimed, now=now)
    faultpoint("unknown.claimed")
    return claimed


@transaction.atomic
def _quarantine(order_id: int, *, now: datetime) -> bool:
    order = order_lock(order_id)
    row = OrderSubmission.objects.get(pk=order_id)
    before = submission_of(order, row)
    after = submission.quarantine(before, now_ms=milliseconds(now))
    if after is None:
        return False
    asked = f"no trace of it in {row.reads} reads over {submission.QUARANTINE_AFTER_MS // 1000} s"
    submission_store(order, row, before, after, now=now, reason=asked, actor="submission")
    faultpoint("unknown.quarantined")
    return True


def _release(order_id: int, gateway: OrderGateway, *, now: datetime) -> bool:
    """End a quarantined order that never was, if the venue's balances are exactly what our books say."""
    order = Order.objects.select_related("outcome").get(pk=order_id)
    token = order.outcome.token_id
    try:
        gateway.balances_refresh()
        gateway.balances_refresh(token)
        theirs = gateway.balances([token])
    except VenueError as error:
        log.warning("balances cannot be read", extra={"order": order_id, "problem": str(error)[:200]})
        return False
    with transaction.atomic():
        order = order_lock(order_id)
        row = OrderSubmission.objects.get(pk=order_id)
        held = Position.objects.filter(account_id=order.account_id, outcome_id=order.outcome_id).first()
        shares = micro_from_decimal(held.size) if held else 0
        explained = theirs.cash == micro_from_decimal(order.account.cash) and theirs.shares.get(token) == shares
        before = submission_of(order, row)
        after = submission.release(before, now_ms=milliseconds(now), balances_explained=explained)
        if after is None:
            return False
        reason = "the venue never had it: long read in vain, and every balance is explained"
        submission_store(order, row, before, after, now=now, reason=reason, actor="submission")
        faultpoint("unknown.released")
    return True
