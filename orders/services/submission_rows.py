"""Between the rows of a live order and the pure `Submission` that decides about it: one mapping, one way to store.

Whoever moves a live order locks it (`states.order_lock`), makes a `Submission` of it, asks
`orders.domain.submission` what it becomes, and stores that here: submission row, order row and
journal event in the caller's transaction. Times are Unix milliseconds, sizes millionths.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.domain.events import Severity
from alerts.selectors.statements import Select
from alerts.services.statements import rows_update
from markets.domain.units import micro_from_decimal
from orders.domain.intents import OrderType
from orders.domain.lifecycle import RESTING, TERMINAL, OrderState
from orders.domain.submission import LEASE_MS, Submission
from orders.models import Order, OrderSubmission
from orders.services.states import StateConflict, order_advance

_BY_ORDERS = Select(OrderSubmission, "WHERE order_id = ANY(%s)")

# Columns of OrderSubmission that are fields of Submission under the same name.
_SHARED = (
    "attempt",
    "claimed_at_ms",
    "last_claim_ms",
    "unknown_attempts",
    "unknown_since_ms",
    "next_read_ms",
    "reads",
    "reposts",
    "busy_answers",
    "not_before_ms",
    "empty_reads",
)


def milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def submission_of(order: Order, row: OrderSubmission) -> Submission:
    """Return the order's durable facts as the rules see them."""
    return Submission(
        key=str(order.client_key),
        order_hash=row.order_hash,
        state=OrderState(order.state),
        size=micro_from_decimal(order.size),
        rests=OrderType(order.order_type).rests,
        max_age_at_ms=milliseconds(order.created_at) + order.max_age_s * 1000,
        filled=micro_from_decimal(order.filled_size),
        cancel_requested=order.cancel_requested_at is not None,
        **{name: getattr(row, name) for name in _SHARED},
    )


def row_values(after: Submission) -> dict[str, Any]:
    """Return the columns of OrderSubmission that hold `after`."""
    return {name: getattr(after, name) for name in _SHARED}


def submissions_of(order_ids: Iterable[int]) -> dict[int, OrderSubmission]:
    wanted = list(order_ids)
    return {row.pk: row for row in _BY_ORDERS.rows(wanted)} if wanted else {}


def submission_store(
    order: Order,
    row: OrderSubmission,
    before: Submission,
    after: Submission,
    *,
    now: datetime,
    reason: str = "",
    actor: str = "",
    kind: str = "",
    word: str = "",
    severity: Severity | None = None,
    payload: dict[str, Any] | None = None,
    order_fields: dict[str, Any] | None = None,
    **row_fields: Any,
) -> None:
    """Store what the locked order became. Raises StateConflict when the row is not `before` any more.

    `kind` and `word` name the journal event where the state alone would mislead.
    """
    values = row_values(after) | row_fields
    if after.state in TERMINAL:
        values |= {"next_read_ms": None}
    if not rows_update(
        OrderSubmission,
        values,
        pk=order.pk,
        attempt=before.attempt,
        claimed_at_ms=before.claimed_at_ms,
        unknown_attempts=before.unknown_attempts,
    ):
        raise StateConflict(f"order {order.pk}: attempt {before.attempt} is over already")
    for name, value in values.items():
        setattr(row, name, value)
    fields = dict(order_fields or {})
    if after.claimed_at_ms != before.claimed_at_ms:
        claimed = after.claimed_at_ms
        fields["lease_until"] = None if claimed is None else moment(claimed + LEASE_MS)
    if after.attempt != before.attempt:
        fields["attempts"] = after.attempt
    if after.state is before.state:
        if fields:
            Order.objects.filter(pk=order.pk).update(**fields)
            for name, value in fields.items():
                setattr(order, name, value)
        return
    if after.state in RESTING and order.acknowledged_at is None:
        fields["acknowledged_at"] = now
    order_advance(
        order,
        after.state,
        now=now,
        reason=reason,
        actor=actor,
        kind=kind,
        word=word,
        severity=severity,
        payload={"order_hash": row.order_hash, "attempt": after.attempt} | (payload or {}),
        **fields,
    )
