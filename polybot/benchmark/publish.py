"""Frames to Redis: one pipeline a batch against one pipeline a message, on a private server.

Both apply every frame to the same array books and leave the same latest books and the same ordered events.
"""

from __future__ import annotations

import time

import msgspec

from markets.domain.events import FeedEvent
from markets.domain.views import BookView
from markets.feed.engine import Engine
from markets.selectors.watch import WatchedOutcome
from markets.tickstore import Tickstore, TickstoreWriter
from markets.tickstore.codec import events_decode
from markets.tickstore.reads import connection
from markets.venues.polymarket.feed import PolymarketFeed
from polybot.benchmark.report import Comparison, Wrong, interleaved

_BATCH = 200  # what arrives within one flush interval at 4,000 messages a second


def compare(frames: list[bytes], url: str, *, rounds: int) -> list[Comparison]:
    """Return messages a second from frame to Redis. Raises Wrong when the two leave different books or events."""
    few = frames[: max(500, len(frames) // 10)]
    _batched(few, url)
    ours_left = _left_behind(url, few)
    _one_by_one(few, url)
    if ours_left != _left_behind(url, few, plain=True):
        raise Wrong("the books or events in Redis differ")
    ours, theirs = interleaved(lambda: _batched(frames, url), lambda: _one_by_one(few, url), rounds=rounds)
    name = "source to Redis vs one pipeline a message"
    return [Comparison(name=name, unit="messages/s", ours=ours, theirs=theirs, target=8)]


def _engine(frames: list[bytes]) -> Engine:
    engine = Engine(PolymarketFeed(), epoch="1")
    engine.watch({n: _outcome(n, token) for n, token in enumerate(_tokens(frames), 1)}, 0)
    return engine


def _tokens(frames: list[bytes]) -> list[str]:
    found: dict[str, None] = {}
    events: list[FeedEvent] = []
    for frame in frames:
        PolymarketFeed().read(frame, 1, events)
    for event in events:
        found[getattr(event, "token_id", "")] = None
    return list(found)


def _outcome(number: int, token: str) -> WatchedOutcome:
    return WatchedOutcome(
        outcome_id=number,
        market_id=number,
        token_id=token,
        condition_id="0x1",
        tick=10_000,
        minimum_size=5_000_000,
        neg_risk=False,
        takes_orders=True,
        urgent=True,
        label="",
    )


def _batched(frames: list[bytes], url: str) -> float:
    engine, writer = _engine(frames), TickstoreWriter(url)
    writer.redis.flushdb()
    writer.epoch_open(1)
    now_ns = time.time_ns()
    began = time.perf_counter()
    for start in range(0, len(frames), _BATCH):
        engine.frames(frames[start : start + _BATCH], now_ns)
        engine.flush(now_ns // 1_000_000)
        writer.publish(engine.out.take_batch())
    elapsed = time.perf_counter() - began
    writer.redis.close()
    return len(frames) / elapsed


def _one_by_one(frames: list[bytes], url: str) -> float:
    """Per message: the latest books, one stream entry, one notice to browsers; nothing more."""
    engine, redis = _engine(frames), connection(url)
    redis.flushdb()
    now_ns = time.time_ns()
    began = time.perf_counter()
    for frame in frames:
        engine.frames([frame], now_ns)
        engine.flush(now_ns // 1_000_000)
        batch = engine.out.take_batch()
        pipe = redis.pipeline(transaction=False)
        for outcome_id, view in batch.books.items():
            pipe.set(f"book:{outcome_id}", msgspec.msgpack.encode(view))
        pipe.xadd("events", {"e": msgspec.msgpack.encode(batch.events)}, maxlen=12_000, approximate=True)
        pipe.publish("ticks", msgspec.msgpack.encode(list(batch.books)))
        pipe.execute()
    elapsed = time.perf_counter() - began
    redis.close()
    return len(frames) / elapsed


def _left_behind(url: str, frames: list[bytes], *, plain: bool = False) -> tuple[object, ...]:
    """Return what is in Redis: levels and sequence of every book, and every event in order."""
    store = Tickstore(url)
    ids = range(1, len(_tokens(frames)) + 1)
    if plain:
        raws = store.redis.mget([f"book:{i}" for i in ids])
        views = {i: msgspec.msgpack.decode(r, type=BookView) for i, r in zip(ids, raws, strict=True) if r}  # type: ignore[arg-type]
    else:
        views = store.books_get(ids)
    events = [
        (e.outcome_id, msgspec.structs.astuple(e.event)[:4])
        for _, fields in store.redis.xrange("events")  # type: ignore[union-attr]
        for e in events_decode(fields[b"e"])
    ]
    store.redis.close()
    return {i: (v.bids, v.asks, v.seq) for i, v in views.items()}, events
