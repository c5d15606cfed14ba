"""Submission, one step at a time; the whole protocol under faults is in tests/orders/model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from markets.domain.answers import AnswerKind
from orders.domain import submission
from orders.domain.lifecycle import OrderState as S
from orders.domain.submission import Step, Submission

NOW = 1_000_000


def signed(**changes: object) -> Submission:
    start = Submission(key="k", order_hash="0x1", state=S.SIGNED, size=10, rests=True, max_age_at_ms=NOW + 60_000)
    return replace(start, **changes)  # type: ignore[arg-type]


def sending(**changes: object) -> Submission:
    claimed = submission.claim(signed(), now_ms=NOW, killed=False)
    assert claimed is not None
    return replace(claimed, **changes)  # type: ignore[arg-type]


def unknown(**changes: object) -> Submission:
    lost = submission.after_answer(sending(), attempt=1, kind=AnswerKind.UNKNOWN, now_ms=NOW + 15_000)
    assert lost is not None
    return replace(lost, **changes)  # type: ignore[arg-type]


def test_a_new_order_has_tried_nothing_and_waits_for_nothing() -> None:
    new = signed()
    tried = (new.filled, new.attempt, new.unknown_attempts, new.reads, new.reposts, new.busy_answers, new.empty_reads)
    assert tried == (0,) * 7
    assert new.not_before_ms == 0 and not new.cancel_requested


def test_an_order_is_claimed_once() -> None:
    claimed = sending()
    assert (claimed.state, claimed.attempt, claimed.claimed_at_ms) == (S.SENDING, 1, NOW)
    assert submission.claim(claimed, now_ms=NOW, killed=False) is None


@pytest.mark.parametrize(
    ("change", "killed"),
    [
        ({}, True),
        ({"cancel_requested": True}, False),
        ({"max_age_at_ms": NOW}, False),
        ({"not_before_ms": NOW + 1}, False),
        ({"state": S.RESERVED}, False),
        ({"state": S.UNKNOWN}, False),
    ],
)
def test_an_order_that_must_not_leave_is_not_claimed(change: dict[str, object], killed: bool) -> None:
    assert submission.claim(signed(**change), now_ms=NOW, killed=killed) is None


def test_a_sender_that_woke_up_late_sends_nothing() -> None:
    claimed = sending()
    assert submission.may_send(claimed, attempt=1, now_ms=NOW + 14_999)
    assert not submission.may_send(claimed, attempt=1, now_ms=NOW + 15_000)
    assert not submission.may_send(claimed, attempt=2, now_ms=NOW)
    assert not submission.may_send(unknown(), attempt=1, now_ms=NOW)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (AnswerKind.LIVE, S.LIVE),
        (AnswerKind.MATCHED, S.MATCHED),
        (AnswerKind.DELAYED, S.DELAYED),
        (AnswerKind.EXISTING, S.LIVE),
        (AnswerKind.REJECTED, S.REJECTED),
        (AnswerKind.NOT_PROCESSED, S.SIGNED),
        (AnswerKind.NOT_SENT, S.SIGNED),
        (AnswerKind.UNKNOWN, S.UNKNOWN),
        (AnswerKind.BROKEN, S.UNKNOWN),
    ],
)
def test_each_answer_leads_to_its_state(kind: AnswerKind, state: S) -> None:
    after = submission.after_answer(sending(), attempt=1, kind=kind, now_ms=NOW + 100)
    assert after is not None and after.state is state
    assert after.reserved == (0 if state is S.REJECTED else 10)


def test_a_busy_venue_is_asked_again_later_and_later() -> None:
    order, pauses = signed(), []
    for _ in range(8):
        claimed = submission.claim(order, now_ms=order.not_before_ms, killed=False)
        assert claimed is not None
        after = submission.after_answer(
            claimed, attempt=claimed.attempt, kind=AnswerKind.NOT_PROCESSED, now_ms=order.not_before_ms
        )
        assert after is not None
        pauses.append(after.not_before_ms - order.not_before_ms)
        order = replace(after, max_age_at_ms=10**9)
    assert pauses == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]


def test_bad_news_about_a_later_copy_changes_nothing() -> None:
    again = submission.claim_again(unknown(), now_ms=NOW + 40_000, killed=False, wanted=True)
    assert again is not None and (again.state, again.attempt, again.reposts) == (S.UNKNOWN, 2, 1)
    for kind in (AnswerKind.REJECTED, AnswerKind.NOT_PROCESSED, AnswerKind.NOT_SENT, AnswerKind.UNKNOWN):
        after = submission.after_answer(again, attempt=2, kind=kind, now_ms=NOW + 41_000)
        assert after is not None and after.state is S.UNKNOWN and after.reserved == 10
    assert submission.after_answer(again, attempt=1, kind=AnswerKind.REJECTED, now_ms=NOW + 41_000) is None
    found = submission.after_answer(again, attempt=1, kind=AnswerKind.LIVE, now_ms=NOW + 41_000)
    assert found is not None and found.state is S.LIVE


def test_a_silent_sender_leaves_an_unknown_order_never_a_new_one() -> None:
    assert submission.after_lease(sending(), now_ms=NOW + 19_999) is None
    after = submission.after_lease(sending(), now_ms=NOW + 20_000)
    assert after is not None and (after.state, after.reserved, after.unknown_attempts) == (S.UNKNOWN, 10, 1)


@pytest.mark.parametrize(
    ("change", "killed", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"rests": False}, False, True),
        ({"cancel_requested": True}, False, True),
        ({"reposts": 3}, False, True),
        ({"claimed_at_ms": NOW + 39_000}, False, True),
    ],
)
def test_an_unknown_order_is_not_sent_again_when(change: dict[str, object], killed: bool, wanted: bool) -> None:
    assert submission.claim_again(unknown(**change), now_ms=NOW + 40_000, killed=killed, wanted=wanted) is None


def test_an_unknown_order_is_read_before_anything_else() -> None:
    order = unknown()
    when = [order.next_read_ms - order.unknown_since_ms]  # type: ignore[operator]
    for _ in range(6):
        assert order.next_read_ms is not None
        assert submission.next_step(order, now_ms=order.next_read_ms, killed=False, wanted=True) is Step.READ
        order = submission.after_empty_read(order, started_ms=order.next_read_ms)
        when.append(order.next_read_ms - unknown().unknown_since_ms)  # type: ignore[operator]
    assert when == [2_000, 5_000, 10_000, 20_000, 40_000, 70_000, 100_000]


def test_what_follows_an_empty_read() -> None:
    read = submission.after_empty_read(unknown(), started_ms=NOW + 17_000)

    def step(order: Submission, now_ms: int = NOW + 18_000, *, killed: bool = False, wanted: bool = True) -> Step:
        return submission.next_step(order, now_ms=now_ms, killed=killed, wanted=wanted)

    assert step(read) is Step.REPOST
    late = NOW + 20_000  # before, the sender's own lease still runs
    read = replace(read, next_read_ms=late + 1)
    assert step(read, late, killed=True) is Step.CANCEL
    assert step(read, late, wanted=False) is Step.CANCEL
    assert step(read, late - 1, wanted=False) is Step.WAIT
    assert step(replace(read, rests=False), late) is Step.CANCEL
    assert step(replace(read, reposts=3)) is Step.WAIT
    assert step(unknown(), NOW + 16_000) is Step.WAIT
    assert step(replace(read, next_read_ms=10**9), NOW + 15_000 + 120_000) is Step.QUARANTINE
    assert step(sending()) is Step.WAIT


def test_a_cancel_waits_for_a_second_copy_under_way() -> None:
    assert submission.may_cancel(signed(state=S.LIVE, last_claim_ms=NOW), now_ms=NOW)
    twice = signed(state=S.LIVE, last_claim_ms=NOW, unknown_attempts=1)
    assert not submission.may_cancel(twice, now_ms=NOW + 19_999)
    assert submission.may_cancel(twice, now_ms=NOW + 20_000)


def test_an_order_is_over_when_all_that_was_matched_is_booked() -> None:
    live = signed(state=S.LIVE, filled=3)
    assert submission.after_end(live, state=S.CANCELED, matched=4) is None
    over = submission.after_end(live, state=S.CANCELED, matched=3)
    assert over is not None and (over.state, over.reserved) == (S.CANCELED, 0)


def test_a_release_needs_time_reads_and_explained_balances() -> None:
    held = submission.quarantine(unknown(next_read_ms=10**9), now_ms=NOW + 135_000)
    assert held is not None and held.reserved == 10
    assert submission.quarantine(unknown(), now_ms=NOW + 134_999) is None
    early = held
    for number in range(10):
        early = submission.after_empty_read(early, started_ms=NOW + 200_000 + number)
    assert early.empty_reads == 0
    assert submission.release(early, now_ms=NOW + 10**6, balances_explained=True) is None
    late = held
    for number in range(3):
        assert submission.release(late, now_ms=NOW + 10**6, balances_explained=True) is None
        late = submission.after_empty_read(late, started_ms=NOW + 600_000 + number)
    assert submission.release(late, now_ms=NOW + 10**6, balances_explained=False) is None
    freed = submission.release(late, now_ms=NOW + 10**6, balances_explained=True)
    assert freed is not None and (freed.state, freed.reserved) == (S.CANCELED, 0)
    found = submission.after_evidence(late, state=S.LIVE)
    assert found is not None and found.state is S.LIVE


def test_a_release_is_a_step_of_its_own_and_waits_for_the_clock() -> None:
    held = replace(unknown(), state=S.QUARANTINED, next_read_ms=None, empty_reads=submission.RELEASE_READS - 1)
    ready = replace(held, empty_reads=submission.RELEASE_READS)
    for order, wanted in ((held, Step.WAIT), (ready, Step.RELEASE)):
        assert submission.next_step(order, now_ms=NOW + 10**6, killed=False, wanted=True) is wanted
    free_ms = NOW + submission.RELEASE_AFTER_MS  # counted from the last byte that left
    assert submission.release(ready, now_ms=free_ms - 1, balances_explained=True) is None
    assert submission.release(ready, now_ms=free_ms, balances_explained=True) is not None
    assert submission.release(replace(ready, last_claim_ms=None), now_ms=10**9, balances_explained=True) is None


def test_evidence_of_what_is_known_or_over_changes_nothing() -> None:
    assert submission.after_evidence(signed(state=S.LIVE), state=S.LIVE) is None
    assert submission.after_evidence(signed(state=S.CANCELED), state=S.LIVE) is None


def test_no_order_may_replace_one_whose_fate_is_open() -> None:
    assert {state for state in S if signed(state=state).is_unresolved} == {S.SENDING, S.UNKNOWN, S.QUARANTINED}


def test_only_what_never_left_is_abandoned() -> None:
    for change, killed in (({}, True), ({"cancel_requested": True}, False), ({"max_age_at_ms": NOW}, False)):
        after = submission.abandon(signed(**change), now_ms=NOW, killed=killed)
        assert after is not None and after.reserved == 0
    assert submission.abandon(signed(), now_ms=NOW, killed=False) is None
    assert submission.abandon(sending(), now_ms=NOW, killed=True) is None
    assert submission.abandon(unknown(), now_ms=NOW, killed=True) is None


def test_cancel_all_goes_on_until_nothing_can_arrive() -> None:
    def complete(reads: int, since: int | None, unresolved: int = 0) -> bool:
        return submission.kill_is_complete(empty_since_ms=since, empty_reads=reads, now_ms=NOW, unresolved=unresolved)

    assert complete(3, NOW - 30_000)
    assert complete(2, NOW - 30_000) is False
    assert complete(3, NOW - 29_999) is False
    assert complete(3, None) is False
    assert complete(9, NOW - 90_000, unresolved=1) is False


def test_bytes_that_leave_again_make_every_reading_before_them_worthless() -> None:
    again = submission.claim_again(unknown(reads=1, empty_reads=2), now_ms=NOW + 40_000, killed=False, wanted=True)
    assert again is not None
    assert (again.empty_reads, again.reposts, again.last_claim_ms) == (0, 1, NOW + 40_000)
