"""Effectively-once submission (contract.md 4.3): every step of a live order from its signature to an end.

A `Submission` is one order's durable facts. Each function takes it and returns what it becomes, or None
when the step may not be taken; the caller stores the result in one conditional update before it acts.
Nothing here reads a clock: times are milliseconds, given. Sizes are millionths.

The rules behind all of it: an order is sent only after it is stored as SENDING; it is one order however
often its bytes are sent, because they are always the same; what may exist at the venue stays reserved
until there is evidence; and no refusal of a later copy is evidence about an earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from markets.domain.answers import AnswerKind
from orders.domain.lifecycle import OPEN, OrderState, check_transition

S = OrderState

SEND_WITHIN_MS = 15_000  # from the claim to the end of the request; later than this nothing is sent
LEASE_MS = 20_000  # a claim without an answer for this long is an unknown attempt
READ_AFTER_MS = (2_000, 5_000, 10_000, 20_000, 40_000)  # after becoming unknown, then every READ_EVERY_MS
READ_EVERY_MS = 30_000
QUARANTINE_AFTER_MS = 120_000
RELEASE_AFTER_MS = 600_000  # from the last moment at which bytes may have left
RELEASE_READS = 3
MOST_REPOSTS = 3
BACK_OFF_MS = (1_000, 2_000, 4_000, 8_000, 16_000, 30_000)
KILL_READS = 3
KILL_READS_OVER_MS = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    key: str
    order_hash: str
    state: OrderState
    size: int
    rests: bool  # GTC or GTD; the others are never sent twice
    max_age_at_ms: int  # after this the order is no longer worth sending
    filled: int = 0
    attempt: int = 0
    claimed_at_ms: int | None = None  # start of the lease of the running attempt
    last_claim_ms: int | None = None
    unknown_attempts: int = 0
    unknown_since_ms: int | None = None
    next_read_ms: int | None = None
    reads: int = 0
    reposts: int = 0
    busy_answers: int = 0
    not_before_ms: int = 0
    cancel_requested: bool = False
    empty_reads: int = 0  # since the last moment at which something could still arrive

    @property
    def reserved(self) -> int:
        """What must stay set aside: everything unfilled while the order may still cost something."""
        return self.size - self.filled if self.state in OPEN else 0

    @property
    def is_unresolved(self) -> bool:
        """Whether nobody knows if the venue has it: no order may replace it (I5)."""
        return self.state in (S.SENDING, S.UNKNOWN, S.QUARANTINED)


class Step(StrEnum):
    """What to do about an unknown order now."""

    WAIT = "wait"
    READ = "read"
    REPOST = "repost"
    CANCEL = "cancel"
    QUARANTINE = "quarantine"
    RELEASE = "release"


# --- sending ----------------------------------------------------------------------------------------------------------


def claim(order: Submission, *, now_ms: int, killed: bool) -> Submission | None:
    """Return the order as SENDING, or None. `killed` is read under a lock that a kill waits for (I13)."""
    if order.state is not S.SIGNED or killed or order.cancel_requested:
        return None
    if now_ms >= order.max_age_at_ms or now_ms < order.not_before_ms:
        return None
    return _claimed(_to(order, S.SENDING), now_ms)


def claim_again(order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Submission | None:
    """Return the unknown order with one more attempt of the same bytes, or None.

    Never after a cancel was asked for, because a venue may forget a cancelled order and take it anew; never
    for an order that must trade at once.
    """
    if order.state is not S.UNKNOWN or killed or order.cancel_requested or not (wanted and order.rests):
        return None
    if order.reposts >= MOST_REPOSTS or _is_leased(order, now_ms):
        return None
    return replace(_claimed(order, now_ms), reposts=order.reposts + 1, unknown_attempts=order.unknown_attempts + 1)


def may_send(order: Submission, *, attempt: int, now_ms: int) -> bool:
    """Whether the claim of this attempt still allows a first byte. Asked right before it, by the sender."""
    claimed = order.claimed_at_ms
    return order.attempt == attempt and claimed is not None and now_ms < claimed + SEND_WITHIN_MS


def may_cancel(order: Submission, *, now_ms: int) -> bool:
    """Whether a cancel may be sent now: not while a second copy of the bytes may still be under way.

    A venue that forgets cancelled orders would take that copy as a new order. A kill does not wait: it
    cancels again and again until nothing can arrive.
    """
    return not order.unknown_attempts or order.last_claim_ms is None or now_ms >= order.last_claim_ms + LEASE_MS


def abandon(order: Submission, *, now_ms: int, killed: bool) -> Submission | None:
    """Return the order as ABANDONED when it was never sent and will not be."""
    over = killed or order.cancel_requested or now_ms >= order.max_age_at_ms
    if order.state not in (S.RESERVED, S.SIGNED) or order.unknown_attempts or not over:
        return None
    return _to(order, S.ABANDONED)


# --- what came back ---------------------------------------------------------------------------------------------------


def after_answer(order: Submission, *, attempt: int, kind: AnswerKind, now_ms: int) -> Submission | None:
    """Return the order after the answer to `attempt`, or None when the answer changes nothing.

    `kind` is already judged in the light of earlier attempts. Good news counts whenever it comes; bad news
    only while this very attempt is the order's first and running one.
    """
    if kind in _ACCEPTED_STATES:
        return after_evidence(order, state=_ACCEPTED_STATES[kind]) if order.state in (S.SENDING, S.UNKNOWN) else None
    if order.attempt != attempt or order.claimed_at_ms is None or order.state not in (S.SENDING, S.UNKNOWN):
        return None
    if order.state is S.UNKNOWN:  # a later copy: its answer only ends its lease
        return replace(order, claimed_at_ms=None)
    if order.unknown_attempts or kind in (AnswerKind.UNKNOWN, AnswerKind.BROKEN):
        return _unknown(order, now_ms)
    if kind is AnswerKind.REJECTED:
        return _to(replace(order, claimed_at_ms=None), S.REJECTED)
    pause = BACK_OFF_MS[min(order.busy_answers, len(BACK_OFF_MS) - 1)]
    return _to(
        replace(order, claimed_at_ms=None, not_before_ms=now_ms + pause, busy_answers=order.busy_answers + 1),
        S.SIGNED,
    )


def after_lease(order: Submission, *, now_ms: int) -> Submission | None:
    """Return an order whose sender went silent as UNKNOWN. Nobody sends it again from SENDING."""
    if order.state is not S.SENDING or _is_leased(order, now_ms):
        return None
    return _unknown(order, now_ms)


def after_evidence(order: Submission, *, state: OrderState) -> Submission | None:
    """Return the order in the state that the venue's own records show. Evidence, not the absence of it."""
    if order.state is state or order.state not in OPEN:
        return None
    # Reads in vain from before it was seen say nothing about what becomes of it now.
    found = replace(order, claimed_at_ms=None, unknown_since_ms=None, next_read_ms=None, reads=0)
    return _to(found, state)


