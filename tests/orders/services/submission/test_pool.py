"""The pool alone, without venue and database: who takes what, together with what, and what a failing job leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from orders.domain.lifecycle import OrderState
from orders.domain.submission import Submission
from orders.services import keyholder
from orders.services.submission import senders, stages
from orders.services.submission.answers import Stored
from orders.services.submission.claim import Claimed, Claims
from tests.factories.orders import AT

EMPTY = senders.Load(waiting=0, posting=0, answers=0, refused=0)


def claimed(order_id: int, account_id: int = 1) -> Claimed:
    claim = Submission(
        key=str(order_id), order_hash=f"0x{order_id}", state=OrderState.SENDING, size=1, rests=True, max_age_at_ms=0
    )
    return Claimed(
        order_id=order_id, account_id=account_id, order_hash=f"0x{order_id}", body=b"{}", token_id="7", is_sell=False,
        claim=claim,
    )  # fmt: skip


class Stages:
    """What the jobs would do, written down; answered as a test says."""

    def __init__(self) -> None:
        self.claims: list[list[int]] = []
        self.posts: list[list[int]] = []
        self.kept: list[list[int]] = []
        self.ended: list[tuple[int, list[int]]] = []
        self.after: list[set[str]] = []
        self.stored = Stored()
        self.later: dict[int, int] = {}
        self.fail: dict[str, BaseException] = {}
        self.hold = threading.Event()
        self.hold.set()

    def _maybe(self, name: str) -> None:
        if error := self.fail.pop(name, None):
            raise error

    def claims_make(self, account_id: int, order_ids: Sequence[int], clock: Any) -> Claims:
        self.claims.append(list(order_ids))
        self._maybe("claim")
        later, self.later = self.later, {}
        going = [claimed(i, account_id) for i in order_ids if i not in later]
        return Claims(claimed=going, later=later)

    def part_post(self, gateway: Any, part: Sequence[Claimed], clock: Any) -> list[Any]:
        self.posts.append([item.order_id for item in part])
        self.hold.wait(10)
        self._maybe("post")
        return list(part)

    def answers_keep(self, account_id: int, posted: Sequence[Any], clock: Any) -> Stored:
        self.kept.append([item.order_id for item in posted])
        self._maybe("keep")
        stored, self.stored = self.stored, Stored()
        return stored

    def after_answers(self, account_id: int, stored: Stored, clock: Any) -> None:
        self.after.append(set(stored.refresh))
        assert stored.cancels == [], "the canceller has them already"

    def cancel_now(self, account_id: int, order_ids: Sequence[int], *, now: Any) -> None:
        self.ended.append((account_id, list(order_ids)))
        self._maybe("cancel")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Stages:
    fake = Stages()
    for name in ("claims_make", "part_post", "answers_keep", "after_answers"):
        monkeypatch.setattr(stages, name, getattr(fake, name))
    monkeypatch.setattr(stages, "parts_of", lambda _, items: [[item] for item in items])
    monkeypatch.setattr(senders, "cancel_now", fake.cancel_now)
    monkeypatch.setattr(keyholder, "gateway", lambda account_id: f"gateway {account_id}")
    return fake


@pytest.fixture
def pool(made: Stages) -> Iterator[senders.Senders]:
    running = senders.Senders(bookers=2, posters=4, clock=lambda: AT)
    running.start()
    yield running
    made.hold.set()
    running.stop(5)


def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> bool:
    until = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


def idle(pool: senders.Senders) -> bool:
    return eventually(lambda: pool.load() == EMPTY)


def test_orders_that_wait_are_claimed_together_and_no_more_than_one_commit_takes() -> None:
    waiting = senders.Senders()  # not started: what its threads would take is asked for by hand
    assert waiting.submit(1, range(70)) == 70
    sizes = []
    for _ in range(3):
        assert waiting._book() is not None
        waiting._claiming.clear()
        sizes.append(70 - sum(map(len, waiting._orders.values())) - sum(sizes))
    assert sizes == [30, 30, 10]
    assert waiting._book() is None


def test_orders_of_an_account_that_is_being_claimed_wait_for_each_other_and_others_do_not(
    pool: senders.Senders, made: Stages
) -> None:
    waiting = senders.Senders()
    waiting.submit(1, [1])
    assert waiting._book() is not None
    waiting.submit(1, [2])
    assert waiting._book() is None, "one claim of an account at a time"
    waiting.submit(2, [3])
    assert waiting._book() is not None


def test_answers_are_stored_together_and_no_more_than_one_commit_takes(pool: senders.Senders, made: Stages) -> None:
    made.hold.clear()
    pool.post("gateway", [claimed(n) for n in range(4)])  # type: ignore[arg-type]
    assert eventually(lambda: pool.load().posting == 4 and len(made.posts) == 4)
    with pool._lock:
        pool._answers[1] = [claimed(n) for n in range(100, 170)]  # type: ignore[misc]
        pool._bookable.notify()
    assert eventually(lambda: sum(map(len, made.kept)) == 70)
    assert [len(part) for part in made.kept] == [30, 30, 10]
    made.hold.set()
    assert idle(pool)
    assert sorted(n for part in made.kept for n in part if n < 100) == [0, 1, 2, 3]


def test_cancels_of_one_account_leave_together(made: Stages) -> None:
    waiting = senders.Senders(clock=lambda: AT)
    waiting.cancel(1, [3, 1])
    waiting.cancel(1, [2, 3])
    waiting.cancel(2, [9])
    for _ in range(2):
        job = waiting._cancel()
        assert job is not None
        job()
    assert made.ended == [(1, [1, 2, 3]), (2, [9])]
    assert waiting._cancel() is None


def test_a_cancel_that_was_asked_for_runs_by_itself(pool: senders.Senders, made: Stages) -> None:
    pool.cancel(4, [8])
    assert eventually(lambda: made.ended == [(4, [8])])


def test_a_claim_that_fails_leaves_its_orders_free_to_be_submitted_again(pool: senders.Senders, made: Stages) -> None:
    made.fail["claim"] = RuntimeError("the database went away")
    assert pool.submit(1, [5]) == 1
    assert eventually(lambda: made.claims == [[5]]) and idle(pool)
    assert (made.posts, pool.submit(1, [5])) == ([], 1)
    assert eventually(lambda: made.kept == [[5]])


def test_a_process_that_lost_its_keys_goes_on_without_them(
    pool: senders.Senders, made: Stages, caplog: pytest.LogCaptureFixture
) -> None:
    made.fail["claim"] = keyholder.NotInThisProcess("no key here")
    pool.submit(1, [5])
    assert eventually(lambda: "a sender without keys: another process sends" in caplog.text)
    assert idle(pool) and made.posts == []


@pytest.mark.parametrize("step", ["post", "keep", "cancel"])
def test_a_job_that_fails_stops_no_other_and_holds_no_account_up(
    pool: senders.Senders, made: Stages, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    made.fail[step] = RuntimeError("broke")
    if step == "cancel":
        pool.cancel(1, [5])
    else:
        pool.submit(1, [5])
    assert eventually(lambda: "a sender's job failed" in caplog.text)
    assert idle(pool)
    pool.submit(1, [6])
    pool.cancel(1, [7])
    assert eventually(lambda: [6] in made.kept and (1, [7]) in made.ended)


def test_an_order_that_may_go_later_is_claimed_again_then_and_only_once(pool: senders.Senders, made: Stages) -> None:
    made.later = {5: int(AT.timestamp() * 1000) + 60}
    pool.submit(1, [5])
    assert eventually(lambda: made.claims == [[5]])
    assert made.posts == []
    assert eventually(lambda: made.kept == [[5]])
    assert made.claims == [[5], [5]]


def test_an_order_that_waits_anyway_is_not_queued_a_second_time_when_its_moment_comes() -> None:
    waiting = senders.Senders(clock=lambda: AT)
    waiting._plan(1, 5, int(AT.timestamp() * 1000))
    waiting.submit(1, [5])
    assert waiting._book() is not None
    assert (waiting._book(), waiting.load().waiting, waiting._later) == (None, 1, [])


def test_what_the_answers_ask_for_is_done(pool: senders.Senders, made: Stages) -> None:
    made.stored = Stored(retry={5: int(AT.timestamp() * 1000)}, refresh={"", "7"}, cancels=[6, 8])
    pool.submit(1, [5])
    assert eventually(lambda: made.after == [{"", "7"}] and made.ended == [(1, [6, 8])])
    assert eventually(lambda: made.kept == [[5], [5]]), "what the venue did not take goes again"


def test_a_pool_that_stops_takes_nothing_more_and_tells_what_is_left(made: Stages) -> None:
    pool = senders.Senders(bookers=1, posters=1, clock=lambda: AT)
    pool.start()
    made.hold.clear()
    pool.submit(1, [1])
    assert eventually(lambda: made.posts == [[1]])
    left = pool.stop(0.05)
    assert left == senders.Load(waiting=0, posting=1, answers=0, refused=0)
    pool.cancel(1, [1])
    pool._plan(1, 1, 0)
    assert (pool.submit(1, [2]), pool._cancels, pool._later) == (0, {}, [])
    made.hold.set()


def test_a_thread_that_idles_for_long_gives_its_connection_back(made: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    class Connection:
        def close(self) -> None:
            closed.append(threading.current_thread().name)

    monkeypatch.setattr(senders, "connection", Connection())
    monkeypatch.setattr(senders, "IDLE_S", 0.01)
    pool = senders.Senders(bookers=1, posters=1, clock=lambda: AT)
    pool.start()
    assert eventually(lambda: {"booker-0", "poster-0", "canceller-0"} <= set(closed))
    pool.submit(1, [5])
    assert eventually(lambda: made.kept == [[5]]), "and works on when there is something to do"
    pool.stop(5)


# The pool of this process -----------------------------------------------------------------


@pytest.fixture
def running(made: Stages, monkeypatch: pytest.MonkeyPatch) -> Iterator[senders.Senders]:
    monkeypatch.setattr(keyholder, "can_sign", lambda: True)
    assert senders.load() is None
    yield senders.start(bookers=1, posters=1)
    made.hold.set()
    senders.stop(5)


def test_a_process_has_one_pool(running: senders.Senders, made: Stages) -> None:
    assert senders.start() is running
    assert senders.load() == EMPTY


def test_orders_cancels_and_repeated_requests_go_to_the_pool(running: senders.Senders, made: Stages) -> None:
    clock = lambda: AT  # noqa: E731
    made.hold.clear()
    assert senders.orders_send(1, [1, 2], clock) == [1, 2]
    assert eventually(lambda: made.posts == [[1]])
    senders.claimed_send(1, [claimed(3)], clock)
    senders.cancels_send(1, [4], clock)
    made.hold.set()
    assert eventually(lambda: {n for part in made.kept for n in part} == {1, 2, 3} and made.ended == [(1, [4])])


def test_a_pool_that_is_full_leaves_the_order_to_the_sweep(running: senders.Senders) -> None:
    running._most_waiting = 0
    assert senders.orders_send(1, [1], lambda: AT) == []


def test_a_process_that_ends_with_requests_under_way_says_so(
    running: senders.Senders, made: Stages, caplog: pytest.LogCaptureFixture
) -> None:
    made.hold.clear()
    senders.orders_send(1, [1], lambda: AT)
    assert eventually(lambda: made.posts == [[1]])
    senders.stop(0.05)
    assert "senders ended with work left" in caplog.text
    assert senders.load() is None
    senders.stop(0.05)  # once is enough
    made.hold.set()


def test_without_keys_nothing_is_sent_and_nothing_is_cancelled(made: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyholder, "can_sign", lambda: False)
    assert senders.orders_send(1, [1], lambda: AT) == []
    senders.cancels_send(1, [1], lambda: AT)
    assert (made.claims, made.ended) == ([], [])
