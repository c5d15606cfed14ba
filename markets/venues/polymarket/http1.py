"""One HTTP/1.1 answer from a stream of bytes, read strictly: what is ambiguous is an error, never a guess.

Pure: the bytes come from a function, which also keeps the time. Nothing here follows a redirect or
unpacks a compressed body (none is asked for).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

MOST_HEAD = 65_536
MOST_INTERIM = 5  # answers such as "100 Continue" before the real one
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")
_DIGITS = re.compile(r"[0-9]{1,12}")

Fill = Callable[[], bytes]  # the next bytes, b"" at the end of the stream


class BadAnswer(Exception):
    """No answer that can be used. `code`: closed, truncated, malformed_http, head_too_large, body_too_large."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case; repeated ones joined by commas
    body: bytes
    reusable: bool  # whether another request may follow on the same stream


def read_answer(fill: Fill, *, most_bytes: int) -> Answer:
    """Return the next answer of the stream. Raises BadAnswer; what `fill` raises passes through."""
    stream = _Stream(fill)
    for _ in range(MOST_INTERIM):
        minor, status, headers = _read_head(stream)
        if status >= 200:
            break
    else:
        raise BadAnswer("malformed_http")
    body, delimited = _read_body(stream, status, headers, most_bytes)
    words = {word.strip() for word in headers.get("connection", "").lower().split(",")}
    alive = "close" not in words and (minor == 1 or "keep-alive" in words)
    # Bytes beyond the body would be taken for the answer to the next request.
    return Answer(status, headers, body, reusable=alive and delimited and stream.is_empty())


class _Stream:
    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self._held = bytearray()
        self._began = False

    def is_empty(self) -> bool:
        return not self._held

    def line(self, left: int) -> bytes:
        """Return a line without its end. Raises when it is longer than `left` bytes."""
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) > left:
                raise BadAnswer("head_too_large")
            self._more()
        if end > left:
            raise BadAnswer("head_too_large")
        line = bytes(self._held[:end]).removesuffix(b"\r")
        del self._held[: end + 1]
        return line

    def exactly(self, count: int) -> bytes:
        while len(self._held) < count:
            self._more()
        part = bytes(self._held[:count])
        del self._held[:count]
        return part

    def rest(self, most_bytes: int) -> bytes:
        while len(self._held) <= most_bytes and (chunk := self._fill()):
            self._held += chunk
        if len(self._held) > most_bytes:
            raise BadAnswer("body_too_large")
        part = bytes(self._held)
        self._held.clear()
        return part

    def _more(self) -> None:
        chunk = self._fill()
        if not chunk:
            raise BadAnswer("truncated" if self._began else "closed")
        self._began = True
        self._held += chunk


def _read_head(stream: _Stream) -> tuple[int, int, dict[str, str]]:
    """Return (minor version, status, headers)."""
    left = MOST_HEAD
    line = stream.line(left)
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise BadAnswer("malformed_http")
    headers: dict[str, str] = {}
    while True:
        left -= len(line)
        line = stream.line(max(left, 0))
        if not line:
            return int(found[1]), int(found[2]), headers
        field = _FIELD.fullmatch(line)
        if field is None:
            raise BadAnswer("malformed_http")
        name, value = field[1].decode("ascii").lower(), field[2].decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value


def _read_body(stream: _Stream, status: int, headers: dict[str, str], most_bytes: int) -> tuple[bytes, bool]:
    """Return (body, whether its end was marked); without a mark it ends with the stream."""
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if length is not None or coding.lower() != "chunked":
            raise BadAnswer("malformed_http")
        return _read_chunks(stream, most_bytes), True
    if status in (204, 304):
        return b"", True
    if length is None:
        return stream.rest(most_bytes), False
    if not _DIGITS.fullmatch(length):
        raise BadAnswer("malformed_http")
    if int(length) > most_bytes:
        raise BadAnswer("body_too_large")
    return stream.exactly(int(length)), True


def _read_chunks(stream: _Stream, most_bytes: int) -> bytes:
    body = bytearray()
    while True:
        found = _CHUNK.fullmatch(stream.line(1_000))
        if found is None:
            raise BadAnswer("malformed_http")
        size = int(found[1], 16)
        if not size:
            break
        if len(body) + size > most_bytes:
            raise BadAnswer("body_too_large")
        body += stream.exactly(size)
        if stream.line(1_000):
            raise BadAnswer("malformed_http")
    left = MOST_HEAD
    while line := stream.line(max(left, 0)):
        left -= len(line)
    return bytes(body)
