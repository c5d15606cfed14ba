"""The durable step before the first byte: the exact request, its id and SENDING, in one commit (I2, I13).

Locks: kill switch FOR SHARE, account, orders by id. Several orders of one account are claimed together, because
one commit costs as much as ten. Whoever holds a `Claimed` may send its bytes until the claim is too old;
nobody else may.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import transaction

from alerts.services.journal import events_together
from alerts.services.statements import rows_insert
from markets.domain.units import decimal_from_micro
from orders.domain import submission
from orders.domain.lifecycle import OrderState
from orders.domain.submission import Submission
from orders.models import Account, Order, OrderSubmission, SendAttempt
from orders.services.faults import faultpoint
from orders.services.kill import kill_set, killed_for_share
from orders.services.ownership import owns
from orders.services.states import order_advance, orders_lock
from orders.services.submission.obstacles import Gathered, condition_obstacle, live_obstacle, unknown_wishes
from orders.services.submission.signing import NotReady, Ready
from orders.services.submission_rows import (
    milliseconds,
    moment,
    row_values,
    submission_of,
    submission_store,
    submissions_of,
)

log = logging.getLogger(__name__)

UNSENT = (OrderState.RESERVED, OrderState.SIGNED)
AGAIN_MS = 1_000  # after which an order that waits for the venue is looked at again


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The right to send these bytes once, until `deadline_ms`."""

    order_id: int
    account_id: int
    order_hash: str
    body: bytes
    token_id: str
    is_sell: bool
    claim: Submission

    @property
    def attempt(self) -> int:
        return self.claim.attempt

    @property
    def deadline_ms(self) -> int:
        return (self.claim.claimed_at_ms or 0) + submission.SEND_WITHIN_MS


@dataclass(slots=True)
class Claims:
    """What one commit allowed and ended."""

    claimed: list[Claimed] = field(default_factory=list)
    abandoned: list[int] = field(default_factory=list)
    later: dict[int, int] = field(default_factory=dict)  # order id to the moment (ms) before which it may not go


def orders_claim(
    account: Account,
    ready: Mapping[int, Ready | NotReady],
    known: Gathered,
    *,
    now: datetime,
) -> Claims:
    """Claim every order of `account` that may go now, in one commit; abandon what may not go any more."""
    made: dict[int, Ready] = {}
    for order_id, item in ready.items():
        if isinstance(item, Ready):
            made[order_id] = item
        elif item.tampered:
            tampered_stop(order_id, item.reason, now=now)
    result = Claims()
    with transaction.atomic(), events_together():
        killed = killed_for_share()
        faultpoint("claim.begun")
        if not owns(account.pk):
            return result  # another trader has the account, or this one has not found its books clean yet
        orders = [o for o in orders_lock(account.pk, ready) if o.state in UNSENT]
        faultpoint("claim.locked")
        stored = submissions_of(order.pk for order in orders if order.state == OrderState.SIGNED)
        unknown = unknown_wishes(account.pk)
        first: list[tuple[Order, OrderSubmission, Submission]] = []
        for order in orders:
            item = ready[order.pk]
            reason = item.reason if isinstance(item, NotReady) else ""
            reason = reason or live_obstacle(
                order, known, killed=killed, now=now, tick=made[order.pk].tick, unknown=unknown
            )
            passing = "" if reason else condition_obstacle(order, known, now=now)
            if passing and order.state == OrderState.SIGNED:
                # It was tried already and waits for the venue: its age decides how long (V13).
                result.later[order.pk] = milliseconds(now) + AGAIN_MS
                continue
            if reason := reason or passing:
                order_advance(order, OrderState.ABANDONED, now=now, reason=reason)
                result.abandoned.append(order.pk)
                continue
            bytes_ = made[order.pk]
            row = stored.get(order.pk) or _row(order, bytes_, now=now)
            before = replace(submission_of(order, row), state=OrderState.SIGNED)
            after = submission.claim(before, now_ms=milliseconds(now), killed=killed)
            if after is None:
                if order.state == OrderState.SIGNED:
                    result.later[order.pk] = before.not_before_ms
                continue
            terms = known.terms[order.outcome_id]
            result.claimed.append(
                Claimed(
                    order_id=order.pk,
                    account_id=account.pk,
                    order_hash=row.order_hash,
                    body=bytes_.body,
                    token_id=terms.token_id,
                    is_sell=order.side == "sell",
                    claim=after,
                )
            )
            if order.pk in stored:
                submission_store(order, row, before, after, now=now, order_fields={"sent_at": now})
            else:
                first.append((order, row, after))
        _store_first(first, now=now)
        _attempts_record(result.claimed, now=now)
        faultpoint("claim.stored")
    faultpoint("claim.committed")
    for order_id in result.abandoned:
        log.info("order abandoned", extra={"order": order_id, "account": account.pk})
    return result


def order_claim_again(order: Order, row: OrderSubmission, *, killed: bool, wanted: bool, now: datetime) -> bool:
    """Claim one more attempt of the locked unknown order; return whether it may be sent. The kill switch is held."""
    before = submission_of(order, row)
    after = submission.claim_again(before, now_ms=milliseconds(now), killed=killed, wanted=wanted)
    if after is None:
        return False
    submission_store(order, row, before, after, now=now)
    return True


def attempt_record(claimed: Claimed, *, now: datetime) -> None:
    _attempts_record([claimed], now=now)


def tampered_stop(order_id: int, reason: str, *, now: datetime) -> None:
    """Stop everything: stored bytes that are not the order's own mean that somebody or something changed them (I1)."""
    log.error("stored bytes do not match their order", extra={"order": order_id})
    kill_set(f"order {order_id}: {reason}", "submission", now)


def _row(order: Order, item: Ready, *, now: datetime) -> OrderSubmission:
    return OrderSubmission(
        order=order,
        order_hash=item.order_hash,
        exchange=item.exchange,
        chain_id=item.chain_id,
        body=item.body.decode(),
        salt=item.salt,
        timestamp_ms=item.timestamp_ms,
        tick=decimal_from_micro(item.tick),
        signed_at=now,
    )


def _store_first(items: Sequence[tuple[Order, OrderSubmission, Submission]], *, now: datetime) -> None:
    """Write RESERVED → SIGNED → SENDING of orders that were never sent, as the one step that it is."""
    for _, row, after in items:
        for name, value in row_values(after).items():
            setattr(row, name, value)
    rows_insert([row for _, row, _ in items])
    for order, row, after in items:
        order_advance(
            order,
            OrderState.SENDING,
            now=now,
            payload={"order_hash": row.order_hash, "attempt": after.attempt, "through": OrderState.SIGNED.value},
            venue_order_id=row.order_hash,
            sent_at=now,
            lease_until=moment(milliseconds(now) + submission.LEASE_MS),
            attempts=after.attempt,
        )


def _attempts_record(claimed: Sequence[Claimed], *, now: datetime) -> None:
    rows_insert(
        [
            SendAttempt(order_id=item.order_id, kind=SendAttempt.Kind.POST, number=item.attempt, claimed_at=now)
            for item in claimed
        ]
    )
