"""The fills process's reads and writes: arriving orders, restored orders, and one transaction per batch of effects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q

from markets.domain.instruments import Side
from markets.domain.units import decimal_from_micro, micro_from_decimal
from markets.venues.simulated.matching import OrderType
from markets.venues.simulated.paper import PaperOrder as VenueOrder
from markets.venues.simulated.queue import RestingOrder
from orders.domain.lifecycle import OPEN, Environment, OrderState
from orders.feed.paper_engine import EXPIRY_MARGIN_MS, EXPIRY_MINIMUM_MS, Arrival, Effects, Queue
from orders.models import Order, PaperCursor, PaperOrder, PaperTrade
from orders.services.faults import faultpoint

CURSOR = "fills"
GATE_WAIT_MS = 10_000  # between asking for an order and its row: at most the wait for the account's lock
_LOCK = 0x706F6C79  # an arbitrary constant: who holds it is the fills process


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    account_id: int
    outcome_id: int
    resting: RestingOrder


def lock_take() -> bool:
    """Claim to be the one fills process, for as long as this connection lives."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def cursor_get() -> tuple[str, str] | None:
    """Return (cursor, epoch) of the last committed batch, or None before the first one."""
    row = PaperCursor.objects.filter(name=CURSOR).first()
    return (row.cursor, row.epoch) if row else None


