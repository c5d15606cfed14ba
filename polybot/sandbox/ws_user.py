"""The user channel: a client proves its API key in the first message, then hears its orders and trades.

There is no snapshot. Without `markets` everything of the key is sent; an empty list is
taken at its word, as on the venue: order events of no market in particular, and no trades.
"""

from __future__ import annotations

import asyncio
from typing import Any

from polybot.sandbox.auth import KeyRing
from polybot.sandbox.faults import Faults
from polybot.sandbox.http_core import encode
from polybot.sandbox.messages import UserEvent
from polybot.sandbox.stats import Stats
from polybot.sandbox.ws_core import POLICY_VIOLATION, Connection, Receive, Send, parse, serve, texts

BAD_CREDENTIALS = "invalid api key"


class UserSocket:
    def __init__(self, hub: UserHub, connection: Connection) -> None:
        self._hub = hub
        self.connection = connection
        self.owner = ""
        self.markets: dict[str, None] | None = None  # None: all

    def on_text(self, text: str) -> None:
        if text == "PING":
            if self.owner:
                self.connection.put("PONG")
            else:
                self.connection.close(POLICY_VIOLATION, "invalid subscription payload")
            return
        message = parse(text)
        if not self.owner:
            key = self._hub.keys.socket_key(message.get("auth")) if message is not None else None
            if message is None or key is None:
                self.connection.close(POLICY_VIOLATION, BAD_CREDENTIALS)
                return
            self.owner = key.key
            named = texts(message.get("markets"))
            self.markets = None if named is None else dict.fromkeys(named)
            self._hub.sockets.add(self)
        elif message is not None:
            self._operate(message)

    def wants(self, event: UserEvent) -> bool:
        if self.markets is None or event.market in self.markets:
            return True
        return not self.markets and event.body.get("event_type") == "order"

    def _operate(self, message: dict[str, Any]) -> None:
        named = texts(message.get("markets"))
        if named is None:
            return
        if message.get("operation") == "subscribe" and self.markets is not None:
            self.markets.update(dict.fromkeys(named))
        elif message.get("operation") == "unsubscribe" and self.markets is not None:
            for market in named:
                self.markets.pop(market, None)


class UserHub:
    def __init__(self, keys: KeyRing, faults: Faults, stats: Stats) -> None:
        self.keys = keys
        self._faults = faults
        self._stats = stats
        self.sockets: set[UserSocket] = set()

    async def handle(self, receive: Receive, send: Send) -> None:
        connection = Connection(send)
        socket = UserSocket(self, connection)
        try:
            await serve(receive, connection, socket.on_text)
        finally:
            self.sockets.discard(socket)

    def publish(self, event: UserEvent) -> None:
        receivers = [s for s in self.sockets if s.owner == event.owner and s.wants(event)]
        if not receivers:
            return
        text = encode(event.body).decode()
        if not self._faults.sockets:
            self._deliver(text, receivers)
            return
        frames = self._faults.deliveries(
            text,
            channel="user",
            event_type=str(event.body.get("event_type", "")),
            market=event.market,
            assets=(str(event.body.get("asset_id", "")),),
        )
        for frame in frames:
            if frame.after_ms:
                asyncio.get_running_loop().call_later(frame.after_ms / 1000, self._deliver, frame.text, receivers)
            else:
                self._deliver(frame.text, receivers)

    def disconnect_all(self, code: int, reason: str) -> int:
        for socket in self.sockets:
            socket.connection.close(code, reason)
        return len(self.sockets)

    def _deliver(self, text: str, receivers: list[UserSocket]) -> None:
        for socket in receivers:
            socket.connection.put(text)
        self._stats.socket_messages["user"] += len(receivers)
