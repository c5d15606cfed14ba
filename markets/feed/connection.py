"""One WebSocket to a venue: opened and written by websocket-client, read by `frames.FrameReader`.

Used by one thread. Protocol pings are answered, a close is acknowledged; the venue's own text PING is
the shard's business. Every way a connection can end raises ConnectionLost with the reason.
"""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import suppress

import websocket

from markets.feed.frames import BINARY, CLOSE, PING, TEXT, FrameError, FrameReader

RECEIVE_BYTES = 256 * 1024


class ConnectionLost(Exception):
    """The connection ended or never began. Reconnect after a pause; what was sent meanwhile is missed."""


class Connection:
    """An open socket. `receive` waits for frames; `send` writes one text."""

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        """Connect and shake hands. Raises ConnectionLost."""
        try:
            self._socket = websocket.create_connection(url, timeout=timeout_s, enable_multithread=False)
        except (websocket.WebSocketException, OSError, ssl.SSLError, ValueError) as error:
            raise ConnectionLost(f"cannot connect: {_said(error)}") from error
        self._raw: socket.socket = self._socket.sock
        self._reader = FrameReader()
        self._timeout_s = -1.0

    def receive(self, timeout_s: float) -> list[bytes]:
        """Return the messages that arrive within `timeout_s`, none if nothing does. Raises ConnectionLost."""
        if timeout_s != self._timeout_s:
            self._raw.settimeout(timeout_s)
            self._timeout_s = timeout_s
        try:
            data = self._raw.recv(RECEIVE_BYTES)
        except (TimeoutError, ssl.SSLWantReadError):
            return []
        except (OSError, ValueError) as error:
            raise ConnectionLost(f"connection broke: {_said(error)}") from error
        if not data:
            raise ConnectionLost("the server closed the connection without a word")
        try:
            messages = self._reader.push(data)
        except FrameError as error:
            self.close(error.status)
            raise ConnectionLost(f"protocol error: {error}") from error
        texts = []
        for opcode, payload in messages:
            if opcode in (TEXT, BINARY):
                texts.append(payload)
            elif opcode == PING:
                self._write(payload, websocket.ABNF.OPCODE_PONG)
            elif opcode == CLOSE:
                self.close(struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1000)
                reason = payload[2:].decode("utf-8", "replace")[:120]
                code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else "no code"
                raise ConnectionLost(f"the server closed the connection: {code} {reason}".rstrip())
        return texts

    def send(self, text: str) -> None:
        self._write(text.encode(), websocket.ABNF.OPCODE_TEXT)

    def close(self, status: int = 1000) -> None:
        """Say goodbye without waiting for the answer."""
        with suppress(Exception):  # best effort on a socket that may be gone
            self._socket.sock.settimeout(0.5)
            self._socket.send_close(status if 1000 <= status < 5000 and status not in (1005, 1006) else 1000)
        self._socket.shutdown()

    def _write(self, payload: bytes, opcode: int) -> None:
        try:
            if self._timeout_s < 1:  # a read timeout of a moment is too short for a write to a slow peer
                self._raw.settimeout(5.0)
                self._timeout_s = 5.0
            self._socket.send(payload, opcode)
        except (websocket.WebSocketException, OSError, ValueError) as error:
            raise ConnectionLost(f"connection broke while writing: {_said(error)}") from error


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
