"""The trader's sender threads: ticks hand their orders over and go on; nobody waits for the venue but a sender.

Three kinds of threads: bookers claim orders and store answers (database only), posters hold requests (venue
only), one canceller asks for ends (both). Orders that wait together are claimed together. What waits is
bounded; beyond that rows stay in Postgres for the sweep. Without `start` everything runs where it is called.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic

from django.db import connection
from django.utils import timezone

from markets.venues.trading import OrderGateway
from orders.services import keyholder
from orders.services.faults import faultpoint
from orders.services.submission import stages
from orders.services.submission.cancels import cancel_now
from orders.services.submission.claim import Claimed
from orders.services.submission.posting import Posted
from orders.services.submission.stages import Clock
from orders.services.submission_rows import milliseconds

log = logging.getLogger(__name__)

BOOKERS, POSTERS = 3, 16
MOST_WAITING = 1_000  # orders; more are left to the sweep
MOST_TOGETHER = 30  # orders claimed, or answers stored, in one commit
DRAIN_S = 3.0  # a process that is told to stop gets little more; what is cut off is an unknown outcome
IDLE_S = 60.0  # after this long without work a thread gives its database connection back

Job = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much there is to do. `refused` counts orders left to the sweep because too many waited."""

    waiting: int
    posting: int
    answers: int
    refused: int


