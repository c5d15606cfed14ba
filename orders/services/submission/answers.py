"""What came back is stored (T3): one conditional step per attempt, several attempts of an account in one commit.

Only the answer to the order's first and running attempt may take it back or end it; good news counts always.
The money stays set aside until the order has ended on evidence.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import transaction

from alerts.domain.events import Severity
from alerts.services.journal import events_together
from alerts.services.statements import rows_update
from markets.domain.answers import AnswerKind, OrderAnswer
from markets.domain.units import decimal_from_micro, micro_from_decimal
from orders.domain import submission
from orders.domain.intents import OrderType
from orders.domain.lifecycle import OrderState, TradingState
from orders.domain.submission import Submission
from orders.models import Order, OrderSubmission, SendAttempt
from orders.services.account_events import account_event
from orders.services.accounts import trading_state_set
from orders.services.attach import end_when_booked
from orders.services.faults import faultpoint
from orders.services.kill import kill_set
from orders.services.states import orders_lock
from orders.services.submission.posting import Posted
from orders.services.submission_rows import milliseconds, moment, submission_of, submission_store, submissions_of

log = logging.getLogger(__name__)

MOST_BALANCE_RETRIES = 5  # of the same signed order, while the venue's record of the balance lags (V10)
FOLLOW_UP_MS = 2_000  # when an accepted order that does not rest is read again


@dataclass(slots=True)
class Stored:
    """What the answers ask for next."""

    retry: dict[int, int] = field(default_factory=dict)  # order id to the moment (ms) from which it may go again
    refresh: set[str] = field(default_factory=set)  # tokens whose balance the venue must look up again; "" is cash
    cancels: list[int] = field(default_factory=list)  # accepted meanwhile, and not wanted any more


def answers_store(account_id: int, posted: Sequence[Posted], *, now: datetime) -> Stored:
    """Store the answers of one account's attempts. A broken one sets the kill switch before it is stored."""
    for item in posted:
        if item.sent.answer.kind is AnswerKind.BROKEN:
            named = item.sent.answer.said or "another order"
            kill_set(f"the venue answered order {item.claimed.order_hash} with {named}", "submission", now)
    result = Stored()
    with transaction.atomic(), events_together():
        orders = {order.pk: order for order in orders_lock(account_id, [p.claimed.order_id for p in posted])}
        faultpoint("answer.locked")
        rows = submissions_of(orders)
        for item in posted:
            _store(orders[item.claimed.order_id], rows[item.claimed.order_id], item, result, now=now)
        _halt(account_id, orders, posted, now=now)
        faultpoint("answer.stored")
    faultpoint("answer.committed")
    return result


def _store(order: Order, row: OrderSubmission, item: Posted, result: Stored, *, now: datetime) -> None:
    answer, attempt = item.sent.answer, item.claimed.attempt
    before = submission_of(order, row)
    kind = _kind(order, before, answer, now_ms=milliseconds(now))
    after = submission.after_answer(before, attempt=attempt, kind=kind, now_ms=milliseconds(now))
    if after is not None and after.state is OrderState.SIGNED and answer.retry_after_s:
        asked = milliseconds(now) + int(answer.retry_after_s * 1000)
        after = replace(after, not_before_ms=max(after.not_before_ms, asked))
    said = {"last_code": answer.code[:60], "last_said": answer.said[:300]}
    if after is None:
        OrderSubmission.objects.filter(pk=order.pk).update(**said)
    else:
        follow = _follow_up(order, after, answer, now=now)
        submission_store(order, row, before, after, now=now, **_words(after, answer), **said, **follow)
        if follow:
            end_when_booked(order, now=now)  # its fills may have been quicker than its answer
    _attempt_close(item)
    state = OrderState(order.state)
    if after is not None and state is OrderState.SIGNED:
        result.retry[order.pk] = after.not_before_ms
        if answer.code in ("balance", "allowance"):
            result.refresh.add(item.claimed.token_id if item.claimed.is_sell else "")
    if answer.is_accepted and order.cancel_requested_at is not None:
        result.cancels.append(order.pk)


