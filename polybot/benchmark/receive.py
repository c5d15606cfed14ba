"""Socket to messages: the feed's connection against websocket-client as it comes, on a real loopback socket."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
import time

import websocket

from markets.feed.connection import Connection
from polybot.benchmark.report import Comparison, Wrong, interleaved

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def compare(*, messages: int, size: int, rounds: int) -> list[Comparison]:
    """Return messages a second. The plain way gets a tenth of them: it is that slow. Raises Wrong."""
    payload = b'{"a":"' + b"x" * (size - 8) + b'"}'
    ours, theirs = interleaved(
        lambda: _ours(payload, messages), lambda: _plain(payload, max(100, messages // 10)), rounds=rounds
    )
    name = f"receive {size} B messages vs websocket-client"
    return [Comparison(name=name, unit="messages/s", ours=ours, theirs=theirs, target=10)]


def _ours(payload: bytes, count: int) -> float:
    with _Server(payload, count) as url:
        connection = Connection(url)
        began, got = time.perf_counter(), 0
        while got < count:
            for message in connection.receive(5):
                if message != payload:
                    raise Wrong("a message arrived changed")
                got += 1
        elapsed = time.perf_counter() - began
        connection.close()
    return count / elapsed


def _plain(payload: bytes, count: int) -> float:
    text = payload.decode()
    with _Server(payload, count) as url:
        connection = websocket.create_connection(url, timeout=5)
        began = time.perf_counter()
        for _ in range(count):
            if connection.recv() != text:
                raise Wrong("a message arrived changed")
        elapsed = time.perf_counter() - began
        connection.shutdown()
    return count / elapsed


class _Server:
    """Shakes hands with one client and sends `count` text frames as fast as it reads them."""

    def __init__(self, payload: bytes, count: int) -> None:
        self._frame = b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload
        self._count = count
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"ws://127.0.0.1:{self._listener.getsockname()[1]}/"

    def __exit__(self, *_: object) -> None:
        self._thread.join(5)
        self._listener.close()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        with client:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += client.recv(4_096)
            lines = (line.partition(b":") for line in request.split(b"\r\n"))
            key = next(value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key")
            answer = base64.b64encode(hashlib.sha1(key + _GUID.encode(), usedforsecurity=False).digest())
            client.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + answer + b"\r\n\r\n"
            )
            block = self._frame * 50
            try:
                for _ in range(self._count // 50):
                    client.sendall(block)
                client.sendall(self._frame * (self._count % 50))
                client.settimeout(5)
                client.recv(4_096)  # the client's close
            except OSError:
                return  # the client has what it wanted
