"""The market channel: who hears what, in which order, and what a bad or slow client gets."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

from polybot.sandbox.faults import Faults
from polybot.sandbox.messages import MarketEvent, Refusal
from polybot.sandbox.stats import Stats
from polybot.sandbox.ws_core import Connection, serve
from polybot.sandbox.ws_market import MarketHub, MarketSocket


async def nowhere(message: dict[str, Any]) -> None: ...


def book(token: str) -> dict[str, Any]:
    if not token.isdecimal():
        raise Refusal(404, "no book")
    return {"event_type": "book", "asset_id": token}


class Client:
    """One socket of a hub, with its queue in place of a network."""

    def __init__(self, hub: MarketHub, limit: int = 1000) -> None:
        self.connection = Connection(nowhere, limit=limit)
        self.socket = MarketSocket(hub, self.connection)

    def say(self, message: object) -> None:
        self.socket.on_text(message if isinstance(message, str) else json.dumps(message))

    def hear(self) -> list[Any]:
        heard = [json.loads(f) if f != "PONG" else f for f in self.connection.outgoing]
        self.connection.outgoing.clear()
        return heard

    def subscribe(self, *assets: str, **more: object) -> list[Any]:
        self.say({"type": "market", "assets_ids": list(assets), **more})
        return self.hear()


def hub() -> MarketHub:
    return MarketHub(book, Faults(random.Random(1), clock=lambda: 0), Stats())


def event(*assets: str, kind: str = "price_change", custom: bool = False, broadcast: bool = False) -> MarketEvent:
    return MarketEvent(
        market="0xa", asset_ids=assets, body={"event_type": kind, "to": assets}, custom=custom, broadcast=broadcast
    )


def test_a_subscription_is_answered_with_one_array_of_books() -> None:
    client = Client(hub())
    assert client.subscribe("1", "unknown", "2") == [[book("1"), book("2")]]


def test_an_event_reaches_each_watcher_of_its_assets_once() -> None:
    served = hub()
    both, one, other = Client(served), Client(served), Client(served)
    both.subscribe("1", "2")
    one.subscribe("2")
    other.subscribe("3")
    served.publish(event("1", "2"))
    assert [len(c.hear()) for c in (both, one, other)] == [1, 1, 0]


def test_custom_events_need_the_flag_and_broadcasts_go_to_every_such_socket() -> None:
    served = hub()
    plain, custom = Client(served), Client(served)
    plain.subscribe("1")
    custom.subscribe("1", custom_feature_enabled=True)
    served.publish(event("1", kind="best_bid_ask", custom=True))
    served.publish(event("9", kind="new_market", custom=True, broadcast=True))
    assert plain.hear() == []
    assert [m["event_type"] for m in custom.hear()] == ["best_bid_ask", "new_market"]


def test_subscriptions_change_on_a_live_socket() -> None:
    served = hub()
    client = Client(served)
    client.subscribe("1")
    client.say({"operation": "subscribe", "assets_ids": ["1", "2"]})
    assert client.hear() == [[book("2")]]  # what was active already is not repeated
    client.say({"type": "market", "assets_ids": ["3"]})
    assert client.hear() == [[book("3")]]
    client.say({"operation": "unsubscribe", "assets_ids": ["1"]})
    served.publish(event("1"))
    served.publish(event("2"))
    assert [m["to"] for m in client.hear()] == [["2"]]


def test_naming_an_active_asset_toggles_the_custom_flag() -> None:
    served = hub()
    client = Client(served)
    client.subscribe("1")
    client.say({"operation": "subscribe", "assets_ids": ["1"], "custom_feature_enabled": True})
    served.publish(event("1", custom=True))
    assert len(client.hear()) == 1


def test_no_snapshot_is_sent_when_asked_for_none_or_beyond_five_hundred_assets() -> None:
    served = hub()
    assert Client(served).subscribe("1", initial_dump=False) == []
    assert Client(served).subscribe(*map(str, range(501))) == []


def test_ping_is_answered_after_a_subscription_and_fatal_before() -> None:
    early, late = Client(hub()), Client(hub())
    early.say("PING")
    assert early.connection.closing == (1008, "invalid subscription payload")
    late.subscribe("1")
    late.say("PING")
    assert late.hear() == ["PONG"]


def test_a_first_frame_that_is_no_subscription_closes_the_socket() -> None:
    for frame in ("hello", "[]", {"type": "user", "assets_ids": ["1"]}, {"type": "market"}, {"assets_ids": [1]}):
        client = Client(hub())
        client.say(frame)
        assert client.connection.closing == (1008, "invalid subscription payload")


def test_nonsense_after_the_subscription_is_ignored() -> None:
    client = Client(hub())
    client.subscribe("1")
    for frame in ("hello", "[]", {"operation": "subscribe"}, {"operation": "fly", "assets_ids": ["2"]}):
        client.say(frame)
    assert (client.hear(), client.connection.closing) == ([], None)


def test_a_client_that_does_not_read_is_closed_and_counted() -> None:
    slow: list[int] = []
    connection = Connection(nowhere, on_slow=lambda: slow.append(1), limit=3)
    for n in range(5):
        connection.put(str(n))
    assert connection.closing == (1013, "the client reads too slowly")
    assert (len(connection.outgoing), slow) == (0, [1])


def test_frames_arrive_in_order_and_a_leaving_client_is_forgotten() -> None:
    asyncio.run(_connected())


async def _connected() -> None:
    served, sent, incoming = hub(), [], asyncio.Queue[dict[str, Any]]()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    running = asyncio.create_task(served.handle(incoming.get, send))
    await incoming.put({"type": "websocket.receive", "text": '{"type":"market","assets_ids":["1"]}'})
    await asyncio.sleep(0.01)
    for _ in range(3):
        served.publish(event("1"))
    await asyncio.sleep(0.01)
    assert [m["type"] for m in sent] == ["websocket.send"] * 4
    await incoming.put({"type": "websocket.disconnect"})
    await asyncio.wait_for(running, 1)
    assert served.sockets == set()
    served.publish(event("1"))
    assert len(sent) == 4


def test_the_server_can_end_a_connection_after_what_is_queued() -> None:
    asyncio.run(_closed())


async def _closed() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    connection = Connection(send)
    connection.put("last words")
    connection.close(1012, "bye")
    await asyncio.wait_for(serve(never, connection, lambda text: None), 1)
    assert [m.get("text") or m.get("code") for m in sent] == ["last words", 1012]
