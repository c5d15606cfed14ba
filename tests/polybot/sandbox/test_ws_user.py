"""The user channel: a key hears its own orders and trades, and nobody else's."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import Any

from polybot.sandbox.faults import Faults
from polybot.sandbox.messages import UserEvent
from polybot.sandbox.stats import Stats
from polybot.sandbox.ws_core import Connection
from polybot.sandbox.ws_user import UserHub, UserSocket


class Keys:
    """A key ring that knows the keys `a` and `b`, each with its own name as secret."""

    def socket_key(self, auth: Any) -> Any:
        known = isinstance(auth, dict) and auth.get("apiKey") in ("a", "b") and auth.get("secret") == auth["apiKey"]
        return SimpleNamespace(key=auth["apiKey"]) if known else None


async def nowhere(message: dict[str, Any]) -> None: ...


def hub() -> UserHub:
    return UserHub(Keys(), Faults(random.Random(1), clock=lambda: 0), Stats())  # type: ignore[arg-type]


def client(served: UserHub, owner: str = "a", **more: Any) -> UserSocket:
    socket = UserSocket(served, Connection(nowhere))
    socket.on_text(json.dumps({"type": "user", "auth": {"apiKey": owner, "secret": owner}, **more}))
    return socket


def event(owner: str = "a", market: str = "0x1", kind: str = "order") -> UserEvent:
    return UserEvent(owner=owner, market=market, body={"event_type": kind, "asset_id": "7"})


def heard(socket: UserSocket) -> list[str]:
    kinds = [json.loads(frame)["event_type"] for frame in socket.connection.outgoing]
    socket.connection.outgoing.clear()
    return kinds


def test_a_key_hears_only_itself() -> None:
    served = hub()
    mine, other = client(served), client(served, "b")
    served.publish(event())
    assert (heard(mine), heard(other)) == (["order"], [])


def test_named_markets_narrow_the_channel_and_can_be_changed() -> None:
    served = hub()
    socket = client(served, markets=["0x1"])
    for market in ("0x1", "0x2"):
        served.publish(event(market=market, kind="trade"))
    assert heard(socket) == ["trade"]
    socket.on_text('{"operation":"subscribe","markets":["0x2"]}')
    socket.on_text('{"operation":"unsubscribe","markets":["0x1"]}')
    for market in ("0x1", "0x2"):
        served.publish(event(market=market, kind="order"))
    assert heard(socket) == ["order"]


def test_an_empty_list_of_markets_loses_the_trades() -> None:
    served = hub()
    socket = client(served, markets=[])
    served.publish(event(kind="order"))
    served.publish(event(kind="trade"))
    assert heard(socket) == ["order"]


def test_wrong_credentials_or_an_early_ping_close_the_socket() -> None:
    served = hub()
    wrong = UserSocket(served, Connection(nowhere))
    wrong.on_text('{"type":"user","auth":{"apiKey":"a","secret":"b"}}')
    early = UserSocket(served, Connection(nowhere))
    early.on_text("PING")
    assert (wrong.connection.closing, early.connection.closing) == (
        (1008, "invalid api key"),
        (1008, "invalid subscription payload"),
    )
    assert served.sockets == set()