class Senders:
    """A bounded pool. All state is guarded by one condition; database and venue are touched outside it."""

    def __init__(
        self, *, bookers: int = BOOKERS, posters: int = POSTERS, most_waiting: int = MOST_WAITING,
        clock: Clock = timezone.now,
    ) -> None:  # fmt: skip
        self._clock, self._most_waiting = clock, most_waiting
        self._lock = threading.Lock()
        # One condition per kind of thread, so that news wakes one thread that can do something about it.
        self._bookable, self._postable, self._cancellable, self._drained = (
            threading.Condition(self._lock) for _ in range(4)
        )
        self._orders: dict[int, deque[int]] = {}
        self._queued: set[int] = set()
        self._answers: dict[int, list[Posted]] = {}
        self._cancels: dict[int, set[int]] = {}
        self._claiming: set[int] = set()
        self._keeping: set[int] = set()
        self._posts: deque[tuple[OrderGateway, list[Claimed]]] = deque()
        self._later: list[tuple[float, int, int]] = []  # (monotonic, account, order)
        self._posting = 0
        self._refused = 0
        self._stopping = self._ended = False
        roles = [("booker", self._book, self._bookable, n) for n in range(bookers)]
        roles += [("poster", self._post, self._postable, n) for n in range(posters)]
        roles += [("canceller", self._cancel, self._cancellable, 0)]
        self._threads = [
            threading.Thread(target=self._run, args=(find, ready), name=f"{name}-{n}", daemon=True)
            for name, find, ready, n in roles
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def load(self) -> Load:
        with self._lock:
            return self._load()

    def submit(self, account_id: int, order_ids: Iterable[int]) -> int:
        """Take orders over; return how many. Those that wait already are not taken twice."""
        taken = 0
        with self._lock:
            for order_id in order_ids:
                if self._stopping or order_id in self._queued:
                    continue
                if len(self._queued) >= self._most_waiting:
                    self._refused += 1
                    continue
                self._queued.add(order_id)
                self._orders.setdefault(account_id, deque()).append(order_id)
                taken += 1
            self._bookable.notify()
        return taken

    def post(self, gateway: OrderGateway, claimed: Sequence[Claimed]) -> None:
        """Send what is claimed already."""
        with self._lock:
            self._posts.extend((gateway, [item]) for item in claimed)
            self._postable.notify(len(claimed))

    def cancel(self, account_id: int, order_ids: Iterable[int]) -> None:
        with self._lock:
            if not self._stopping:
                self._cancels.setdefault(account_id, set()).update(order_ids)
                self._cancellable.notify()

    def stop(self, drain_s: float) -> Load:
        """Claim nothing more, send what is claimed, store its answers, and end; return what is left after `drain_s`."""
        faultpoint("drain.begun")
        deadline = monotonic() + drain_s
        with self._lock:
            self._stopping = True
            self._orders.clear()
            self._later.clear()
            self._cancels.clear()
            self._queued.clear()
            while self._busy() and (left := deadline - monotonic()) > 0:
                self._drained.wait(left)
            self._ended = True
            for ready in (self._bookable, self._postable, self._cancellable):
                ready.notify_all()
            left_over = self._load()
        for thread in self._threads:
            thread.join(timeout=max(0.1, min(2.0, deadline - monotonic())))
        return left_over

    # --- what a thread does next: each returns a job or None, called with the lock held ------------------------------

    def _book(self) -> Job | None:
        self._wake_later()
        # Claims first: an order that waits grows old, an answer does not.
        for account_id in [a for a in self._orders if a not in self._claiming]:
            waiting = self._orders[account_id]
            ids = [waiting.popleft() for _ in range(min(len(waiting), MOST_TOGETHER))]
            if not waiting:
                del self._orders[account_id]
            self._claiming.add(account_id)
            return lambda account=account_id, ids=ids: self._claim(account, ids)
        for account_id in [a for a in self._answers if a not in self._keeping]:
            posted = self._answers.pop(account_id)
            if rest := posted[MOST_TOGETHER:]:
                self._answers[account_id] = rest
            self._keeping.add(account_id)
            return lambda account=account_id, part=posted[:MOST_TOGETHER]: self._keep(account, part)
        return None

    def _post(self) -> Job | None:
        if not self._posts:
            return None
        gateway, part = self._posts.popleft()
        self._posting += 1
        return lambda: self._send(gateway, part)

    def _cancel(self) -> Job | None:
        if not self._cancels:
            return None
        account_id, ids = next(iter(self._cancels.items()))
        del self._cancels[account_id]
        return lambda: self._end(account_id, sorted(ids))

    # --- the jobs -----------------------------------------------------------------------------------------------------

    def _claim(self, account_id: int, order_ids: list[int]) -> None:
        try:
            claims = stages.claims_make(account_id, order_ids, self._clock)
            parts = stages.parts_of(account_id, claims.claimed)
            gateway = keyholder.gateway(account_id) if parts else None
        except BaseException:
            self._claimed(account_id, order_ids)
            raise
        self._claimed(account_id, order_ids)
        with self._lock:
            self._posts.extend((gateway, part) for part in parts if gateway is not None)
            for order_id, at_ms in claims.later.items():
                self._plan(account_id, order_id, at_ms)
            self._postable.notify(len(parts))
            self._drained.notify_all()

    def _claimed(self, account_id: int, order_ids: list[int]) -> None:
        with self._lock:
            self._claiming.discard(account_id)
            self._queued.difference_update(order_ids)
            self._bookable.notify()
            self._drained.notify_all()

    def _send(self, gateway: OrderGateway, part: list[Claimed]) -> None:
        posted: list[Posted] = []
        try:
            posted = stages.part_post(gateway, part, self._clock)
        finally:
            with self._lock:
                self._posting -= 1
                if posted:
                    self._answers.setdefault(part[0].account_id, []).extend(posted)
                    self._bookable.notify()
                self._drained.notify_all()

    def _keep(self, account_id: int, posted: list[Posted]) -> None:
        try:
            stored = stages.answers_keep(account_id, posted, self._clock)
        finally:
            with self._lock:
                self._keeping.discard(account_id)
                self._bookable.notify()
                self._drained.notify_all()
        with self._lock:
            for order_id, at_ms in stored.retry.items():
                self._plan(account_id, order_id, at_ms)
            if stored.cancels:
                self._cancels.setdefault(account_id, set()).update(stored.cancels)
                self._cancellable.notify()
        if stored.refresh:
            stored.cancels = []
            stages.after_answers(account_id, stored, self._clock)

    def _end(self, account_id: int, order_ids: list[int]) -> None:
        cancel_now(account_id, order_ids, now=self._clock())

    # --- inside -------------------------------------------------------------------------------------------------------

    def _run(self, find: Callable[[], Job | None], ready: threading.Condition) -> None:
        while True:
            with self._lock:
                job = find()
                while job is None and not self._ended:
                    nap = self._nap() if ready is self._bookable else IDLE_S
                    told = ready.wait(nap)
                    job = find()
                    if job is None and not told and nap >= IDLE_S:
                        break
                if job is None and self._ended:
                    break
            if job is None:
                connection.close()  # idle for long: nothing is kept open for nobody
                continue
            try:
                job()
            except keyholder.NotInThisProcess:
                log.warning("a sender without keys: another process sends")
            except Exception:  # the edge: rows say where everything stands, and the sweep goes on from there
                log.exception("a sender's job failed")
                connection.close()
        connection.close()

    def _nap(self) -> float:
        return max(0.001, min(IDLE_S, self._later[0][0] - monotonic())) if self._later else IDLE_S

    def _plan(self, account_id: int, order_id: int, at_ms: int) -> None:
        wait_s = max(0.0, (at_ms - milliseconds(self._clock())) / 1000)
        if not self._stopping:
            heapq.heappush(self._later, (monotonic() + wait_s, account_id, order_id))

    def _wake_later(self) -> None:
        now = monotonic()
        while self._later and self._later[0][0] <= now:
            _, account_id, order_id = heapq.heappop(self._later)
            if order_id not in self._queued:
                self._queued.add(order_id)
                self._orders.setdefault(account_id, deque()).append(order_id)

    def _busy(self) -> bool:
        return bool(self._posts or self._posting or self._answers or self._claiming or self._keeping)

    def _load(self) -> Load:
        answers = sum(len(part) for part in self._answers.values())
        return Load(
            waiting=len(self._queued), posting=self._posting + len(self._posts), answers=answers, refused=self._refused
        )


class _Pool:
    running: Senders | None = None


def start(**options: int) -> Senders:
    """Start the pool of this process; called once by the trader."""
    if _Pool.running is None:
        _Pool.running = Senders(**options)  # type: ignore[arg-type]
        _Pool.running.start()
    return _Pool.running


def stop(drain_s: float = DRAIN_S) -> None:
    pool, _Pool.running = _Pool.running, None
    if pool is not None:
        left = pool.stop(drain_s)
        if left.posting or left.answers:
            log.warning("senders ended with work left", extra={"posting": left.posting, "answers": left.answers})


def load() -> Load | None:
    """Return the pool's load, None where no pool runs."""
    return None if _Pool.running is None else _Pool.running.load()


def orders_send(account_id: int, order_ids: Sequence[int], clock: Clock) -> list[int]:
    """Send approved orders of one live account; return those that left or that a sender took over.

    In a process without keys nothing happens: the rows wait for the trader.
    """
    if not keyholder.can_sign():
        return []
    if _Pool.running is not None:
        return list(order_ids) if _Pool.running.submit(account_id, order_ids) else []
    return stages.send_now(account_id, order_ids, clock)


def claimed_send(account_id: int, claimed: Sequence[Claimed], clock: Clock) -> None:
    """Send what is claimed already: another attempt of the same bytes."""
    if claimed and _Pool.running is not None:
        _Pool.running.post(keyholder.gateway(account_id), claimed)
    else:
        stages.post_now(account_id, claimed, clock)


def cancels_send(account_id: int, order_ids: Sequence[int], clock: Clock, *, reason: str = "") -> None:
    """Send wanted cancels. In a process without keys the rows wait for the trader."""
    if not order_ids or not keyholder.can_sign():
        return
    if _Pool.running is not None and not reason:
        _Pool.running.cancel(account_id, order_ids)
    else:
        cancel_now(account_id, order_ids, now=clock(), reason=reason)
