"""A shard against a real socket: subscriptions at run time, pings, reconnects, and every way to lose a connection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from markets.feed import shard as shard_module
from markets.feed.connection import Connection, ConnectionLost
from markets.feed.shard import Down, Frames, Shard, Up
from markets.feed.shards import Shards
from markets.venues.polymarket.feed import PolymarketFeed
from tests.fakes.socket_venue import SocketVenue
from tests.fakes.wire import book, price_change


class QuickFeed(PolymarketFeed):
    ping_every_s = 0.2


@pytest.fixture
def venue() -> Iterator[SocketVenue]:
    with SocketVenue(lambda tokens: [book(t) for t in tokens]) as venue:
        yield venue


@pytest.fixture
def inbox() -> SimpleQueue[Any]:
    return SimpleQueue()


@pytest.fixture
def start(venue: SocketVenue, inbox: SimpleQueue[Any]) -> Iterator[Callable[..., Shard]]:
    started: list[Shard] = []

    def begin(*tokens: str, url: str = "") -> Shard:
        shard = Shard(0, QuickFeed(), lambda: url or venue.url, inbox)
        shard.wish(tokens)
        shard.start()
        started.append(shard)
        return shard

    yield begin
    for shard in started:
        shard.stop()
        shard.join(3)
        assert not shard.is_alive()


def until(inbox: SimpleQueue[Any], kind: type[Any], *, within_s: float = 5.0) -> Any:
    """Return the next item of this kind; others are passed over."""
    end = time.monotonic() + within_s
    while True:
        try:
            item = inbox.get(timeout=max(0.01, end - time.monotonic()))
        except Empty:
            raise AssertionError(f"no {kind.__name__} within {within_s} s") from None
        if isinstance(item, kind):
            return item


def eventually(holds: Callable[[], Any], *, within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.01)


def test_it_subscribes_hears_and_pings(
    venue: SocketVenue, inbox: SimpleQueue[Any], start: Callable[..., Shard]
) -> None:
    start("a", "b")
    assert until(inbox, Up).tokens == {"a", "b"}
    frames = until(inbox, Frames).frames
    assert [b["asset_id"] for b in json.loads(frames[0])] == ["a", "b"]
    venue.send(price_change("a", "0.4", "1"))
    assert json.loads(until(inbox, Frames).frames[0])["event_type"] == "price_change"
    eventually(lambda: "PING" in venue.said)
    assert venue.said[0]["type"] == "market"  # never a ping before the subscription


def test_wishes_change_without_a_new_connection(
    venue: SocketVenue, inbox: SimpleQueue[Any], start: Callable[..., Shard]
) -> None:
    shard = start("a", "b")
    until(inbox, Frames)
    shard.wish({"b", "c"})
    assert until(inbox, Up).tokens == {"c"}
    assert json.loads(until(inbox, Frames).frames[0])[0]["asset_id"] == "c"
    shard.renew("b")
    assert until(inbox, Up).tokens == {"b"}
    until(inbox, Frames)  # the answer to the last of them
    asked = [s for s in venue.said if s != "PING"]
    assert [(s.get("operation"), s["assets_ids"]) for s in asked] == [
        (None, ["a", "b"]), ("unsubscribe", ["a"]), ("subscribe", ["c"]), ("unsubscribe", ["b"]), ("subscribe", ["b"])
    ]  # fmt: skip
    assert shard.sessions == 1


def test_a_cut_connection_is_announced_and_made_anew(
    venue: SocketVenue, inbox: SimpleQueue[Any], start: Callable[..., Shard]
) -> None:
    shard = start("a")
    until(inbox, Frames)
    venue.drop()
    assert until(inbox, Down).shard == 0
    assert until(inbox, Up).tokens == {"a"}
    assert json.loads(until(inbox, Frames).frames[0])[0]["asset_id"] == "a"
    assert shard.sessions == 2


def test_without_pongs_the_connection_is_given_up(
    venue: SocketVenue, inbox: SimpleQueue[Any], start: Callable[..., Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_module, "_PONG_LIMIT_S", 0.6)
    venue.mute_pongs = True
    start("a")
    until(inbox, Frames)
    assert "no PONG" in until(inbox, Down).reason


def test_nobody_home_is_tried_again_and_said(inbox: SimpleQueue[Any], start: Callable[..., Shard]) -> None:
    shard = start("a", url="ws://127.0.0.1:9/ws")
    assert "cannot connect" in until(inbox, Down).reason
    until(inbox, Down)
    assert shard.down_for_ms() > 0 and not shard.connected


def test_a_failure_inside_a_session_does_not_end_the_thread(inbox: SimpleQueue[Any]) -> None:
    def explode(url: str) -> Connection:
        raise RuntimeError("a bug")

    shard = Shard(0, QuickFeed(), lambda: "", inbox, connect=explode)
    shard.wish({"a"})
    shard.start()
    assert "a bug" in until(inbox, Down).reason
    until(inbox, Down)
    shard.stop()
    shard.join(3)
    assert not shard.is_alive()


def test_connections_answer_pings_join_fragments_and_report_the_close(venue: SocketVenue) -> None:
    connection = Connection(venue.url)
    connection.send(PolymarketFeed().subscribe_first(["a"]))
    assert json.loads(connection.receive(2)[0])[0]["asset_id"] == "a"

    async def misbehave() -> None:
        (client,) = venue.connections
        pong = await client.ping()
        await client.send(iter_parts())  # fragmented
        waiting.append(pong)

    async def iter_parts() -> Any:
        for part in ("[1,", "2,", "3]"):
            yield part

    waiting: list[Any] = []
    venue._call(misbehave())
    got: list[bytes] = []
    end = time.monotonic() + 3
    while not got and time.monotonic() < end:
        got += connection.receive(0.1)
    assert got == [b"[1,2,3]"]
    eventually(waiting[0].done)
    venue.close(1008, "invalid subscription payload")
    with pytest.raises(ConnectionLost, match="1008 invalid subscription payload"):
        for _ in range(50):
            connection.receive(0.1)


def test_tokens_stay_where_they_are_and_new_ones_go_where_there_is_room(inbox: SimpleQueue[Any]) -> None:
    class Still(Shard):
        def start(self) -> None:
            pass

    shards = Shards(lambda number: Still(number, QuickFeed(), lambda: "", inbox), 3)
    shards.assign({"a", "b", "c", "d"})
    assert [s.wanted for s in shards.all()] == [{"a", "b", "c"}, {"d"}]
    shards.assign({"a", "c", "d", "e"})
    assert [s.wanted for s in shards.all()] == [{"a", "c", "e"}, {"d"}]
    shards.assign(set())
    assert [s.wanted for s in shards.all()] == [set(), set()]


def test_a_token_that_went_and_came_before_the_socket_noticed_gets_a_snapshot(
    venue: SocketVenue, inbox: SimpleQueue[Any], start: Callable[..., Shard]
) -> None:
    shard = start("a", "b")
    until(inbox, Up)
    until(inbox, Frames)
    with shard._lock:  # the shard's thread is busy
        shard._wanted = {"b"}
        shard._wanted = {"a", "b"}
        shard._renewed.update({"a"})
    assert until(inbox, Up).tokens == {"a"}
    assert [b["asset_id"] for b in json.loads(until(inbox, Frames).frames[0])] == ["a"]


def test_assigning_a_token_asks_for_its_snapshot_and_leaves_the_others_alone() -> None:
    class Wishes:
        def __init__(self) -> None:
            self.said: list[tuple[set[str], set[str]]] = []

        def start(self) -> None: ...

        def wish(self, tokens: set[str], *, anew: set[str]) -> None:
            self.said.append((set(tokens), set(anew)))

    shard = Wishes()
    shards = Shards(lambda _: shard, 10)  # type: ignore[arg-type,return-value]
    for wanted in ({"a", "b"}, {"b"}, {"a", "b"}):
        shards.assign(wanted)
    assert shard.said == [({"a", "b"}, {"a", "b"}), ({"b"}, set()), ({"a", "b"}, {"a"})]


def test_a_shard_reads_no_more_than_the_engine_can_follow(
    venue: SocketVenue, inbox: SimpleQueue[Any], start: Callable[..., Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_module, "MOST_WAITING", 3)
    start("a")
    until(inbox, Frames)
    for n in range(30):
        venue.send(price_change("a", "0.5", str(n)))
        time.sleep(0.005)
    assert inbox.qsize() <= 4
    heard: list[bytes] = []
    while len(heard) < 30:
        heard += until(inbox, Frames).frames
    assert [json.loads(f)["price_changes"][0]["size"] for f in heard] == [str(n) for n in range(30)]
