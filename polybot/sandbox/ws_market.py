"""The public market channel: subscriptions, the first snapshots, and the fan-out of what happens.

Every event is encoded once, then put into the queue of each socket that watches one of
its assets; `custom` events go only to sockets that asked for them. A socket that watches
more than `SNAPSHOT_ASSETS` assets gets no snapshots, as on the venue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from polybot.sandbox.faults import Faults
from polybot.sandbox.http_core import encode
from polybot.sandbox.messages import MarketEvent, Refusal
from polybot.sandbox.stats import Stats
from polybot.sandbox.ws_core import POLICY_VIOLATION, Connection, Receive, Send, parse, serve, texts

SNAPSHOT_ASSETS = 500
BAD_SUBSCRIPTION = "invalid subscription payload"


class MarketSocket:
    """One client of the market channel."""

    def __init__(self, hub: MarketHub, connection: Connection) -> None:
        self._hub = hub
        self.connection = connection
        self.assets: dict[str, None] = {}
        self.custom = False
        self.subscribed = False

    def on_text(self, text: str) -> None:
        if text == "PING":
            if self.subscribed:
                self.connection.put("PONG")
            else:
                self.connection.close(POLICY_VIOLATION, BAD_SUBSCRIPTION)
            return
        message = parse(text)
        if not self.subscribed:
            wanted = texts(message.get("assets_ids")) if message is not None else None
            kind = str(message.get("type", "market")).lower() if message is not None else ""
            if message is None or wanted is None or kind != "market":
                self.connection.close(POLICY_VIOLATION, BAD_SUBSCRIPTION)
                return
            self.subscribed = True
            self._hub.sockets.add(self)
            self.custom = message.get("custom_feature_enabled") is True
            self._watch(wanted, dump=message.get("initial_dump") is not False)
        elif message is not None:
            self._operate(message)

    def _operate(self, message: dict[str, Any]) -> None:
        wanted = texts(message.get("assets_ids"))
        if wanted is None:
            return
        # A repeated first frame, which names no operation, adds its assets.
        if message.get("operation", "subscribe") == "subscribe":
            # The flag counts even when every named asset is active already and is refused as a duplicate.
            if isinstance(message.get("custom_feature_enabled"), bool):
                self.custom = message["custom_feature_enabled"]
            self._watch([a for a in wanted if a not in self.assets], dump=message.get("initial_dump") is not False)
        elif message.get("operation") == "unsubscribe":
            for asset in wanted:
                if asset in self.assets:
                    del self.assets[asset]
                    self._hub.unwatch(asset, self)

    def _watch(self, assets: list[str], *, dump: bool) -> None:
        for asset in assets:
            self.assets[asset] = None
            self._hub.watch(asset, self)
        if dump and assets and len(self.assets) <= SNAPSHOT_ASSETS:
            self.connection.put(self._hub.snapshot(assets))


class MarketHub:
    """All sockets of the market channel. `book` returns a token's `book` event or raises Refusal."""

    def __init__(self, book: Callable[[str], dict[str, Any]], faults: Faults, stats: Stats) -> None:
        self._book = book
        self._faults = faults
        self._stats = stats
        self._watchers: dict[str, dict[MarketSocket, None]] = {}
        self.sockets: set[MarketSocket] = set()

    async def handle(self, receive: Receive, send: Send) -> None:
        connection = Connection(send, on_slow=self._count_slow)
        socket = MarketSocket(self, connection)
        try:
            await serve(receive, connection, socket.on_text)
        finally:
            self.sockets.discard(socket)
            for asset in socket.assets:
                self.unwatch(asset, socket)

    def watch(self, asset: str, socket: MarketSocket) -> None:
        self._watchers.setdefault(asset, {})[socket] = None

    def unwatch(self, asset: str, socket: MarketSocket) -> None:
        watchers = self._watchers.get(asset)
        if watchers is not None:
            watchers.pop(socket, None)
            if not watchers:
                del self._watchers[asset]

    def snapshot(self, assets: list[str]) -> str:
        """Return the array of `book` events that answers a subscription; unknown assets are left out."""
        books = []
        for asset in assets:
            try:
                books.append(self._book(asset))
            except Refusal:
                continue
        return encode(books).decode()

    def publish(self, event: MarketEvent) -> None:
        receivers = self._receivers(event)
        if not receivers:
            return
        text = encode(event.body).decode()
        if self._faults.sockets:
            frames = self._faults.deliveries(
                text,
                channel="market",
                event_type=str(event.body.get("event_type", "")),
                market=event.market,
                assets=event.asset_ids,
            )
            for frame in frames:
                self._deliver(frame.text, receivers, frame.after_ms)
            return
        self._deliver(text, receivers, 0)

    def disconnect_all(self, code: int, reason: str) -> int:
        for socket in self.sockets:
            socket.connection.close(code, reason)
        return len(self.sockets)

    def _receivers(self, event: MarketEvent) -> Iterable[MarketSocket]:
        if event.broadcast:
            return [s for s in self.sockets if s.custom or not event.custom]
        found: dict[MarketSocket, None] = {}
        for asset in event.asset_ids:
            found.update(self._watchers.get(asset, {}))
        if event.custom:
            return [s for s in found if s.custom]
        return found

    def _deliver(self, text: str, receivers: Iterable[MarketSocket], after_ms: int) -> None:
        if after_ms:
            asyncio.get_running_loop().call_later(after_ms / 1000, self._deliver, text, list(receivers), 0)
            return
        count = 0
        for socket in receivers:
            socket.connection.put(text)
            count += 1
        self._stats.socket_messages["market"] += count

    def _count_slow(self) -> None:
        self._stats.slow_clients += 1
