"""Protocols with one rule broken. A model that lets one of them live is not worth its time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from markets.domain.answers import AnswerKind
from orders.domain import submission
from orders.domain.exactly_once import Stage, TradePart
from orders.domain.ledger import Position
from orders.domain.lifecycle import OrderState
from orders.domain.submission import Step, Submission
from tests.orders.model.protocol import Ages, Protocol

S = OrderState


class NewSaltOnRepost(Protocol):
    def order_hash(self, key: str, attempt: int, nonce: int) -> str:
        return f"h-{key}-{nonce}" if attempt > 1 else f"h-{key}"


class RandomSaltAfterCrash(Protocol):
    """A sender that went silent is taken as not sent, and the order is made anew."""

    def order_hash(self, key: str, attempt: int, nonce: int) -> str:
        del attempt
        return f"h-{key}-{nonce}"

    def after_lease(self, order: Submission, *, now_ms: int) -> Submission | None:
        after = super().after_lease(order, now_ms=now_ms)
        return replace(after, state=S.RESERVED, order_hash="", unknown_attempts=0) if after else None


class UnknownFreesReservation(Protocol):
    def reserved(self, order: Submission) -> int:
        return 0 if order.state is S.UNKNOWN else order.reserved


class QuarantineFreesReservation(Protocol):
    def reserved(self, order: Submission) -> int:
        return 0 if order.state is S.QUARANTINED else order.reserved


class TimeoutIsRejected(Protocol):
    def judged(self, order: Submission, alone: AnswerKind) -> AnswerKind:
        return AnswerKind.REJECTED if alone is AnswerKind.UNKNOWN else super().judged(order, alone)


class RefusalOfRepostBelieved(Protocol):
    def judged(self, order: Submission, alone: AnswerKind) -> AnswerKind:
        del order
        return alone

    def after_answer(self, order: Submission, *, attempt: int, kind: AnswerKind, now_ms: int) -> Submission | None:
        if kind is AnswerKind.REJECTED and order.state is S.UNKNOWN:
            return replace(order, state=S.REJECTED)
        return super().after_answer(order, attempt=attempt, kind=kind, now_ms=now_ms)


class FillTwice(Protocol):
    def booked(self, before: TradePart | None, after: TradePart) -> int:
        return after.counted if after.stage is Stage.MATCHED else super().booked(before, after)


class FailedIgnored(Protocol):
    def after_message(self, known: TradePart | None, *, size: int, stage: Stage) -> TradePart:
        return super().after_message(known, size=size, stage=Stage.MINED if stage is Stage.FAILED else stage)


class VoidTwice(Protocol):
    def booked(self, before: TradePart | None, after: TradePart) -> int:
        return -after.size if before and after.stage is Stage.FAILED else super().booked(before, after)


class NoLimitCheck(Protocol):
    def may_reserve(self, *, exposure: int, size: int, limit: int) -> bool:
        del exposure, size, limit
        return True


class ReplacementBesideUnknown(Protocol):
    def blocks_replacement(self, order: Submission) -> bool:
        del order
        return False


class KillNotChecked(Protocol):
    def claim(self, order: Submission, *, now_ms: int, killed: bool) -> Submission | None:
        del killed
        return super().claim(order, now_ms=now_ms, killed=False)


class KillNotCheckedOnRepost(Protocol):
    def claim_again(self, order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Submission | None:
        del killed
        return super().claim_again(order, now_ms=now_ms, killed=False, wanted=wanted)

    def next_step(self, order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Step:
        del killed
        return super().next_step(order, now_ms=now_ms, killed=False, wanted=wanted)


class KillEndsAtFirstEmptyRead(Protocol):
    def kill_is_complete(self, *, empty_since_ms: int | None, empty_reads: int, now_ms: int, unresolved: int) -> bool:
        del empty_since_ms, now_ms, unresolved
        return empty_reads > 0


class SendBeforeStore(Protocol):
    persists_before_sending = False


class LateSenderSends(Protocol):
    """A process that was stopped for minutes sends when it wakes up."""

    def may_send(self, order: Submission, *, attempt: int, now_ms: int) -> bool:
        del order, attempt, now_ms
        return True


class NotFoundIsCanceled(Protocol):
    def after_cancel_answer(self, order: Submission, *, canceled: bool) -> Submission | None:
        if not canceled and order.state is S.UNKNOWN:
            return replace(order, state=S.CANCELED)
        return super().after_cancel_answer(order, canceled=canceled)


class CancelFreesAtOnce(Protocol):
    """The answer to a cancel is taken as the end, before fills under way are known."""

    def after_cancel_answer(self, order: Submission, *, canceled: bool) -> Submission | None:
        return replace(order, state=S.CANCELED) if canceled else None


class CancelBesideRepost(Protocol):
    """A cancel is sent while a second copy of the bytes is under way."""

    def next_step(self, order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Step:
        step = super().next_step(order, now_ms=now_ms, killed=killed, wanted=wanted)
        waits = step is Step.WAIT and order.state is S.UNKNOWN and order.reads
        return Step.CANCEL if waits and not wanted else step

    def may_cancel(self, order: Submission, *, now_ms: int) -> bool:
        del order, now_ms
        return True


class RepostAfterCancel(Protocol):
    def claim_again(self, order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Submission | None:
        found = super().claim_again(replace(order, cancel_requested=False), now_ms=now_ms, killed=killed, wanted=True)
        return replace(found, cancel_requested=order.cancel_requested) if found and not wanted else found

    def next_step(self, order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Step:
        step = super().next_step(order, now_ms=now_ms, killed=killed, wanted=wanted)
        return Step.REPOST if step is Step.CANCEL and order.cancel_requested and not killed else step


class ReleaseWithoutWaiting(Protocol):
    def next_step(self, order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Step:
        step = super().next_step(order, now_ms=now_ms, killed=killed, wanted=wanted)
        return Step.RELEASE if order.state is S.QUARANTINED else step

    def release(self, order: Submission, *, now_ms: int, explained: bool) -> Submission | None:
        del now_ms, explained
        if order.state is not S.QUARANTINED:
            return None
        return replace(order, state=S.CANCELED, empty_reads=submission.RELEASE_READS)


class EmptyReadReleases(Protocol):
    """One read without the order is taken as proof that it never arrived."""

    def next_step(self, order: Submission, *, now_ms: int, killed: bool, wanted: bool) -> Step:
        return Step.RELEASE if order.reads else super().next_step(order, now_ms=now_ms, killed=killed, wanted=wanted)

    def release(self, order: Submission, *, now_ms: int, explained: bool) -> Submission | None:
        del now_ms, explained
        return replace(order, state=S.CANCELED) if order.state in (S.UNKNOWN, S.QUARANTINED) else None


class DuplicateIsRejected(Protocol):
    """ "Duplicated" is read as a refusal, although it says that the order exists."""

    def judged(self, order: Submission, alone: AnswerKind) -> AnswerKind:
        return AnswerKind.REJECTED if alone is AnswerKind.EXISTING else super().judged(order, alone)

    def after_answer(self, order: Submission, *, attempt: int, kind: AnswerKind, now_ms: int) -> Submission | None:
        if kind is AnswerKind.REJECTED and order.state in (S.SENDING, S.UNKNOWN):
            return replace(order, state=S.REJECTED)
        return super().after_answer(order, attempt=attempt, kind=kind, now_ms=now_ms)


class KillIgnoresWhatMayArrive(Protocol):
    def kill_is_complete(self, *, empty_since_ms: int | None, empty_reads: int, now_ms: int, unresolved: int) -> bool:
        del unresolved
        return super().kill_is_complete(
            empty_since_ms=empty_since_ms, empty_reads=empty_reads, now_ms=now_ms, unresolved=0
        )


class ProvisionalFillsNotCounted(Protocol):
    def counts(self, parts: Collection[TradePart]) -> int:
        return sum(part.confirmed for part in parts)


class ProvisionalSalesMakeRoom(Protocol):
    """A sale that may still fail frees its place under the limit."""

    def sold(self, parts: Collection[TradePart]) -> int:
        return sum(part.counted for part in parts)


class UnsettledSharesAreSold(Protocol):
    """Bought shares are sold before their trade has settled."""

    def may_sell(self, held: Position, *, size: int) -> bool:
        return size <= held.size - held.reserved


class PromisedSharesAreSold(Protocol):
    def may_sell(self, held: Position, *, size: int) -> bool:
        return size <= held.confirmed


class AccountsForgetEachOther(Protocol):
    """Open orders are counted for no account, so a limit sees fills alone."""

    def same_account(self, one: int, other: int) -> bool:
        return False


class TwoTraders(Protocol):
    """A trader sends for an account whose lease another trader holds."""

    def owns(self, *, owns: bool) -> bool:
        del owns
        return True


class StaleInputsDoNotMatter(Protocol):
    def is_fresh(self, ages: Ages, *, sells: bool, rests: bool) -> bool:
        del ages, sells, rests
        return True


class TradesBeforeReconciling(Protocol):
    """An account trades right after start-up, before its records were compared with the venue's."""

    def is_fresh(self, ages: Ages, *, sells: bool, rests: bool) -> bool:
        return super().is_fresh(replace(ages, reconciled=0), sells=sells, rests=rests)


