"""A host on loopback that plays scripted answers: what it says, byte by byte, and when it hangs up."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Visit:
    """One connection as the host has it."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream

    def request(self) -> bytes:
        """Return the next whole request, b"" when the client has hung up."""
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = self.stream.recv(65_536)
            if not chunk:
                return b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += self.stream.recv(65_536)
        return head + b"\r\n\r\n" + body

    def say(self, data: bytes) -> None:
        self.stream.sendall(data)

    def drip(self, data: bytes, *, every_s: float) -> None:
        for byte in data:
            self.stream.sendall(bytes((byte,)))
            time.sleep(every_s)

    def reset(self) -> None:
        """Close with a reset instead of an end."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.close()


class ScriptedHost:
    def __init__(self, script: Callable[[Visit, int], None], context: ssl.SSLContext | None) -> None:
        self.requests: list[bytes] = []
        self.visits = 0
        self._script, self._context = script, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._streams: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            self._streams.append(stream)
            self.visits += 1
            threading.Thread(target=self._serve, args=(stream, self.visits), daemon=True).start()

    def _serve(self, stream: socket.socket, number: int) -> None:
        try:
            if self._context is not None:
                stream = self._context.wrap_socket(stream, server_side=True)
                self._streams.append(stream)
            visit = Visit(stream)
            take = visit.request

            def noted() -> bytes:
                data = take()
                if data:
                    self.requests.append(data)
                return data

            visit.request = noted  # type: ignore[method-assign]
            self._script(visit, number)
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()
        for stream in self._streams:
            stream.close()


@contextmanager
def scripted(script: Callable[[Visit, int], None], *, context: ssl.SSLContext | None = None) -> Iterator[ScriptedHost]:
    host = ScriptedHost(script, context)
    try:
        yield host
    finally:
        host.close()


def obliging(visit: Visit, _: int) -> None:
    """Answer every request with "ok"."""
    while visit.request():
        visit.say(OK)
