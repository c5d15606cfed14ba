"""The desk's decisions as the model takes them: the real pure functions, each replaceable by a mutant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markets.domain.answers import AnswerKind
from markets.domain.instruments import MarketState, Side
from orders.domain import exactly_once, submission
from orders.domain.exactly_once import Stage, TradePart
from orders.domain.ledger import Position
from orders.domain.lifecycle import Environment, OrderState
from orders.domain.readiness import LiveConditions, send_obstacle
from orders.domain.submission import Step, Submission

_NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)  # ages are what counts


@dataclass(frozen=True, slots=True)
class Ages:
    """How old everything is that must be fresh when an order leaves (I14), in milliseconds; None: never."""

    book: int
    stream: int
    reconciled: int | None
    facts: int
    clock_offset: int


class Protocol:
    """What contract.md 4.3 says. Every method is one decision."""

    persists_before_sending = True

    def order_hash(self, key: str, attempt: int, nonce: int) -> str:
        del attempt, nonce  # the salt is a function of the key alone
        return f"h-{key}"

    def may_reserve(self, *, exposure: int, size: int, limit: int) -> bool:
        return exposure + size <= limit

    def blocks_replacement(self, order: Submission) -> bool:
        return order.is_unresolved

    def may_sell(self, held: Position, *, size: int) -> bool:
        return size <= held.available

    def same_account(self, one: int, other: int) -> bool:
        return one == other

    def owns(self, *, owns: bool) -> bool:
        """Whether a trader may send for an account, given whether it holds the account's lease."""
        return owns

    def is_fresh(self, ages: Ages, *, sells: bool, rests: bool) -> bool:
        conditions = LiveConditions(
            account_id=1,
            environment=Environment.SANDBOX,
            connection="ready",
            stream_alive_at=_ago(ages.stream),
            reconciled_at=None if ages.reconciled is None else _ago(ages.reconciled),
            clock_offset_ms=ages.clock_offset,
            clock_at=_NOW,
            mode="normal",
            has_market=True,
            market_state=MarketState.OPEN,
            market_synced_at=_ago(ages.facts),
            has_book=True,
            book_is_live=True,
            book_confirmed_ms=int(_NOW.timestamp() * 1000) - ages.book,
        )
        side = Side.SELL if sells else Side.BUY
        return not send_obstacle(conditions, side=side, marketable=not rests, now=_NOW)

    def reserved(self, order: Submission) -> int:
        return order.reserved

    def claim(self, order: Submission, *, now_ms: int, killed: bool) -> Submission | None:
        return submission.claim(order, now_ms=now_ms, killed=killed)

    def claim_again(self, order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Submission | None:
        return submission.claim_again(order, now_ms=now_ms, killed=killed, wanted=wanted)

    def may_send(self, order: Submission, *, attempt: int, now_ms: int) -> bool:
        return submission.may_send(order, attempt=attempt, now_ms=now_ms)

    def may_cancel(self, order: Submission, *, now_ms: int) -> bool:
        return submission.may_cancel(order, now_ms=now_ms)

    def judged(self, order: Submission, alone: AnswerKind) -> AnswerKind:
        """Return what an answer means after the attempts before it (the rule of `OrderAnswer.kind`)."""
        negative = (AnswerKind.REJECTED, AnswerKind.NOT_PROCESSED, AnswerKind.NOT_SENT)
        return AnswerKind.UNKNOWN if order.unknown_attempts and alone in negative else alone

    def after_answer(self, order: Submission, *, attempt: int, kind: AnswerKind, now_ms: int) -> Submission | None:
        return submission.after_answer(order, attempt=attempt, kind=kind, now_ms=now_ms)

    def after_lease(self, order: Submission, *, now_ms: int) -> Submission | None:
        return submission.after_lease(order, now_ms=now_ms)

    def next_step(self, order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Step:
        return submission.next_step(order, now_ms=now_ms, killed=killed, wanted=wanted)

    def after_cancel_answer(self, order: Submission, *, canceled: bool) -> Submission | None:
        """A confirmed cancel is evidence that the order existed, not of what was filled; "not found" is no evidence."""
        return submission.after_evidence(order, state=OrderState.LIVE) if canceled else None

    def after_end(self, order: Submission, *, matched: int) -> Submission | None:
        return submission.after_end(order, state=OrderState.CANCELED, matched=matched)

    def release(self, order: Submission, *, now_ms: int, explained: bool) -> Submission | None:
        return submission.release(order, now_ms=now_ms, balances_explained=explained)

    def after_message(self, known: TradePart | None, *, size: int, stage: Stage) -> TradePart:
        return exactly_once.after_message(known, size=size, stage=stage)

    def booked(self, before: TradePart | None, after: TradePart) -> int:
        return exactly_once.counted_change(before, after)

    def counts(self, parts: Collection[TradePart]) -> int:
        """Return the size of fills that use up the limit: every one that has not failed, settled or not."""
        return sum(part.counted for part in parts)

    def sold(self, parts: Collection[TradePart]) -> int:
        """Return the size of sales that make room again: settled ones only, because the others may fail."""
        return sum(part.confirmed for part in parts)

    def fee(self, told: int) -> int:
        return told

    def takes_fill(self, order: Submission) -> bool:
        """A fill may have been under way when the order ended: it is booked all the same."""
        del order
        return True

    def kill_is_complete(self, *, empty_since_ms: int | None, empty_reads: int, now_ms: int, unresolved: int) -> bool:
        return submission.kill_is_complete(
            empty_since_ms=empty_since_ms, empty_reads=empty_reads, now_ms=now_ms, unresolved=unresolved
        )


def _ago(milliseconds: int) -> datetime:
    return _NOW - timedelta(milliseconds=milliseconds)