def resting_load() -> list[Restored]:
    """Return every live paper order with its place in the queue, oldest first."""
    rows = PaperOrder.objects.filter(state=PaperOrder.State.LIVE).order_by("placed_at", "venue_order_id")
    return [
        Restored(
            account_id=row.account_id,
            outcome_id=row.outcome_id,
            resting=RestingOrder(
                key=row.pk,
                side=Side(row.side),
                price=micro_from_decimal(row.price),
                size=micro_from_decimal(row.size),
                placed_ms=_ms(row.placed_at),
                filled=micro_from_decimal(row.filled),
                ahead=micro_from_decimal(row.queue_ahead),
                expires_ms=None if row.expires_at is None else _ms(row.expires_at) - EXPIRY_MARGIN_MS,
                slack=micro_from_decimal(row.slack),
                slack_ms=row.slack_ms,
            ),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """What clients have sent and the venue has not answered: orders, and (venue id, reason) of cancels."""

    arrivals: list[Arrival]
    cancels: list[tuple[str, str]]


def inbox_read(*, now: datetime, latency_ms: int) -> Inbox:
    """Return paper orders in SENDING whose lease still runs, and the cancels that have arrived by `now`."""
    cancelled = Q(cancel_requested_at__lte=now - timedelta(milliseconds=latency_ms))
    sending = Q(state=OrderState.SENDING, lease_until__gt=now)
    rows = list(
        Order.objects.filter(sending | cancelled, state__in=OPEN, account__environment=Environment.PAPER).order_by(
            "sent_at", "id"
        )[:1000]
    )
    if not rows:
        return Inbox(arrivals=[], cancels=[])
    answered = set(PaperOrder.objects.filter(pk__in=[r.venue_order_id for r in rows]).values_list("pk", flat=True))
    return Inbox(
        arrivals=[
            _arrival(row, latency_ms=latency_ms)
            for row in rows
            if row.state == OrderState.SENDING and row.venue_order_id not in answered
        ],
        cancels=[(row.venue_order_id or "", row.cancel_reason) for row in rows if row.cancel_requested_at],
    )


def orders_claim(order_ids: list[int], *, now: datetime) -> set[int]:
    """Lock those of the orders that are still in SENDING within their lease; nobody else can end them meanwhile."""
    rows = Order.objects.select_for_update(no_key=True).filter(
        pk__in=order_ids, state=OrderState.SENDING, lease_until__gt=now
    )
    return set(rows.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def effects_write(effects: Effects, queues: list[Queue], *, cursor: str, epoch: str, now: datetime) -> None:
    """Commit what happened and the cursor it happened at, together or not at all."""
    queue_of = {queue.venue_order_id: queue for queue in queues}
    PaperOrder.objects.bulk_create(
        [
            PaperOrder(
                venue_order_id=accepted.arrival.venue_order_id,
                account_id=accepted.arrival.account_id,
                outcome_id=accepted.arrival.outcome_id,
                side=accepted.arrival.order.side,
                price=decimal_from_micro(accepted.arrival.order.price),
                size=decimal_from_micro(accepted.arrival.order.size),
                filled=decimal_from_micro(accepted.filled),
                order_type="gtd" if accepted.arrival.expires_ms else accepted.arrival.order.order_type.value.lower(),
                post_only=accepted.arrival.order.post_only,
                expires_at=None if accepted.arrival.expires_ms is None else _at(accepted.arrival.expires_ms),
                state=accepted.state.value,
                reason=accepted.reason[:300],
                queue_ahead=decimal_from_micro(accepted.ahead),
                placed_at=_at(accepted.at_ms),
                cursor=cursor,
            )
            for accepted in effects.accepted
        ],
    )
    faultpoint("paper.accepted")
    PaperTrade.objects.bulk_create(
        [
            PaperTrade(
                trade_id=trade.trade_id,
                order_id=trade.venue_order_id,
                account_id=trade.account_id,
                role=trade.fill.role.value,
                price=decimal_from_micro(trade.fill.price),
                size=decimal_from_micro(trade.fill.size),
                fee=decimal_from_micro(trade.fill.fee),
                at=_at(trade.fill.at_ms),
                inferred=trade.fill.inferred,
            )
            for trade in effects.trades
        ],
    )
    faultpoint("paper.traded")
    filled = {trade.venue_order_id: trade.fill.filled for trade in effects.trades}
    ends = {ended.venue_order_id: ended for ended in effects.ended}
    changed = PaperOrder.objects.in_bulk({*queue_of, *filled, *ends})
    for key, row in changed.items():
        if queue := queue_of.get(key):
            row.filled, row.queue_ahead = decimal_from_micro(queue.filled), decimal_from_micro(queue.ahead)
            row.slack, row.slack_ms = decimal_from_micro(queue.slack), queue.slack_ms
        if key in filled:
            row.filled = decimal_from_micro(filled[key])
        if ended := ends.get(key):
            row.state, row.reason = ended.state.value, ended.reason[:300]
        row.cursor = cursor
    PaperOrder.objects.bulk_update(
        changed.values(), ["filled", "queue_ahead", "slack", "slack_ms", "state", "reason", "cursor"]
    )
    PaperCursor.objects.update_or_create(name=CURSOR, defaults={"cursor": cursor, "epoch": epoch, "updated_at": now})
    faultpoint("paper.written")


def _arrival(row: Order, *, latency_ms: int) -> Arrival:
    assert row.venue_order_id and row.sent_at  # noqa: S101  (set by order_create and order_submit)
    arrives_ms = _ms(row.sent_at) + latency_ms
    expires_ms = _stated_expiry(row, arrives_ms=arrives_ms)
    return Arrival(
        order_id=row.pk,
        venue_order_id=row.venue_order_id,
        account_id=row.account_id,
        outcome_id=row.outcome_id,
        order=VenueOrder(
            key=row.venue_order_id,
            side=Side(row.side),
            price=micro_from_decimal(row.price),
            size=micro_from_decimal(row.size),
            order_type=OrderType(row.order_type.upper()),
            post_only=row.post_only,
            expires_ms=None if expires_ms is None else expires_ms - EXPIRY_MARGIN_MS,
        ),
        expires_ms=expires_ms,
        arrives_ms=arrives_ms,
    )


def _stated_expiry(row: Order, *, arrives_ms: int) -> int | None:
    """Return the expiry that the venue is told, so that the order ends when ours says.

    The wait since the order was asked for is added where a life of two minutes would be refused for it.
    """
    if row.expires_at is None:
        return None
    stated = _ms(row.expires_at) + EXPIRY_MARGIN_MS
    waited = max(0, arrives_ms - _ms(row.created_at)) + GATE_WAIT_MS
    return max(stated, min(arrives_ms + EXPIRY_MINIMUM_MS, stated + waited))


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
