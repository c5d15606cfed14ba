"""Reading side of the tickstore: books, marks, samples, trades, the ordered stream, wakes.

Prices and sizes are millionths, times milliseconds. A read of something that is not there
returns nothing for it. A store that does not answer raises TickstoreUnavailable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from markets.domain.events import TradePrint
from markets.domain.rings import SHAPES, slots_unpack
from markets.domain.views import BookView, Mark, Sample, Wake
from markets.tickstore import codec, keys
from markets.tickstore.codec import StreamEvent

MARK_FRESH_MS = 15_000


class TickstoreUnavailable(Exception):
    """Redis did not answer. Nothing is known of the books: treat them as not fresh and try again."""


@dataclass(frozen=True, slots=True)
class StreamHead:
    """Where the ordered stream ends now. Read from `cursor` to get what comes next."""

    cursor: str
    epoch: str


@dataclass(frozen=True, slots=True)
class StreamRead:
    """Batches after a cursor, all of one epoch, in order: (cursor of the batch, its events).

    Another `epoch` than the reader's last, or `gap`, means that something was missed: the reader
    forgets its books and waits for the snapshots that follow.
    """

    epoch: str
    entries: tuple[tuple[str, tuple[StreamEvent, ...]], ...]
    gap: bool = False


def connection(url: str, *, decode: bool = False) -> redis.Redis:
    """Return a client that survives a restart of the server: idle connections are dropped by it."""
    return redis.Redis.from_url(
        url,
        decode_responses=decode,
        socket_timeout=10,
        socket_connect_timeout=3,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
        retry_on_error=[redis.ConnectionError],
    )


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise TickstoreUnavailable(f"redis did not answer: {error}") from error


def _cursor_parts(cursor: str) -> tuple[int, int]:
    epoch, _, number = cursor.partition("-")
    return int(epoch or 0), int(number or 0)


class Tickstore:
    """Readers' door to the feed's output. Safe to share between threads."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        self.redis = connection(url)
        self._clock = clock

    def now_ms(self) -> int:
        return int(self._clock() * 1000)

    # ---- latest ---------------------------------------------------------------------------

    def books_get(self, outcome_ids: Iterable[int]) -> dict[int, BookView]:
        """Return the latest book of each outcome that has one."""
        ids = list(outcome_ids)
        if not ids:
            return {}
        with _answering():
            pipe = self.redis.pipeline(transaction=False)
            pipe.mget([keys.book(i) for i in ids])
            pipe.hmget(keys.STATE, [str(i) for i in ids])
            raws, states = pipe.execute()
        return {i: codec.book_with_state(r, s) for i, r, s in zip(ids, raws, states, strict=True) if r is not None}

    def book_get(self, outcome_id: int) -> BookView | None:
        return self.books_get([outcome_id]).get(outcome_id)

    def marks_get(self, outcome_ids: Iterable[int]) -> dict[int, Mark]:
        """Return best prices, mid and last trade of each outcome that has a book."""
        now_ms = self.now_ms()
        return {
            i: Mark(
                outcome_id=i,
                bid=view.best_bid,
                ask=view.best_ask,
                mid=view.mid,
                last=view.last_trade_price,
                at_ms=view.confirmed_ms,
                fresh=view.is_fresh(now_ms, MARK_FRESH_MS),
            )
            for i, view in self.books_get(outcome_ids).items()
        }

    def trades_get(self, outcome_id: int, count: int = 50) -> tuple[TradePrint, ...]:
        """Return recent trades, newest first."""
        with _answering():
            raws: Any = self.redis.lrange(keys.trades(outcome_id), 0, count - 1)
        return tuple(codec.trade_decode(raw) for raw in raws)

    # ---- rings ----------------------------------------------------------------------------

    def samples_get(self, outcome_id: int, *, period_s: int, count: int) -> tuple[Sample, ...]:
        return self.samples_get_many([outcome_id], period_s=period_s, count=count)[outcome_id]

    def samples_get_many(
        self, outcome_ids: Iterable[int], *, period_s: int, count: int
    ) -> dict[int, tuple[Sample, ...]]:
        """Return the last `count` periods of each outcome, oldest first; gaps are left out."""
        shape = SHAPES[period_s]
        ids = list(outcome_ids)
        if not ids:
            return {}
        with _answering():
            raws: Any = self.redis.mget([keys.ring(period_s, i) for i in ids])
        now_ms = self.now_ms()
        return {
            i: slots_unpack(raw or b"", shape=shape, now_ms=now_ms, count=count)
            for i, raw in zip(ids, raws, strict=True)
        }

    # ---- ordered stream -------------------------------------------------------------------

    def stream_head(self) -> StreamHead:
        """Return the end of the ordered stream; an empty stream has cursor "0-0" and no epoch."""
        with _answering():
            last: Any = self.redis.xrevrange(keys.EVENTS, count=1)
        cursor = last[0][0].decode() if last else "0-0"
        return StreamHead(cursor=cursor, epoch=cursor.partition("-")[0] if last else "")

    def stream_read(self, cursor: str, *, count: int = 500, block_ms: int | None = None) -> StreamRead:
        """Return up to `count` batches after `cursor` ("0-0": from the oldest kept), waiting `block_ms` for the first.

        A read never spans two epochs; the rest comes with the next read.
        """
        with _answering():
            answer: Any = self.redis.xread({keys.EVENTS: cursor}, count=count, block=block_ms)
        rows = _stream_rows(answer)
        epoch, number = _cursor_parts(cursor)
        if not rows:
            return StreamRead(epoch=str(epoch) if epoch else "", entries=())
        first_epoch, first_number = _cursor_parts(rows[0][0].decode())
        entries = []
        for raw_id, fields in rows:
            entry = raw_id.decode()
            if _cursor_parts(entry)[0] != first_epoch:
                break
            entries.append((entry, codec.events_decode(fields[b"e"])))
        gap = epoch == first_epoch and first_number != number + 1
        return StreamRead(epoch=str(first_epoch), entries=tuple(entries), gap=gap)

    # ---- wakes and status -------------------------------------------------------------------

    def wakes_head(self) -> str:
        with _answering():
            last: Any = self.redis.xrevrange(keys.WAKES, count=1)
        return last[0][0].decode() if last else "0-0"

    def wakes_read(self, cursor: str, *, count: int = 200, block_ms: int | None = None) -> tuple[str, tuple[Wake, ...]]:
        """Return (new cursor, wakes since `cursor`). Missed wakes are no loss: interval ticks follow anyway."""
        with _answering():
            answer: Any = self.redis.xread({keys.WAKES: cursor}, count=count, block=block_ms)
        wakes: list[Wake] = []
        for raw_id, fields in _stream_rows(answer):
            cursor = raw_id.decode()
            wakes.extend(codec.wakes_decode(fields[b"w"]))
        return cursor, tuple(wakes)

    def feed_status_get(self) -> dict[str, Any]:
        """Return what the feed last said of itself (`at_ms`, `messages_per_s`, `watched`, `fresh` …), or {}."""
        with _answering():
            raw: Any = self.redis.get(keys.FEED_STATUS)
        return msgspec.json.decode(raw) if raw else {}


def _stream_rows(answer: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return the rows of the one stream asked for; redis-py answers a dict or a list by protocol version."""
    if not answer:
        return []
    if isinstance(answer, dict):
        (rows,) = answer.values()
        return rows[0] if rows and isinstance(rows[0], list) else rows
    return answer[0][1]


@lru_cache(maxsize=4)
def tickstore_for(url: str) -> Tickstore:
    return Tickstore(url)


def get_tickstore() -> Tickstore:
    """Return this process's tickstore on `settings.TICKSTORE_URL`."""
    from django.conf import settings

    return tickstore_for(settings.TICKSTORE_URL)
