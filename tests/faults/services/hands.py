"""Workers that take turns: one thread goes on at a time, and fault points are where it may change.

A hand runs one job. At a point that holds no lock it may be laid aside while others work; at any point its
process may "die" (`Crash`): the open transaction rolls back and nothing after it happens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connection, connections

from orders.services.faults import Crash

# Points at which no transaction is open: here another hand may go on.
BETWEEN = frozenset(
    {
        "send.loaded", "send.prepared", "send.signed", "claim.committed", "post.first_byte", "post.answered",
        "answer.committed", "unknown.reading", "unknown.read", "unknown.booked", "unknown.claimed", "cancel.claimed",
        "cancel.sent", "kill.cancelled", "kill.read", "chain.prepared", "chain.committed", "chain.answered",
    }
)  # fmt: skip
LONGEST_S = 60.0

_mine = threading.local()


class Stuck(AssertionError):
    """A hand did not come back: two workers wait for each other, or a request never ended."""


class Hand:
    """One thread with a database connection of its own. Only the scheduler calls `begin` and `go_on`."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.job: Callable[[], object] | None = None
        self.seed = -1
        self.laid_aside_at = ""
        self.crashed_at = ""
        self.failed: BaseException | None = None
        self._over = False
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, name=f"hand {number}", daemon=True)
        self._thread.start()

    @property
    def is_free(self) -> bool:
        return self.job is None

    def begin(self, seed: int, job: Callable[[], object]) -> None:
        self.job, self.seed, self.crashed_at, self.failed = job, seed, "", None
        self.go_on()

    def go_on(self) -> None:
        """Let it work until it lays its job aside or is done with it."""
        self.laid_aside_at = ""
        self._go.release()
        if not self._back.acquire(timeout=LONGEST_S):
            raise Stuck(f"hand {self.number} of seed {self.seed} did not come back")

    def lay_aside(self, point: str) -> None:
        """Called by the hand itself: wait until the scheduler says go on."""
        self.laid_aside_at = point
        self._back.release()
        self._go.acquire()
        if self._over:
            raise Crash(point)

    def die(self, point: str) -> None:
        self.crashed_at = point
        raise Crash(point)

    def end(self) -> None:
        """Let the thread end; what was laid aside dies."""
        self._over = True
        while not self.is_free:
            self.go_on()
        self._go.release()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        _mine.hand = self
        while True:
            self._go.acquire()
            if self.job is None:
                break
            try:
                self.job()
            except Crash:
                connection.close()  # its session died with it
            except Exception as error:  # the scheduler decides what it means
                self.failed = error
            self.job = None
            self._back.release()
        connections.close_all()


def current() -> Hand | None:
    """Return the hand that this thread is, if it is one."""
    return getattr(_mine, "hand", None)
