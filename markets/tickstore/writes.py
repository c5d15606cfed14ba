"""Writing side of the tickstore: what the feed publishes, one pipeline a batch.

A batch may be sent again after a lost answer: the ordered stream's ids are our own
(<epoch ms>-<number>), so the server refuses the second copy, and everything else is latest-wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import redis

from markets.domain.events import FeedEvent, TradePrint
from markets.domain.rings import SHAPES, slot_pack
from markets.domain.views import BookStatus, BookView, Sample, Wake
from markets.tickstore import codec, keys
from markets.tickstore.reads import TickstoreUnavailable, connection


@dataclass(slots=True)
class Batch:
    """What changed since the last publish. Books are latest-wins, events keep their order."""

    books: dict[int, BookView] = field(default_factory=dict)
    states: dict[int, tuple[BookStatus, int]] = field(default_factory=dict)
    events: list[tuple[int, FeedEvent]] = field(default_factory=list)
    trades: list[tuple[int, TradePrint]] = field(default_factory=list)
    samples: list[tuple[int, int, Sample]] = field(default_factory=list)  # (period_s, outcome, sample)
    wakes: list[Wake] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)  # outcomes nobody watches any more

    def __bool__(self) -> bool:
        return bool(self.books or self.states or self.events or self.samples or self.wakes or self.gone)


class TickstoreWriter:
    """The feed's door. One writer at a time; its epoch says so to readers of the ordered stream."""

    def __init__(self, url: str) -> None:
        self.redis = connection(url)
        self.epoch = ""
        self._number = 0
        self._server = ""  # the server's own name for its present life

    def epoch_open(self, now_ms: int) -> str:
        """Begin a new epoch: readers will drop their books. Later than every id in the stream, whatever the clock."""
        try:
            last: Any = self.redis.xrevrange(keys.EVENTS, count=1)
            self._server = self._life()
        except redis.RedisError as error:
            raise TickstoreUnavailable(f"redis did not answer: {error}") from error
        newest = int(last[0][0].partition(b"-")[0]) if last else 0
        self.epoch = str(max(now_ms, newest + 1))
        self._number = 0
        return self.epoch

    def publish(self, batch: Batch) -> None:
        """Send a batch. Raises TickstoreUnavailable; the same batch may then be sent again."""
        pipe = self.redis.pipeline(transaction=False)
        # The stream first: a reader woken by anything below already finds the events behind it.
        stream_id = f"{self.epoch}-{self._number + 1}" if batch.events else ""
        if stream_id:
            pipe.execute_command(
                "XADD",
                keys.EVENTS,
                "MAXLEN",
                "~",
                keys.EVENTS_LENGTH,
                stream_id,
                "e",
                codec.events_encode(batch.events),
            )
        if batch.books:
            pipe.mset({keys.book(i): codec.book_encode(view) for i, view in batch.books.items()})
        states = {i: (view.status, view.confirmed_ms) for i, view in batch.books.items()} | batch.states
        if states:
            pipe.hset(keys.STATE, mapping={str(i): codec.state_encode(*state) for i, state in states.items()})
        for outcome_id, trade in batch.trades:
            pipe.lpush(keys.trades(outcome_id), codec.trade_encode(trade))
        for outcome_id in {i for i, _ in batch.trades}:
            pipe.ltrim(keys.trades(outcome_id), 0, keys.TRADES_LENGTH - 1)
        for period_s, outcome_id, sample in batch.samples:
            pipe.setrange(keys.ring(period_s, outcome_id), SHAPES[period_s].offset(sample.at_ms), slot_pack(sample))  # type: ignore[arg-type]
        if batch.gone:
            pipe.delete(*(keys.book(i) for i in batch.gone))
            pipe.hdel(keys.STATE, *(str(i) for i in batch.gone))
        if batch.wakes:
            pipe.xadd(keys.WAKES, {"w": codec.wakes_encode(batch.wakes)}, maxlen=keys.WAKES_LENGTH, approximate=True)
        changed = {*states, *batch.gone, *(i for i, _ in batch.trades)}
        if changed:
            pipe.publish(keys.TICKS, codec.ids_encode(changed))
        self._execute(pipe, stream_id)

    def _execute(self, pipe: Any, stream_id: str) -> None:
        try:
            answers = pipe.execute(raise_on_error=False)
        except redis.RedisError as error:
            raise TickstoreUnavailable(f"redis did not answer: {error}") from error
        for position, answer in enumerate(answers):
            if not isinstance(answer, Exception):
                continue
            if stream_id and position == 0 and "equal or smaller" in str(answer):
                continue  # this batch did arrive the first time; only its answer was lost
            raise TickstoreUnavailable(f"redis refused a write: {answer}") from answer
        if stream_id:
            self._number += 1

    def remembers(self) -> bool:
        """Whether Redis still has what this epoch published.

        A flush forgets it, and a restart may: a server that saves now and then comes back with older books.
        """
        try:
            if self._life() != self._server:
                return False
            return not self._number or bool(self.redis.exists(keys.EVENTS))
        except redis.RedisError as error:
            raise TickstoreUnavailable(f"redis did not answer: {error}") from error

    def _life(self) -> str:
        try:
            found: Any = self.redis.info("server")
        except redis.ResponseError:  # not everyone may ask
            return ""
        return str(found.get("run_id", ""))

    def sweep(self, keep: set[int]) -> int:
        """Delete what is kept of other outcomes; returns how many keys went."""
        try:
            found = [key for pattern in keys.PER_OUTCOME for key in self.redis.scan_iter(pattern, count=500)]
            gone = [key for key in found if not _belongs(key, keep)]
            states: Any = self.redis.hkeys(keys.STATE)
            if other := [field for field in states if not _belongs(field, keep)]:
                self.redis.hdel(keys.STATE, *other)
            for start in range(0, len(gone), 500):
                self.redis.delete(*gone[start : start + 500])
        except redis.RedisError as error:
            raise TickstoreUnavailable(f"redis did not answer: {error}") from error
        return len(gone)

    def ring_load(self, period_s: int, outcome_id: int, samples: Iterable[Sample]) -> bool:
        """Fill a ring from history, unless it has one; returns whether it was empty."""
        shape = SHAPES[period_s]
        raw = bytearray(shape.size_bytes)
        for sample in samples:
            offset = shape.offset(sample.at_ms)
            raw[offset : offset + len(slot_pack(sample))] = slot_pack(sample)
        try:
            return bool(self.redis.set(keys.ring(period_s, outcome_id), bytes(raw), nx=True))
        except redis.RedisError as error:
            raise TickstoreUnavailable(f"redis did not answer: {error}") from error

    def feed_status_set(self, status: dict[str, Any]) -> None:
        try:
            self.redis.set(keys.FEED_STATUS, msgspec.json.encode(status))
        except redis.RedisError as error:
            raise TickstoreUnavailable(f"redis did not answer: {error}") from error


def _belongs(key: bytes, keep: set[int]) -> bool:
    """Whether a key that ends in an outcome's id is of one of these."""
    number = key.rpartition(b":")[2]
    return not number.isdigit() or int(number) in keep
