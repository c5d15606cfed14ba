"""A small HTTP client that never sends a request twice and says whether a byte of it may have left us.

Warm connections are kept and shared between threads; one request has a connection to itself. Time is
bounded as a whole: 3 s to connect, and a deadline for everything that no trickle of bytes can stretch.
No proxy, no redirect, no compression, no retry. Times are Unix milliseconds where they are recorded.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from markets.venues.polymarket.http1 import Answer, BadAnswer, read_answer

CONNECT_S = 3.0
OVERALL_S = 15.0
IDLE_S = 45.0  # the venue's front keeps connections much longer; its end is noticed before use anyway
MOST_IDLE = 32
MOST_BYTES = 1_000_000
_CHUNK = 65_536


class NotSent(Exception):
    """No byte of the request left us. `code` says why: the request may be made again without risk."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NoAnswer(Exception):
    """Bytes may have left us, and no usable answer came: what the request did is unknown."""

    def __init__(self, code: str, *, first_byte_ms: int) -> None:
        super().__init__(code)
        self.code = code
        self.first_byte_ms = first_byte_ms


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    first_byte_ms: int
    answered_ms: int


class Stream(Protocol):
    """What is used of a connected socket."""

    def send(self, data: memoryview, /) -> int: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


Dial = Callable[[float], Stream]  # seconds allowed -> a connected stream; raises NotSent


@dataclass(slots=True)
class _Held:
    stream: Stream
    used: bool
    idle_since: float = 0.0