def _kind(order: Order, before: Submission, answer: OrderAnswer, *, now_ms: int) -> AnswerKind:
    """Return what to act on: a balance that the venue has not looked up yet is "later", a few times (V10)."""
    if answer.kind is not AnswerKind.REJECTED or answer.code != "balance" or before.unknown_attempts:
        return answer.kind
    pause = submission.BACK_OFF_MS[min(before.busy_answers, len(submission.BACK_OFF_MS) - 1)]
    again = before.busy_answers < MOST_BALANCE_RETRIES and now_ms + pause < before.max_age_at_ms
    return AnswerKind.NOT_PROCESSED if again else answer.kind


def _follow_up(order: Order, after: Submission, answer: OrderAnswer, *, now: datetime) -> dict[str, object]:
    """Return the row's fields that make somebody look for what the answer did not say."""
    if after.state not in (OrderState.LIVE, OrderState.MATCHED, OrderState.DELAYED):
        return {}
    at_ms = milliseconds(now)
    if answer.kind is AnswerKind.EXISTING:
        return {"next_read_ms": at_ms}
    if OrderType(order.order_type).rests and after.state is not OrderState.DELAYED:
        return {}
    fields: dict[str, object] = {"next_read_ms": at_ms + FOLLOW_UP_MS}
    shares = answer.taking if order.side == "buy" else answer.making
    if after.state is OrderState.MATCHED and shares is not None:
        whole = shares >= micro_from_decimal(order.size) or order.order_type == OrderType.FOK
        fields |= {"ending": "filled" if whole else "canceled", "matched_claim": decimal_from_micro(shares)}
    return fields


def _words(after: Submission, answer: OrderAnswer) -> dict[str, object]:
    """Return reason, journal kind and severity of the step."""
    told = f"{answer.code}: {answer.said}" if answer.said else answer.code
    if after.state is OrderState.SIGNED:
        return {"reason": f"the venue did not take it now ({told})", "kind": "order.put_back", "word": "waits"}
    if after.state is OrderState.REJECTED or after.state is OrderState.UNKNOWN:
        severity = Severity.CRITICAL if answer.kind is AnswerKind.BROKEN else None
        return {"reason": told, "severity": severity}
    return {"payload": {"trade_ids": list(answer.trade_ids)}} if answer.trade_ids else {}


def _attempt_close(item: Posted) -> None:
    sent = item.sent
    rows_update(
        SendAttempt,
        {
            "first_byte_at": None if sent.first_byte_ms is None else moment(sent.first_byte_ms),
            "answered_at": moment(sent.answered_ms),
            "answer": sent.answer.alone.value,
            "code": sent.answer.code[:60],
            "said": sent.answer.said[:300],
        },
        order=item.claimed.order_id,
        kind=SendAttempt.Kind.POST,
        number=item.claimed.attempt,
    )


def _halt(account_id: int, orders: dict[int, Order], posted: Sequence[Posted], *, now: datetime) -> None:
    """Stop the account that the venue does not let in, and page: its key, its place or its standing is wrong."""
    refused = next((p for p in posted if p.sent.answer.halts_account), None)
    if refused is None:
        return
    answer = refused.sent.answer
    reason = f"the venue does not let it in ({answer.code}): {answer.said}"
    if trading_state_set(account_id=account_id, state=TradingState.HALTED, reason=reason, by="submission", now=now):
        account = orders[refused.claimed.order_id].account
        account_event(
            account,
            "account.refused_by_venue",
            f"{account.name}: {reason}",
            severity=Severity.CRITICAL,
            by="submission",
            payload={"code": answer.code, "said": answer.said, "order_id": refused.claimed.order_id},
            now=now,
        )
