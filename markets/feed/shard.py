"""One socket with at most `assets_per_socket` tokens, kept alive in its own thread.

A thread per shard, because a blocking read with the GIL released costs nothing while the socket is
quiet, and TLS and plain sockets behave alike; a desk has a handful of shards. The same thread reads
and writes (an SSL object must not do both at once from two), so changes of the wish list and pings
happen between reads, at most `_POLL_S` late. Everything the shard learns goes into the engine's inbox.

The loop is our own: a reconnect is announced (`Down`), waits with full jitter, and begins with the
whole subscription, so that the venue answers with snapshots.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from markets.feed.connection import Connection, ConnectionLost
from markets.venues.base import FeedProtocol

log = logging.getLogger(__name__)
_POLL_S = 0.2
_PONG_LIMIT_S = 15.0  # a connection is trusted while its last sign of life is younger
_BACKOFF_FIRST_S, _BACKOFF_CAP_S = 0.25, 30.0
_SETTLED_S = 60.0  # a session this long resets the back-off
_TOKENS_PER_MESSAGE = 200
MOST_WAITING = 500  # reads, of 256 KB at most each


@dataclass(frozen=True, slots=True)
class Up:
    """Connected and subscribed: snapshots of these tokens follow."""

    shard: int
    tokens: frozenset[str]


@dataclass(frozen=True, slots=True)
class Down:
    """The connection is gone: nothing of these tokens is known until the next snapshot."""

    shard: int
    reason: str


@dataclass(frozen=True, slots=True)
class Frames:
    shard: int
    received_ns: int
    frames: list[bytes]


class Shard(threading.Thread):
    """Runs until `stop`. `wish` and `renew` may be called from another thread at any time."""

    def __init__(
        self,
        number: int,
        protocol: FeedProtocol,
        url: Callable[[], str],
        inbox: SimpleQueue[Any],
        *,
        connect: Callable[[str], Connection] = Connection,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__(name=f"feed-shard-{number}", daemon=True)
        self.number = number
        self.connected = False
        self.sessions = 0
        self.last_error = ""
        self._protocol, self._url, self._inbox, self._connect = protocol, url, inbox, connect
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._lock = threading.Lock()
        self._wanted: set[str] = set()
        self._renewed: set[str] = set()
        self._ending = threading.Event()
        self._failures = 0
        self._down_since = time.monotonic()

    # ---- from other threads -----------------------------------------------------------------

    @property
    def wanted(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._wanted)

    def wish(self, tokens: Iterable[str], *, anew: Iterable[str] = ()) -> None:
        """Listen to exactly these tokens from now on.

        Those of `anew` are subscribed again should they still be subscribed: their books begin with a snapshot.
        """
        with self._lock:
            self._wanted = set(tokens)
            self._renewed.update(anew)

    def renew(self, token: str) -> None:
        """Subscribe this token again: the venue answers with a snapshot."""
        with self._lock:
            self._renewed.add(token)

    def stop(self) -> None:
        self._ending.set()

    def down_for_ms(self) -> int:
        """Return how long there has been no connection although there is something to listen to."""
        if self.connected or not self.wanted:
            return 0
        return int((time.monotonic() - self._down_since) * 1000)

    # ---- the thread --------------------------------------------------------------------------

    def run(self) -> None:
        while not self._ending.is_set():
            if not self.wanted:
                self._ending.wait(_POLL_S)
                continue
            began = time.monotonic()
            try:
                self._session()
                self._failures = 0
            except ConnectionLost as error:
                self._lost(str(error))
            except Exception as error:  # the thread must outlive whatever a session does
                log.exception("feed shard failed", extra={"shard": self.number})
                self._lost(f"{type(error).__name__}: {error}")
            if time.monotonic() - began > _SETTLED_S:
                self._failures = 0
            if not self._ending.is_set() and self._failures:
                cap = min(_BACKOFF_CAP_S, _BACKOFF_FIRST_S * 2**self._failures)
                self._ending.wait(self._rng.uniform(0, cap))

    def _lost(self, reason: str) -> None:
        self.connected = False
        self.last_error = reason
        self._failures = min(self._failures + 1, 10)
        self._inbox.put(Down(self.number, reason))

    def _session(self) -> None:
        connection = self._connect(self._url())
        try:
            self._subscribed(connection)
        finally:
            if self.connected:
                self._down_since = time.monotonic()
            self.connected = False
            connection.close()

    def _subscribed(self, connection: Connection) -> None:
        tokens = self.wanted
        if not tokens:
            return
        with self._lock:
            self._renewed.clear()
        self._subscribe(connection, sorted(tokens), first=True)
        self.connected = True
        self.sessions += 1
        self._inbox.put(Up(self.number, tokens))
        pong = self._protocol.pong_text.encode()
        alive = time.monotonic()
        next_ping = alive + self._protocol.ping_every_s
        while not self._ending.is_set():
            while self._inbox.qsize() > MOST_WAITING and not self._ending.is_set():
                self._ending.wait(0.02)  # the engine is behind: let the venue's own buffers fill instead of our memory
            frames = connection.receive(_POLL_S)
            now = time.monotonic()
            if frames:
                if pong in frames:
                    alive = now
                    frames = [frame for frame in frames if frame != pong]
                if frames:
                    self._inbox.put(Frames(self.number, time.time_ns(), frames))
            if now >= next_ping:
                connection.send(self._protocol.ping_text)
                next_ping = now + self._protocol.ping_every_s
            if now - alive > _PONG_LIMIT_S:
                raise ConnectionLost(f"no {self._protocol.pong_text} for {_PONG_LIMIT_S:.0f} s")
            tokens = self._follow_wishes(connection, tokens)
            if not tokens:
                self._inbox.put(Down(self.number, "nothing to listen to"))
                return

    def _follow_wishes(self, connection: Connection, tokens: frozenset[str]) -> frozenset[str]:
        with self._lock:
            wanted, renewed = self._wanted, self._renewed & self._wanted
            if wanted == tokens and not renewed:
                return tokens
            wanted = frozenset(wanted)
            self._renewed.clear()
        if gone := sorted((tokens - wanted) | (renewed & tokens)):
            connection.send(self._protocol.unsubscribe(gone))
        if new := sorted((wanted - tokens) | renewed):
            self._subscribe(connection, new, first=False)
            self._inbox.put(Up(self.number, frozenset(new)))
        return wanted

    def _subscribe(self, connection: Connection, tokens: list[str], *, first: bool) -> None:
        for start in range(0, len(tokens), _TOKENS_PER_MESSAGE):
            part = tokens[start : start + _TOKENS_PER_MESSAGE]
            text = self._protocol.subscribe_first(part) if first else self._protocol.subscribe_more(part)
            connection.send(text)
            first = False
