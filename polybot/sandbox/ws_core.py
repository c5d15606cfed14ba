"""One socket of a subscriber: a bounded queue in front of a connection that may be slow.

Frames are text, encoded once by the hub and shared by every queue. A client that lets
`QUEUE_FRAMES` frames pile up is closed: silently losing messages would be worse for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

QUEUE_FRAMES = 20_000
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Connection:
    """A subscriber. `outgoing` holds frames not yet handed to the operating system."""

    def __init__(self, send: Send, *, on_slow: Callable[[], None] = lambda: None, limit: int = QUEUE_FRAMES) -> None:
        self._send = send
        self._on_slow = on_slow
        self._limit = limit
        self._wake = asyncio.Event()
        self.outgoing: deque[str] = deque()
        self.closing: tuple[int, str] | None = None
        self.sent = 0

    def put(self, frame: str) -> None:
        if self.closing is not None:
            return
        if len(self.outgoing) >= self._limit:
            self.outgoing.clear()
            self._on_slow()
            self.close(TRY_AGAIN_LATER, "the client reads too slowly")
            return
        self.outgoing.append(frame)
        self._wake.set()

    def close(self, code: int, reason: str = "") -> None:
        """Close once what is queued has been sent."""
        if self.closing is None:
            self.closing = (code, reason)
            self._wake.set()

    async def write_forever(self) -> None:
        """Send queued frames in order until the connection is to be closed, then close it."""
        outgoing, send = self.outgoing, self._send
        while True:
            while outgoing:
                await send({"type": "websocket.send", "text": outgoing.popleft()})
                self.sent += 1
            if self.closing is not None:
                code, reason = self.closing
                await send({"type": "websocket.close", "code": code, "reason": reason})
                return
            self._wake.clear()
            await self._wake.wait()


async def serve(receive: Receive, connection: Connection, on_text: Callable[[str], None]) -> None:
    """Run a connection until either side ends it; `on_text` is called with every text frame that arrives."""

    async def read_forever() -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            if message["type"] == "websocket.receive" and connection.closing is None:
                raw = message.get("text")
                on_text(raw if raw is not None else message.get("bytes", b"").decode("utf-8", "replace"))

    reader = asyncio.ensure_future(read_forever())
    writer = asyncio.ensure_future(connection.write_forever())
    try:
        await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (reader, writer):
            task.cancel()
        await asyncio.gather(reader, writer, return_exceptions=True)


def parse(text: str) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def texts(value: Any) -> list[str] | None:
    """Return `value` when it is a list of texts, each once and in order; None otherwise."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return list(dict.fromkeys(value))
