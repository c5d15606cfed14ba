"""A market socket on loopback that a test holds in its hand: it sees what is said and says what it likes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection, serve


class SocketVenue:
    """Answers text PING, and each subscription with `books(tokens)`. `mute_pongs` and `silent` are switches."""

    def __init__(self, books: Callable[[list[str]], Any] | None = None) -> None:
        self.books = books or (lambda tokens: [])
        self.said: list[Any] = []  # what clients sent, decoded
        self.connections: list[ServerConnection] = []
        self.mute_pongs = False
        self.silent = False
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> SocketVenue:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(5)

    def send(self, *messages: Any) -> None:
        """Send each message, JSON or raw bytes or text, to every client, in order."""
        self._call(self._send_all(messages))

    def drop(self) -> None:
        """Cut every connection without a close frame."""
        self._call(self._drop_all())

    def close(self, code: int, reason: str) -> None:
        """Begin to close every connection with a close frame, without waiting for the answer."""
        for connection in list(self.connections):
            asyncio.run_coroutine_threadsafe(connection.close(code, reason), self._loop)

    def _call(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(5)

    async def _send_all(self, messages: tuple[Any, ...]) -> None:
        for message in messages:
            text = message if isinstance(message, str | bytes) else json.dumps(message)
            for connection in list(self.connections):
                await connection.send(text)

    async def _drop_all(self) -> None:
        for connection in list(self.connections):
            connection.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._done = asyncio.Event()
        async with serve(self._client, "127.0.0.1", 0, compression=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"ws://127.0.0.1:{port}/ws/market"
            self._ready.set()
            await self._done.wait()

    async def _client(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        try:
            async for text in connection:
                if text == "PING":
                    self.said.append("PING")
                    if not self.mute_pongs:
                        await connection.send("PONG")
                    continue
                asked = json.loads(text)
                self.said.append(asked)
                if asked.get("operation") != "unsubscribe" and not self.silent:
                    await connection.send(json.dumps(self.books(asked["assets_ids"])))
        finally:
            self.connections.remove(connection)
