"""One socket of one account's user channel, in a thread of its own: connects, proves itself, keeps alive, listens.

It decides nothing: whole frames go into the account's inbox. It reconnects for ever with full jitter, and anew
after `RENEW_S` or when asked, because a subscription may fall silent while its pings are answered. An account has
two, begun apart, so that one listens while the other is away.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from markets.feed.connection import Connection, ConnectionLost
from markets.venues.polymarket.user_feed import PING, PING_EVERY_S, PONG

log = logging.getLogger(__name__)

POLL_S = 0.2
SILENT_S = 15.0  # without any sign of life for this long a connection is given up
RENEW_S = 900.0
_BACKOFF_FIRST_S, _BACKOFF_CAP_S = 0.25, 30.0
_SETTLED_S = 30.0


@dataclass(frozen=True, slots=True)
class Up:
    number: int


@dataclass(frozen=True, slots=True)
class Heard:
    number: int
    frames: list[bytes]


class UserConnection(threading.Thread):
    """Runs until `stop`. `opening` returns the first message; it is asked anew for every session."""

    def __init__(
        self,
        number: int,
        *,
        name: str,
        url: Callable[[], str],
        opening: Callable[[], str],
        inbox: SimpleQueue[Any],
        wait_s: float = 0.0,
        connect: Callable[[str], Connection] = Connection,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__(name=f"user stream {name}/{number}", daemon=True)
        self.number = number
        self.alive_at = 0.0  # wall clock of the last sign of life, 0 while there is no connection
        self.note = "not connected yet"
        self.sessions = 0
        self._url, self._opening, self._inbox, self._connect = url, opening, inbox, connect
        self._wait_s = wait_s
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._ending, self._renewing = threading.Event(), threading.Event()
        self._failures = 0

    @property
    def is_up(self) -> bool:
        return self.alive_at > 0

    def stop(self) -> None:
        self._ending.set()

    def renew(self) -> None:
        """Begin a new session soon."""
        self._renewing.set()

    def run(self) -> None:
        self._ending.wait(self._wait_s)
        while not self._ending.is_set():
            began = time.monotonic()
            try:
                self._session()
            except ConnectionLost as error:
                self._lost(str(error))
            except Exception as error:  # the thread outlives whatever one session does; no text of ours is in it
                log.exception("a user stream failed", extra={"stream": self.name})
                self._lost(type(error).__name__)
            self.alive_at = 0.0
            if time.monotonic() - began > _SETTLED_S:
                self._failures = 0
            if self._failures and not self._ending.is_set():
                cap = min(_BACKOFF_CAP_S, _BACKOFF_FIRST_S * 2**self._failures)
                self._ending.wait(self._rng.uniform(0, cap))

    def _lost(self, reason: str) -> None:
        self.note = reason[:200]
        self._failures = min(self._failures + 1, 10)

    def _session(self) -> None:
        opening = self._opening()
        connection = self._connect(self._url())
        try:
            connection.send(opening)
            del opening
            self._renewing.clear()
            self._listen(connection)
        finally:
            connection.close()

    def _listen(self, connection: Connection) -> None:
        """Listen until told to end. A connection counts once it has answered: a refused one never does."""
        began = alive = time.monotonic()
        connection.send(PING)
        next_ping = began + PING_EVERY_S
        while not self._ending.is_set() and not self._renewing.is_set():
            frames = connection.receive(POLL_S)
            now = time.monotonic()
            if frames:
                alive = now
                if not self.is_up:
                    self.sessions += 1
                    self.note, self._failures = "", 0
                    self.alive_at = time.time()
                    self._inbox.put(Up(self.number))
                self.alive_at = time.time()
                if told := [frame for frame in frames if frame != PONG]:
                    self._inbox.put(Heard(self.number, told))
            if now >= next_ping:
                connection.send(PING)
                next_ping = now + PING_EVERY_S
            if now - alive > SILENT_S:
                raise ConnectionLost(f"no sign of life for {SILENT_S:.0f} s")
            if now - began > RENEW_S:
                return