def after_end(order: Submission, *, state: OrderState, matched: int) -> Submission | None:
    """Return the order as over, once all `matched` size that the venue names is booked; None until then.

    The answer to a cancel does not say what was filled before it: releasing on it alone would free
    money that fills under way have already spent.
    """
    return after_evidence(order, state=state) if order.filled >= matched else None


def after_empty_read(order: Submission, *, started_ms: int) -> Submission:
    """Return the order after a full read of orders and trades that did not show it.

    A read counts towards a release only if it began when nothing of ours could still be on its way.
    """
    reads = order.reads + 1
    pause = READ_AFTER_MS[reads] - READ_AFTER_MS[reads - 1] if reads < len(READ_AFTER_MS) else READ_EVERY_MS
    late = order.last_claim_ms is not None and started_ms >= order.last_claim_ms + RELEASE_AFTER_MS
    return replace(
        order, reads=reads, next_read_ms=started_ms + pause, empty_reads=order.empty_reads + 1 if late else 0
    )


# --- what to do about the unknown -------------------------------------------------------------------------------------


def next_step(order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Step:
    """Return what an UNKNOWN or QUARANTINED order needs now, after evidence was looked for."""
    if order.state not in (S.UNKNOWN, S.QUARANTINED):
        return Step.WAIT
    if order.next_read_ms is not None and now_ms >= order.next_read_ms:
        return Step.READ
    if order.state is S.QUARANTINED:
        return Step.RELEASE if order.empty_reads >= RELEASE_READS else Step.WAIT
    return _step_of_unknown(order, now_ms=now_ms, killed=killed, wanted=wanted)


def _step_of_unknown(order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Step:
    since = order.unknown_since_ms if order.unknown_since_ms is not None else now_ms
    if now_ms >= since + QUARANTINE_AFTER_MS:
        return Step.QUARANTINE
    if not order.reads:
        return Step.WAIT
    if claim_again(order, now_ms=now_ms, killed=killed, wanted=wanted) is not None:
        return Step.REPOST
    gives_up = killed or order.cancel_requested or not order.rests or not wanted
    return Step.CANCEL if gives_up and may_cancel(order, now_ms=now_ms) else Step.WAIT


def quarantine(order: Submission, *, now_ms: int) -> Submission | None:
    since = order.unknown_since_ms
    if order.state is not S.UNKNOWN or since is None or now_ms < since + QUARANTINE_AFTER_MS:
        return None
    return _to(replace(order, claimed_at_ms=None), S.QUARANTINED)


def release(order: Submission, *, now_ms: int, balances_explained: bool) -> Submission | None:
    """Return a quarantined order as CANCELED: long after its last byte, read in vain, and with no gap in the books."""
    if order.state is not S.QUARANTINED or order.empty_reads < RELEASE_READS or not balances_explained:
        return None
    if order.last_claim_ms is None or now_ms < order.last_claim_ms + RELEASE_AFTER_MS:
        return None
    return _to(order, S.CANCELED)


def kill_is_complete(*, empty_since_ms: int | None, empty_reads: int, now_ms: int, unresolved: int) -> bool:
    """Whether cancel-all may stop: nothing open in enough reads over enough time, and nothing that may still arrive."""
    if empty_since_ms is None or empty_reads < KILL_READS or unresolved:
        return False
    return now_ms - empty_since_ms >= KILL_READS_OVER_MS


_ACCEPTED_STATES = {
    AnswerKind.LIVE: S.LIVE,
    AnswerKind.MATCHED: S.MATCHED,
    AnswerKind.DELAYED: S.DELAYED,
    AnswerKind.EXISTING: S.LIVE,  # its fills are read from the venue
}


def _claimed(order: Submission, now_ms: int) -> Submission:
    return replace(order, attempt=order.attempt + 1, claimed_at_ms=now_ms, last_claim_ms=now_ms, empty_reads=0)


def _unknown(order: Submission, now_ms: int) -> Submission:
    return _to(
        replace(
            order,
            claimed_at_ms=None,
            unknown_attempts=order.unknown_attempts + 1,
            unknown_since_ms=now_ms,
            next_read_ms=now_ms + READ_AFTER_MS[0],
            reads=0,
            empty_reads=0,
        ),
        S.UNKNOWN,
    )


def _is_leased(order: Submission, now_ms: int) -> bool:
    return order.claimed_at_ms is not None and now_ms < order.claimed_at_ms + LEASE_MS


def _to(order: Submission, state: OrderState) -> Submission:
    check_transition(order.state, state)
    return replace(order, state=state)