class RestingLimitsForAll(Protocol):
    """An order that takes at once is allowed the age of a book that only a resting one may have."""

    def is_fresh(self, ages: Ages, *, sells: bool, rests: bool) -> bool:
        del rests
        return super().is_fresh(ages, sells=sells, rests=True)


class LastMessageWins(Protocol):
    """A late copy of an early stage undoes what a later stage said."""

    def after_message(self, known: TradePart | None, *, size: int, stage: Stage) -> TradePart:
        return super().after_message(None, size=size, stage=stage)


class EndBeforeItsFills(Protocol):
    """The order is closed as told, whether or not all that was matched is booked."""

    def after_end(self, order: Submission, *, matched: int) -> Submission | None:
        return super().after_end(order, matched=min(matched, order.filled))


class FeesForgotten(Protocol):
    def fee(self, told: int) -> int:
        return 0


class LateFillDropped(Protocol):
    def takes_fill(self, order: Submission) -> bool:
        return order.state is not S.CANCELED


MUTANTS: tuple[type[Protocol], ...] = (
    NewSaltOnRepost, RandomSaltAfterCrash, UnknownFreesReservation, QuarantineFreesReservation, TimeoutIsRejected,
    RefusalOfRepostBelieved, FillTwice, FailedIgnored, VoidTwice, NoLimitCheck, ReplacementBesideUnknown,
    KillNotChecked, KillNotCheckedOnRepost, KillEndsAtFirstEmptyRead, SendBeforeStore, LateSenderSends,
    NotFoundIsCanceled, CancelFreesAtOnce, CancelBesideRepost, RepostAfterCancel, ReleaseWithoutWaiting,
    EmptyReadReleases, DuplicateIsRejected, KillIgnoresWhatMayArrive, ProvisionalFillsNotCounted, LateFillDropped,
    ProvisionalSalesMakeRoom, UnsettledSharesAreSold, PromisedSharesAreSold, AccountsForgetEachOther, TwoTraders,
    StaleInputsDoNotMatter, TradesBeforeReconciling, RestingLimitsForAll, LastMessageWins, EndBeforeItsFills,
    FeesForgotten,
)  # fmt: skip
