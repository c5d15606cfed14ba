"""Sending stored bytes: the only place from which an order request leaves. Nothing here touches the database.

Whatever happens between the first byte and the answer is an answer too: UNKNOWN, unless it is certain that no
byte left.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from markets.domain.answers import AnswerKind, OrderAnswer
from markets.venues.trading import OrderGateway, Sent
from orders.domain import submission
from orders.services.faults import faultpoint
from orders.services.submission.claim import Claimed

log = logging.getLogger(__name__)

MOST_TOGETHER = 15  # orders in one request, where the account allows batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    claimed: Claimed
    sent: Sent


def post(gateway: OrderGateway, claimed: Claimed, *, now_ms: int) -> Posted:
    """Send one claimed order. `now_ms` is the wall clock right before the first byte."""
    if not _may_send(claimed, now_ms):
        return Posted(claimed=claimed, sent=_silence(AnswerKind.NOT_SENT, "claim_too_old", now_ms))
    faultpoint("post.first_byte")
    try:
        sent = gateway.send(
            claimed.body,
            order_id=claimed.order_hash,
            unknown_attempts=claimed.claim.unknown_attempts,
            deadline_ms=claimed.deadline_ms,
        )
    except Exception:  # bytes may have left: nobody knows
        log.exception("the gateway failed", extra={"order": claimed.order_id})
        sent = _silence(AnswerKind.UNKNOWN, "gateway_failed", now_ms)
    faultpoint("post.answered")
    return Posted(claimed=claimed, sent=sent)


def post_together(gateway: OrderGateway, claims: Sequence[Claimed], *, now_ms: int) -> list[Posted]:
    """Send several claimed orders of one account in one request; each is judged by its own answer."""
    if len(claims) == 1:
        return [post(gateway, claims[0], now_ms=now_ms)]
    late = [c for c in claims if not _may_send(c, now_ms)]
    going = [c for c in claims if _may_send(c, now_ms)]
    done = [Posted(claimed=c, sent=_silence(AnswerKind.NOT_SENT, "claim_too_old", now_ms)) for c in late]
    if not going:
        return done
    faultpoint("post.first_byte")
    try:
        sent = gateway.send_batch(
            [c.body for c in going],
            order_ids=[c.order_hash for c in going],
            unknown_attempts=[c.claim.unknown_attempts for c in going],
            deadline_ms=min(c.deadline_ms for c in going),
        )
    except Exception:  # bytes may have left: nobody knows
        log.exception("the gateway failed", extra={"orders": [c.order_id for c in going]})
        sent = []
    faultpoint("post.answered")
    if len(sent) != len(going):
        sent = [_silence(AnswerKind.UNKNOWN, "gateway_failed", now_ms)] * len(going)
    return done + [Posted(claimed=c, sent=s) for c, s in zip(going, sent, strict=True)]


def _may_send(claimed: Claimed, now_ms: int) -> bool:
    return submission.may_send(claimed.claim, attempt=claimed.attempt, now_ms=now_ms)


def _silence(kind: AnswerKind, code: str, now_ms: int) -> Sent:
    return Sent(answer=OrderAnswer(kind=kind, alone=kind, code=code), first_byte_ms=None, answered_ms=now_ms)
