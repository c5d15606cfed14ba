"""Asking the venue for the end of orders. A cancel is a request (V8): the order ends on evidence, later.

Wanted cancels stand on the orders (`cancel_requested_at`) and in no queue, so a lost message costs seconds.
Each request is on record before it leaves (`SendAttempt`, kind cancel) and is repeated with a growing pause
while the order stays open. A second copy of an order that may still be under way is waited for first, except
under the kill switch, which asks again and again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from alerts.services.journal import events_together
from markets.domain.trading import CancelAnswer
from markets.venues.trading import OrderGateway
from orders.domain import submission
from orders.domain.lifecycle import OPEN, Environment, OrderState
from orders.models import Order, OrderSubmission, SendAttempt
from orders.services import keyholder, rate_budget
from orders.services.faults import faultpoint
from orders.services.kill import killed
from orders.services.states import order_event, order_label, orders_lock
from orders.services.submission_rows import milliseconds, submission_of, submission_store, submissions_of

log = logging.getLogger(__name__)

WITHIN_MS = 15_000
MOST_AT_ONCE = 100  # ids in one request: fewer than any signing key's budget of cancels holds at once
AGAIN_MS = (1_000, 2_000, 4_000, 8_000, 16_000, 30_000)
# An order in SENDING is waited for: its answer or the end of its lease comes within seconds.
ASKABLE = (OrderState.LIVE, OrderState.MATCHED, OrderState.DELAYED, OrderState.UNKNOWN, OrderState.QUARANTINED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request about several orders, on record and not yet sent. `numbers` are the attempts by order id."""

    account_id: int
    hashes: dict[int, str]
    numbers: dict[int, int]
    at: datetime

    @property
    def deadline_ms(self) -> int:
        return milliseconds(self.at) + WITHIN_MS


@dataclass(slots=True)
class CancelResult:
    canceled: int = 0
    refused: int = 0
    unknown: int = 0
    orders: list[int] = field(default_factory=list)


def cancels_due(now: datetime) -> dict[int, list[int]]:
    """Return the open orders of live accounts whose cancel is to be sent (again) now, by account."""
    rows = (
        Order.objects.filter(state__in=ASKABLE, cancel_requested_at__isnull=False, submission__ending="")
        .exclude(account__environment=Environment.PAPER)
        .exclude(account__connection="away")
        .values_list("account_id", "pk")
        .order_by("pk")
    )
    due: dict[int, list[int]] = {}
    pairs = list(rows)
    last = _last_asked(pk for _, pk in pairs)
    for account_id, pk in pairs:
        if _is_due(*last.get(pk, (0, None)), now):
            due.setdefault(account_id, []).append(pk)
    return due


def cancel_claim(account_id: int, order_ids: Sequence[int], *, now: datetime, reason: str = "") -> list[Asked]:
    """Put requests for the end of these orders on record, in as few as possible; return what to send.

    `reason` also asks for the end of orders that nobody asked about before. Orders that are over, never left or were
    asked about a moment ago are left out, and so are those that the rate budget has no room for.
    """
    with transaction.atomic(), events_together():
        orders = [o for o in orders_lock(account_id, order_ids) if o.state in ASKABLE]
        rows = submissions_of(o.pk for o in orders)
        last = _last_asked(o.pk for o in orders)
        urgent = killed()
        going: list[tuple[Order, OrderSubmission, int]] = []
        for order in orders:
            row = rows.get(order.pk)
            number, at = last.get(order.pk, (0, None))
            if row is None or not _is_due(number, at, now):
                continue
            if order.cancel_requested_at is None:
                if not reason:
                    continue
                _request(order, reason, now=now)
            if not urgent and not submission.may_cancel(submission_of(order, row), now_ms=milliseconds(now)):
                continue
            going.append((order, row, number + 1))
        going = _within_budget(going)
        SendAttempt.objects.bulk_create(
            SendAttempt(order=order, kind=SendAttempt.Kind.CANCEL, number=number, claimed_at=now)
            for order, _, number in going
        )
    faultpoint("cancel.claimed")
    return [
        Asked(
            account_id=account_id,
            hashes={order.pk: row.order_hash for order, row, _ in part},
            numbers={order.pk: number for order, _, number in part},
            at=now,
        )
        for part in (going[i : i + MOST_AT_ONCE] for i in range(0, len(going), MOST_AT_ONCE))
    ]


def cancel_send(gateway: OrderGateway, asked: Asked) -> CancelAnswer:
    """Send one request. No answer means that some or all may have been cancelled."""
    hashes = list(asked.hashes.values())
    try:
        answer = gateway.cancel(hashes, deadline_ms=asked.deadline_ms)
    except Exception:  # bytes may have left: nobody knows
        log.exception("the gateway failed", extra={"orders": list(asked.hashes)})
        answer = CancelAnswer(unknown=True, code="gateway_failed")
    faultpoint("cancel.sent")
    return answer


