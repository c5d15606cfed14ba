"""Recorded hours through the feed's own path give the same books as an independent rebuild."""

from __future__ import annotations

from decimal import Decimal

import pytest

from markets.domain.events import BookSnapshot
from markets.domain.instruments import Side
from markets.domain.units import decimal_from_micro
from markets.feed.engine import Engine
from markets.venues.base import Check
from markets.venues.polymarket.feed import PolymarketFeed
from tests.fakes.wire import AT_MS, watched
from tests.recordings import MLB, RAW, Rebuild, flattened_frames, raw_frames

pytestmark = pytest.mark.skipif(not MLB.exists(), reason="the shared recordings are not here")

# Messages and crossed states as counted in the recordings' own README.
RECORDINGS = {
    "20250625_mlb-chc-stl": (5_460, 0),
    "20250625_mlb-sea-min": (6_171, 0),
    "20250625_mlb-tb-kc": (6_590, 56),
    "20250701_mlb-bal-tex": (3_800, 0),
    "20250701_mlb-cin-bos": (6_779, 0),
    "20250701_mlb-cle-chc": (4_042, 2),
    "20250701_mlb-hou-col": (4_654, 10),
    "poly_market_price_change_event_mlb-cle-sf": (3_656, 0),
}


def recording(name: str) -> list[bytes]:
    (path,) = (p for p in MLB.glob("*.gz") if p.name.startswith(name))
    return list(flattened_frames(path))


def tokens_in(frames: list[bytes]) -> list[str]:
    found: dict[str, None] = {}
    for frame in frames:
        rebuild = Rebuild()
        found.update(dict.fromkeys(rebuild.apply(frame)))
    return list(found)


def assert_equal(engine: Engine, rebuild: Rebuild, at: str) -> None:
    for tracked in engine.tracked.values():
        if tracked.outcome.token_id not in rebuild.books:
            continue
        bids, asks = rebuild.books[tracked.outcome.token_id]
        for side, theirs in ((Side.BUY, bids), (Side.SELL, asks)):
            ours = {decimal_from_micro(p): decimal_from_micro(s) for p, s in tracked.book.levels(side)}
            assert ours == theirs, f"{side} side differs {at}"
        assert tracked.book.best_bid() == (int(max(bids) * 1_000_000) if bids else None)
        assert tracked.book.best_ask() == (int(min(asks) * 1_000_000) if asks else None)


@pytest.mark.parametrize("name", RECORDINGS)
def test_books_equal_the_rebuild_all_along(name: str) -> None:
    frames = recording(name)
    messages, crossings = RECORDINGS[name]
    assert len(frames) == messages
    engine, rebuild = Engine(PolymarketFeed()), Rebuild()
    engine.watch({n: watched(n, token) for n, token in enumerate(tokens_in(frames), 1)}, AT_MS)
    by_token = {t.outcome.token_id: t for t in engine.tracked.values()}
    crossed = 0
    for number, frame in enumerate(frames, 1):
        touched = rebuild.apply(frame)
        engine.frames([frame], number)
        is_snapshot = b'"event_type": "book"' in frame
        if touched:
            crossed += by_token[touched[-1]].book.is_crossed()
        if number % 100 == 0 or is_snapshot or number == len(frames):
            assert_equal(engine, rebuild, f"after message {number}")
    assert (engine.frames_read, engine.frames_refused) == (messages, 0)
    assert crossed == crossings
    # The ordered stream carries every one of those events, in order: replaying it gives the same books.
    again = Engine(PolymarketFeed())
    again.watch({n: t.outcome for n, t in engine.tracked.items()}, AT_MS)
    for outcome_id, event in engine.out.take_batch().events:
        book = again.tracked[outcome_id].book
        book.apply_snapshot(event) if isinstance(event, BookSnapshot) else book.apply_change(event)  # type: ignore[arg-type]
    assert_equal(again, rebuild, "when rebuilt from the stream")


def test_raw_frames_agree_with_every_hash_the_venue_sent() -> None:
    frames = raw_frames(next(RAW.glob("market-ws-frames-*.jsonl")))
    engine, rebuild = Engine(PolymarketFeed()), Rebuild()
    market = "0x2aaeb40ad2a1ad262d75d5c52bff1a9f801fb72e65774343729fe103ee9fa308"
    tokens = tokens_in(frames[:1])
    engine.watch({n: watched(n, t, condition_id=market) for n, t in enumerate(tokens, 1)}, AT_MS)
    agreed = 0
    for number, frame in enumerate(frames):
        rebuild.apply(frame)
        engine.frames([frame], number)
        assert_equal(engine, rebuild, f"after frame {number}")
        batch_ends = number in (0, len(frames) - 1) or _moment(frames[number + 1]) != _moment(frame)
        for tracked in engine.tracked.values():
            found = PolymarketFeed().check(tracked.claim(), tracked.last_frame)
            assert found is not Check.CONTRADICTS or not batch_ends
            agreed += batch_ends and found is Check.AGREES
    assert agreed == 8  # two snapshots and six ends of batches


def _moment(frame: bytes) -> bytes:
    return frame.split(b'"timestamp":')[1].strip()[1:14]


def test_the_rebuild_itself_sees_a_crossed_book() -> None:
    rebuild = Rebuild()
    rebuild.books["t"] = ({Decimal("0.5"): Decimal(1)}, {Decimal("0.5"): Decimal(1)})
    assert rebuild.is_crossed("t")
