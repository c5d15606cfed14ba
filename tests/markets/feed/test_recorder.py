"""The recorder writes what was heard, the local exchange plays it again, and the feed never waits for the disk."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from alerts.models import AuditEvent
from markets.domain.instruments import Venue
from markets.domain.units import decimal_from_micro
from markets.feed import recorder as recorder_module
from markets.feed import storage as storage_module
from markets.feed.listener import Listener
from markets.feed.recorder import Recorder
from markets.selectors.recording import recorded_facts
from markets.services.watch import watch_set
from markets.tickstore import Tickstore
from markets.venues.polymarket.feed import PolymarketFeed
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.options import ExchangeOptions
from polybot.sandbox.recordings import Recording, find
from tests.factories.markets import market_make
from tests.fakes.socket_venue import SocketVenue
from tests.fakes.wire import book, price_change, trade

HOUR_NS = 3_600 * 10**9
START_NS = 1_790_000_000_000 * 10**6 // HOUR_NS * HOUR_NS
PLENTY = 10**11
BOTH = frozenset({"0x1"})


def eventually(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.02)


def facts(condition_ids: Iterable[str]) -> list[dict[str, Any]]:
    return [{"condition_id": c} for c in condition_ids]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    made: list[Recorder] = []

    def start(**words: Any) -> Recorder:
        recorder = Recorder(tmp_path / "rec", words.pop("facts", facts), **{"free": lambda _: PLENTY, **words})
        recorder.start()
        made.append(recorder)
        return recorder

    yield start
    for recorder in made:
        recorder.stop()
        recorder.join(5)
        assert not recorder.is_alive()


def hear(recorder: Recorder, *frames: bytes, ns: int = START_NS, conditions: frozenset[str] = BOTH) -> None:
    """As the feed does it; the books that a file begins with are one line that says so."""
    if recorder.wants_books(ns, conditions):
        recorder.begin(ns, conditions, [b'{"books": "as they stood"}'])
    recorder.heard(ns, frames)


def ended(recorder: Recorder) -> list[list[dict[str, Any]]]:
    """Stop it and return the lines of every file in order."""
    recorder.stop()
    recorder.join(5)
    paths = sorted((recorder._folder).glob("*.jsonl.gz"))
    return [[json.loads(line) for line in gzip.decompress(p.read_bytes()).splitlines()] for p in paths]


def test_a_file_has_a_header_the_books_and_every_frame(make: Callable[..., Recorder]) -> None:
    recorder = make()
    hear(recorder, b'{"a": 1}', b"\xff not text")
    hear(recorder, b'{"a": 2}', ns=START_NS + 1_500_000)
    (lines,) = ended(recorder)
    assert lines[0]["format"] == "polybot-recording" and lines[0]["markets"] == [{"condition_id": "0x1"}]
    assert [line["payloadUtf8"] for line in lines[1:]] == [
        '{"books": "as they stood"}', '{"a": 1}', "\ufffd not text", '{"a": 2}'
    ]  # fmt: skip
    assert [line.get("opening", False) for line in lines[1:]] == [True, False, False, False]
    assert lines[-1]["receivedAt"].endswith(":00:00.001500+00:00")
    assert recorder.status() | {"file": ""} == {"file": "", "frames": 3, "dropped": 0, "stopped": ""}


def test_every_hour_is_a_file_that_can_be_read_alone(make: Callable[..., Recorder]) -> None:
    recorder = make()
    for n in range(3):
        hear(recorder, b"%d" % n, ns=START_NS + n * HOUR_NS // 2)
    first, second = ended(recorder)
    assert [line.get("payloadUtf8") for line in first] == [None, '{"books": "as they stood"}', "0", "1"]
    assert [line.get("payloadUtf8") for line in second] == [None, '{"books": "as they stood"}', "2"]


def test_new_markets_are_worth_a_new_file_but_not_every_moment(make: Callable[..., Recorder]) -> None:
    recorder = make()
    more = frozenset({"0x1", "0x2"})
    hear(recorder, b"0")
    hear(recorder, b"1", ns=START_NS + 10**9, conditions=more)
    hear(recorder, b"2", ns=START_NS + 601 * 10**9, conditions=more)
    hear(recorder, b"3", ns=START_NS + 602 * 10**9, conditions=BOTH)  # fewer are no reason
    first, second = ended(recorder)
    assert len(first[0]["markets"]) == 1 and len(second[0]["markets"]) == 2
    assert first[-1]["payloadUtf8"] == "1" and [line["payloadUtf8"] for line in second[2:]] == ["2", "3"]


def test_a_recording_without_facts_still_begins(make: Callable[..., Recorder]) -> None:
    def away(_: Iterable[str]) -> list[dict[str, Any]]:
        raise ConnectionError("postgres did not answer")

    recorder = make(facts=away)
    hear(recorder, b"0")
    (lines,) = ended(recorder)
    assert lines[0]["markets"] == [] and lines[-1]["payloadUtf8"] == "0"


def test_a_slow_disk_costs_frames_and_never_time(
    make: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MOST_WAITING", 1_000)
    gate = threading.Event()

    def slow(_: Iterable[str]) -> list[dict[str, Any]]:
        gate.wait(5)
        return []

    recorder = make(facts=slow)
    began = time.monotonic()
    for n in range(50):
        hear(recorder, b"%03d" % n * 100)
    assert time.monotonic() - began < 1
    assert recorder.frames_dropped > 40
    gate.set()
    eventually(lambda: recorder._put == recorder._taken)
    hear(recorder, b"after")
    (lines,) = ended(recorder)
    said = [line["payloadUtf8"][:5] for line in lines[1:]]
    assert said[-2:] == ['{"boo', "after"], "after a loss the books are written down again"
    assert len(lines) - 1 - said.count('{"boo') == 51 - recorder.frames_dropped


def test_below_a_gigabyte_it_stops_and_says_so_then_goes_on(
    make: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(recorder_module, "_FLUSH_S", 0.0)
    free = [PLENTY]
    recorder = make(free=lambda _: free[0])
    hear(recorder, b"0")
    eventually(lambda: recorder.frames_written == 1)
    free[0] = 900_000_000
    hear(recorder, b"1")
    eventually(lambda: recorder.stopped)
    notice = recorder.notices.get(timeout=1)
    assert notice.kind == "feed.recording_stopped" and "only 0.90 GB are free" in notice.message
    hear(recorder, b"2")
    assert recorder.frames_dropped == 1
    free[0] = 1_100_000_000  # not yet enough to begin again
    time.sleep(0.1)
    hear(recorder, b"3")
    assert recorder.stopped
    free[0] = PLENTY
    eventually(lambda: not recorder.stopped)
    hear(recorder, b"4")
    first, second = ended(recorder)
    assert [line.get("payloadUtf8") for line in first[2:]] == ["0"]
    assert [line.get("payloadUtf8") for line in second[1:]] == ['{"books": "as they stood"}', "4"]


def test_a_full_disk_leaves_a_readable_file(make: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_FLUSH_S", 0.0)
    recorder = make()
    hear(recorder, b"0")
    eventually(lambda: recorder.frames_written == 1)
    assert recorder.path is not None
    half = Path("/dev/full")  # every write fails there as on a full disk
    real, recorder.path = recorder.path, half
    hear(recorder, b"1")
    eventually(lambda: recorder.stopped)
    assert "No space left" in recorder.stopped
    lines = gzip.decompress(real.read_bytes()).splitlines()
    assert json.loads(lines[-1])["payloadUtf8"] == "0"


@pytest.mark.django_db(transaction=True)
def test_what_the_feed_heard_plays_again_to_equal_books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "_EVERY_S", 0.05)
    market = market_make(labels=("Up", "Down"))
    outcomes = list(market.outcomes.order_by("index"))
    tokens, ids = [o.token_id for o in outcomes], [o.pk for o in outcomes]
    store = Tickstore(settings.TICKSTORE_URL)
    store.redis.flushdb()
    watch_set("strategy:1", ids)
    market_id = market.condition_id

    class NoBooks:
        def books_get(self, token_ids: Any) -> dict[str, Any]:
            return {}

    recorder = Recorder(tmp_path / "rec", recorded_facts, free=lambda _: PLENTY)
    with SocketVenue(lambda asked: [book(t, market=market_id) for t in asked]) as venue:
        feed = Listener(
            venue=Venue.POLYMARKET, protocol=PolymarketFeed(), books=NoBooks(), url=lambda: venue.url,
            tickstore_url=settings.TICKSTORE_URL, recorder=recorder,
        )  # fmt: skip
        thread = threading.Thread(target=feed.run, daemon=True)
        thread.start()
        eventually(lambda: len(store.books_get(ids)) == 2)
        for n in range(1, 60):
            changes = [price_change(tokens[n % 2], f"0.{n:02}", str(n % 7), side="BUY" if n < 45 else "SELL")]
            venue.send(*({**c, "market": market_id} for c in changes))
        venue.send({**trade(tokens[0], "0.5", "3"), "market": market_id}, "garbage")
        eventually(lambda: len(store.trades_get(ids[0])) == 1)
        views = store.books_get(ids)
        feed.stop()
        thread.join(8)
        assert not thread.is_alive()
    store.redis.flushdb()
    store.redis.close()

    (recording,) = find([tmp_path / "rec"])
    assert isinstance(recording, Recording)
    messages = list(recording.messages())
    assert recording.header["markets"][0] == {
        "condition_id": market_id, "slug": market.slug, "question": market.question, "outcomes": ["Up", "Down"],
        "token_ids": tokens, "tick": "0.01", "minimum_size": "5", "neg_risk": False, "category": "politics",
    }  # fmt: skip
    assert len(messages) >= 62 and recording.refused.lines == 1  # the garbage was recorded as it came
    now = [1_790_000_000_000]
    exchange = Exchange(ExchangeOptions(replay=(tmp_path / "rec",), speed=1e9, replay_wait_ms=0), clock=lambda: now[0])
    while not exchange.status()["source"]["finished"]:  # type: ignore[index]
        now[0] += 10
        exchange.step(now[0])
    for outcome in outcomes:
        state, view = exchange.book(outcome.token_id), views[outcome.pk]
        for theirs, ours in ((state.bids, view.bids), (state.asks, view.asks)):
            levels = {Decimal(p): Decimal(s) for p, s in theirs}
            top = sorted(levels, reverse=ours is view.bids)[:20]
            assert [(decimal_from_micro(p), decimal_from_micro(s)) for p, s in ours] == [(p, levels[p]) for p in top]


@pytest.mark.django_db(transaction=True)
def test_a_stopped_recording_is_in_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "_EVERY_S", 0.05)
    monkeypatch.setattr(recorder_module, "_FLUSH_S", 0.0)
    outcome = market_make().outcomes.get(index=0)
    watch_set("strategy:1", [outcome.pk])
    with SocketVenue(lambda asked: [book(t) for t in asked]) as venue:
        feed = Listener(
            venue=Venue.POLYMARKET, protocol=PolymarketFeed(), books=None, url=lambda: venue.url,  # type: ignore[arg-type]
            tickstore_url=settings.TICKSTORE_URL, recorder=Recorder(tmp_path, recorded_facts, free=lambda _: 10**8),
        )  # fmt: skip
        thread = threading.Thread(target=feed.run, daemon=True)
        thread.start()
        try:
            eventually(lambda: AuditEvent.objects.filter(kind="feed.recording_stopped").exists())
            assert feed.status()["recording"]["stopped"].startswith("only 0.10 GB")
        finally:
            feed.stop()
            thread.join(8)
    assert not list(tmp_path.glob("*.gz"))
