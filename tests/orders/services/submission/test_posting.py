"""The only place from which an order request leaves: what is never sent, and what silence means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from markets.domain.answers import AnswerKind
from markets.venues.trading import Sent
from orders.domain.lifecycle import OrderState
from orders.domain.submission import SEND_WITHIN_MS, Submission
from orders.services.submission.claim import Claimed
from orders.services.submission.posting import Posted, post, post_together
from tests.orders.services.submission.conftest import answer

K = AnswerKind
CLAIMED_MS = 1_000_000


def claimed(order_id: int, *, at_ms: int = CLAIMED_MS, unknown: int = 0) -> Claimed:
    claim = Submission(
        key=str(order_id), order_hash=f"0x{order_id}", state=OrderState.SENDING, size=1, rests=True,
        max_age_at_ms=9_000_000, attempt=1, claimed_at_ms=at_ms, unknown_attempts=unknown,
    )  # fmt: skip
    return Claimed(
        order_id=order_id, account_id=1, order_hash=f"0x{order_id}", body=f"{order_id}".encode(), token_id="7",
        is_sell=False, claim=claim,
    )  # fmt: skip


class Gateway:
    """Answers every request with LIVE, or as told; remembers what it was asked."""

    def __init__(self, said: Any = None) -> None:
        self.said = said
        self.asked: list[dict[str, Any]] = []

    def send(self, body: bytes, **asked: Any) -> Sent:
        self.asked.append({"body": body, **asked})
        if isinstance(self.said, Exception):
            raise self.said
        return Sent(answer=answer(K.LIVE), first_byte_ms=1, answered_ms=2)

    def send_batch(self, bodies: Sequence[bytes], **asked: Any) -> list[Sent]:
        self.asked.append({"bodies": list(bodies), **asked})
        if isinstance(self.said, Exception):
            raise self.said
        live = Sent(answer=answer(K.LIVE), first_byte_ms=1, answered_ms=2)
        return [live] * len(bodies) if self.said is None else self.said


def told(posted: Sequence[Posted]) -> list[tuple[int, AnswerKind, str]]:
    return [(p.claimed.order_id, p.sent.answer.kind, p.sent.answer.code) for p in posted]


LATE = (K.NOT_SENT, "claim_too_old")
BROKE = (K.UNKNOWN, "gateway_failed")


def test_an_old_claim_is_not_sent_and_certainly_so() -> None:
    gateway = Gateway()
    last = CLAIMED_MS + SEND_WITHIN_MS
    assert told([post(gateway, claimed(1), now_ms=last - 1)]) == [(1, K.LIVE, "live")]  # type: ignore[arg-type]
    late = post(gateway, claimed(1), now_ms=last)  # type: ignore[arg-type]
    assert told([late]) == [(1, *LATE)]
    assert late.sent.first_byte_ms is None
    assert len(gateway.asked) == 1
    assert gateway.asked[0]["deadline_ms"] == last


def test_a_gateway_that_breaks_leaves_an_unknown_outcome() -> None:
    posted = post(Gateway(RuntimeError("broke")), claimed(1), now_ms=CLAIMED_MS)  # type: ignore[arg-type]
    assert told([posted]) == [(1, *BROKE)]


def test_one_order_together_is_an_order_alone() -> None:
    gateway = Gateway()
    assert told(post_together(gateway, [claimed(1)], now_ms=CLAIMED_MS)) == [(1, K.LIVE, "live")]  # type: ignore[arg-type]
    assert gateway.asked[0]["body"] == b"1"


def test_of_several_the_late_ones_stay_and_the_others_leave_in_one_request_with_the_first_deadline() -> None:
    gateway = Gateway()
    claims = [claimed(1, at_ms=CLAIMED_MS - SEND_WITHIN_MS), claimed(2, at_ms=CLAIMED_MS + 5, unknown=1), claimed(3)]
    posted = post_together(gateway, claims, now_ms=CLAIMED_MS)  # type: ignore[arg-type]
    assert told(posted) == [(1, *LATE), (2, K.LIVE, "live"), (3, K.LIVE, "live")]
    assert gateway.asked == [
        {"bodies": [b"2", b"3"], "order_ids": ["0x2", "0x3"], "unknown_attempts": [1, 0],
         "deadline_ms": CLAIMED_MS + SEND_WITHIN_MS},
    ]  # fmt: skip


def test_when_all_of_them_are_late_nothing_leaves() -> None:
    gateway = Gateway()
    posted = post_together(gateway, [claimed(1), claimed(2)], now_ms=CLAIMED_MS + SEND_WITHIN_MS)  # type: ignore[arg-type]
    assert told(posted) == [(1, *LATE), (2, *LATE)]
    assert gateway.asked == []


@pytest.mark.parametrize(
    "said", [RuntimeError("broke"), [], [Sent(answer=answer(K.LIVE), first_byte_ms=1, answered_ms=2)]],
    ids=["breaks", "answers nothing", "answers one of two"],
)  # fmt: skip
def test_a_batch_without_one_answer_for_each_is_unknown_for_all(said: Any) -> None:
    posted = post_together(Gateway(said), [claimed(1), claimed(2)], now_ms=CLAIMED_MS)  # type: ignore[arg-type]
    assert told(posted) == [(1, *BROKE), (2, *BROKE)]