class HttpPool:
    """Connections to one host. Safe to share between threads; a child process begins with none."""

    def __init__(
        self,
        base_url: str,
        *,
        connect_s: float = CONNECT_S,
        overall_s: float = OVERALL_S,
        idle_s: float = IDLE_S,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        dial: Dial | None = None,
    ) -> None:
        host = Host.of(base_url)
        self._prefix = host.path
        self._fixed = (
            f" HTTP/1.1\r\nHost: {host.header}\r\nUser-Agent: polybot-desk\r\nAccept: application/json\r\n"
            "Accept-Encoding: identity\r\n"
        )
        self._dial = dial or Dialer(host).connect
        self._connect_s, self._overall_s, self._idle_s = connect_s, overall_s, idle_s
        self._now_ms = now_ms
        self._idle: list[_Held] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._closed = False

    def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline_ms: int | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> HttpAnswer:
        """Return the answer, whatever its status. Raises NotSent or NoAnswer.

        After `deadline_ms` no first byte leaves any more, and no answer is waited for; nor after 15 s.
        """
        data = self._written(method, target, headers or {}, body)
        began, now_ms = time.monotonic(), self._now_ms()
        end = began + self._overall_s
        if deadline_ms is not None:
            end = min(end, began + (deadline_ms - now_ms) / 1_000)
        held = self._acquire(end)
        try:
            first_byte_ms, held = self._send(held, data, end, deadline_ms)
            answer = self._receive(held, end, most_bytes, first_byte_ms)
        except BaseException:
            held.stream.close()
            raise
        answered_ms = self._now_ms()
        if answer.reusable:
            self._release(held)
        else:
            held.stream.close()
        return HttpAnswer(answer.status, answer.headers, answer.body, first_byte_ms, answered_ms)

    def warm(self, count: int = 1) -> int:
        """Open connections ahead until `count` are idle; return how many are. Never raises for a host that is away."""
        while True:
            with self._lock:
                have = len(self._fresh())
            if have >= count or self._closed:
                return have
            try:
                self._release(_Held(self._dial(self._connect_s), used=False))
            except NotSent:
                return have

    def close(self) -> None:
        self._closed = True
        with self._lock:
            held, self._idle = self._idle, []
        for each in held:
            each.stream.close()

    def _written(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        parts = [method, " ", self._prefix, target, self._fixed]
        for name, value in headers.items():
            parts += (name, ": ", value, "\r\n")
        if body or method == "POST":
            parts.append(f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n")
        parts.append("\r\n")
        text = "".join(parts)
        lines = len(headers) + (8 if body or method == "POST" else 6)
        if text.count("\n") != lines or text.count("\r") != lines or " " in target:
            raise NotSent("malformed_request")  # a line end inside a value would begin another header
        try:
            return text.encode("ascii") + body
        except UnicodeEncodeError:
            raise NotSent("malformed_request") from None

    # --- connections --------------------------------------------------------------------------------------------------

    def _acquire(self, end: float) -> _Held:
        while (held := self._taken()) is not None:
            if _is_quiet(held.stream):
                return held
            held.stream.close()
        return self._opened(end)

    def _opened(self, end: float) -> _Held:
        left = min(self._connect_s, end - time.monotonic())
        if left <= 0:
            raise NotSent("too_late")
        return _Held(self._dial(left), used=False)

    def _taken(self) -> _Held | None:
        with self._lock:
            fresh = self._fresh()
            return fresh.pop() if fresh else None

    def _fresh(self) -> list[_Held]:
        """Return the idle connections after dropping the old ones. Call with the lock held."""
        if self._pid != os.getpid():
            self._idle, self._pid = [], os.getpid()  # the parent still talks on those
        oldest = time.monotonic() - self._idle_s
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.pop(0).stream.close()
        return self._idle

    def _release(self, held: _Held) -> None:
        held.used, held.idle_since = True, time.monotonic()
        with self._lock:
            if not self._closed and len(self._idle) < MOST_IDLE:
                self._idle.append(held)
                return
        held.stream.close()

    # --- one request --------------------------------------------------------------------------------------------------

    def _send(self, held: _Held, data: bytes, end: float, deadline_ms: int | None) -> tuple[int, _Held]:
        """Write everything; return when the first byte left, and the connection it left on."""
        while True:
            # Both clocks: the deadline is a moment of the wall clock, which may have been set meanwhile.
            first_byte_ms = self._now_ms()
            if time.monotonic() >= end or (deadline_ms is not None and first_byte_ms >= deadline_ms):
                held.stream.close()
                raise NotSent("too_late")
            try:
                _write(held.stream, data, end)
            except _NothingWritten as error:
                held.stream.close()
                if not held.used:
                    raise NotSent(error.code) from None
                held = self._opened(end)  # the old connection took no byte: it had ended while it was idle
                continue
            except Exception as error:
                held.stream.close()
                raise NoAnswer(_code(error), first_byte_ms=first_byte_ms) from None
            return first_byte_ms, held

    def _receive(self, held: _Held, end: float, most_bytes: int, first_byte_ms: int) -> Answer:
        stream = held.stream

        def fill() -> bytes:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            stream.settimeout(left)
            return stream.recv(_CHUNK)

        try:
            return read_answer(fill, most_bytes=most_bytes)
        except BadAnswer as error:
            raise NoAnswer(error.code, first_byte_ms=first_byte_ms) from None
        except Exception as error:
            # Whatever went wrong, bytes had left: never "not sent".
            raise NoAnswer(_code(error), first_byte_ms=first_byte_ms) from None


class _NothingWritten(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _write(stream: Stream, data: bytes, end: float) -> None:
    view, written = memoryview(data), 0
    while written < len(data):
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        stream.settimeout(left)
        try:
            written += stream.send(view[written:])
        except OSError as error:
            # Under TLS a failed write may have put a part of its records on the way.
            if written or isinstance(stream, ssl.SSLSocket) or isinstance(error, TimeoutError):
                raise
            raise _NothingWritten(_code(error)) from None


def _is_quiet(stream: Stream) -> bool:
    """Whether an idle connection is still open and nobody has said anything on it."""
    try:
        stream.settimeout(0)
        stream.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False  # its end, or bytes that nobody asked for


def _code(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "reset"
    return "tls_failed" if isinstance(error, ssl.SSLError) else type(error).__name__


# --- connecting -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Host:
    name: str
    port: int
    secure: bool
    path: str  # what stands before every target, without a slash at its end

    @classmethod
    def of(cls, base_url: str) -> Host:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ValueError(f"{base_url!r:.200} is not a plain http or https address")
        secure = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if secure else 80), secure, parts.path.rstrip("/"))

    @property
    def header(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == (443 if self.secure else 80) else f"{name}:{self.port}"


class Dialer:
    """Opens connections to one host, without a proxy, with TLS verified."""

    def __init__(self, host: Host, *, context: ssl.SSLContext | None = None) -> None:
        self._host = host
        self._context = context or (ssl.create_default_context() if host.secure else None)

    def connect(self, within_s: float) -> Stream:
        """Return a connected stream. Raises NotSent: dns_failed, connect_failed, tls_failed."""
        end = time.monotonic() + within_s
        addresses = _resolve(self._host, within_s)
        plain = self._first(addresses, end)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._context is None:
                return plain
            plain.settimeout(max(0.001, end - time.monotonic()))
            return self._context.wrap_socket(plain, server_hostname=self._host.name)
        except OSError:  # also every TLS error: a certificate of somebody else, a cut handshake
            plain.close()
            raise NotSent("tls_failed") from None

    def _first(self, addresses: list[tuple[int, object]], end: float) -> socket.socket:
        code = "connect_failed"
        for tried, (family, address) in enumerate(addresses):
            left = (end - time.monotonic()) / (len(addresses) - tried)
            if left <= 0:
                break
            plain = socket.socket(family, socket.SOCK_STREAM)
            try:
                plain.settimeout(left)
                plain.connect(address)  # type: ignore[arg-type]
                return plain
            except TimeoutError:
                code = "connect_timeout"
            except OSError:
                code = "connect_failed"
            plain.close()
        raise NotSent(code)


def _resolve(host: Host, within_s: float) -> list[tuple[int, object]]:
    """Return (family, address) pairs. A resolver may take far longer than we have, so it is not waited for."""
    if (literal := _literal(host)) is not None:
        return [literal]
    found: list[tuple[int, object]] = []

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
        except OSError:
            return
        found.extend((row[0], row[4]) for row in rows)

    asker = threading.Thread(target=ask, daemon=True, name="resolve")
    asker.start()
    asker.join(within_s)
    if asker.is_alive() or not found:
        raise NotSent("dns_failed")
    return found[:4]


def _literal(host: Host) -> tuple[int, object] | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.name)
        except OSError:
            continue
        return (family, (host.name, host.port))
    return None