def cancel_store(asked: Asked, answer: CancelAnswer, *, now: datetime) -> CancelResult:
    """Store what the venue said about each order and plan to read it; nothing ends here."""
    result = CancelResult()
    with transaction.atomic():
        orders = orders_lock(asked.account_id, asked.hashes)
        rows = submissions_of(asked.hashes)
        for order in orders:
            order_hash, row = asked.hashes[order.pk], rows[order.pk]
            refusal = answer.refused.get(order_hash, "")
            word = _word(answer, order_hash, refusal)
            SendAttempt.objects.filter(
                order=order, kind=SendAttempt.Kind.CANCEL, number=asked.numbers[order.pk]
            ).update(answered_at=now, answer=word, code=answer.code[:60], said=(refusal or answer.said)[:300])
            result.canceled += word == "canceled"
            result.refused += word == "refused"
            result.unknown += word == "unknown"
            if OrderState(order.state) not in OPEN:
                continue
            if word == "canceled":
                confirmed(order, row, now=now)
            elif word == "refused" and order.state not in (OrderState.UNKNOWN, OrderState.QUARANTINED):
                # "Already cancelled or matched": which of the two is read, not guessed.
                OrderSubmission.objects.filter(pk=order.pk).update(next_read_ms=milliseconds(now))
            result.orders.append(order.pk)
        faultpoint("cancel.stored")
    return result


def confirmed(order: Order, row: OrderSubmission, *, now: datetime) -> None:
    """Note on a locked open order that the venue took it off: it existed, and what it matched before is read now."""
    before = submission_of(order, row)
    fields = {"next_read_ms": milliseconds(now), "reads": 0, "ending": row.ending or OrderState.CANCELED.value}
    if before.state in (OrderState.UNKNOWN, OrderState.QUARANTINED):
        after = submission.after_evidence(before, state=OrderState.LIVE)
        if after is not None:
            submission_store(order, row, before, after, now=now, reason="the venue cancelled it", **fields)
            return
    OrderSubmission.objects.filter(pk=order.pk).update(**fields)


def cancel_now(account_id: int, order_ids: Sequence[int], *, now: datetime, reason: str = "") -> CancelResult:
    """Claim, send and store in this thread. Raises NotInThisProcess and KeyRefused before anything is on record."""
    gateway = keyholder.gateway(account_id)
    total = CancelResult()
    for asked in cancel_claim(account_id, order_ids, now=now, reason=reason):
        done = cancel_store(asked, cancel_send(gateway, asked), now=now)
        total.canceled += done.canceled
        total.refused += done.refused
        total.unknown += done.unknown
        total.orders += done.orders
    return total


def _within_budget(going: list[tuple[Order, OrderSubmission, int]]) -> list[tuple[Order, OrderSubmission, int]]:
    """Return the first of them that the shared budget lets go now, in requests of at most `MOST_AT_ONCE`."""
    for start in range(0, len(going), MOST_AT_ONCE):
        account, part = going[0][0].account, going[start : start + MOST_AT_ONCE]
        if rate_budget.take(account.venue, account.signer_address, "cancel", len(part)) > 0:
            log.warning("cancels wait for the rate budget", extra={"account": account.pk, "orders": len(going) - start})
            return going[:start]
    return going


def _request(order: Order, reason: str, *, now: datetime) -> None:
    Order.objects.filter(pk=order.pk, cancel_requested_at=None).update(
        cancel_requested_at=now, cancel_reason=reason[:120]
    )
    order.cancel_requested_at, order.cancel_reason = now, reason[:120]
    order_event(
        order,
        "order.cancel_requested",
        f"order {order.pk} ({order_label(order)}): cancel requested: {reason}",
        actor="submission",
        now=now,
        payload={"reason": reason},
    )


def _last_asked(order_ids: Iterable[int]) -> dict[int, tuple[int, datetime | None]]:
    """Return how often and when last each order's end was asked for."""
    rows = SendAttempt.objects.filter(order_id__in=list(order_ids), kind=SendAttempt.Kind.CANCEL)
    grouped = rows.values("order_id").annotate(number=Max("number"), at=Max("claimed_at"))
    return {row["order_id"]: (row["number"], row["at"]) for row in grouped}


def _is_due(number: int, at: datetime | None, now: datetime) -> bool:
    if at is None:
        return True
    return now >= at + timedelta(milliseconds=AGAIN_MS[min(number, len(AGAIN_MS)) - 1])


def _word(answer: CancelAnswer, order_hash: str, refusal: str) -> str:
    if order_hash in answer.canceled:
        return "canceled"
    return "refused" if refusal else "unknown"
