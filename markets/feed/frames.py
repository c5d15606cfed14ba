"""WebSocket frames out of a byte stream (RFC 6455, client side), as fast as Python slices bytes.

websocket-client's own receive path spends its time on four things: two or three locked reads of a
few bytes for every frame, a new ABNF object each, a UTF-8 check written in Python that walks every
byte, and a decode to str that the JSON decoder undoes. Here one large read is cut into frames by
index; text stays bytes, and the JSON decoder behind it checks the UTF-8 in C.
"""

from __future__ import annotations

from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_KNOWN = {CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG}
MAX_MESSAGE = 16 * 1024 * 1024


class FrameError(Exception):
    """The peer broke the WebSocket protocol; the connection must be closed with 1002 (or 1009 when too large)."""

    def __init__(self, message: str, *, status: int = 1002) -> None:
        super().__init__(message)
        self.status = status


class Message(NamedTuple):
    """A whole message: fragments are joined. `opcode` is TEXT, BINARY, PING, PONG or CLOSE."""

    opcode: int
    payload: bytes


class FrameReader:
    """Feed it bytes as they come; it returns the messages that became complete."""

    def __init__(self, *, max_message: int = MAX_MESSAGE) -> None:
        self._max_message = max_message
        self._rest: list[bytes] = []  # the beginning of a frame whose end has not arrived
        self._rest_size = 0
        self._needed = 0  # bytes before it is worth looking at the rest again
        self._fragments: list[bytes] = []
        self._fragments_size = 0
        self._fragments_opcode = 0

    def push(self, data: bytes) -> list[Message]:  # noqa: PLR0912 - one loop, unrolled for speed
        """Return the messages that `data` completes. Raises FrameError."""
        if self._rest:
            self._rest.append(data)
            self._rest_size += len(data)
            if self._rest_size < self._needed:
                return []
            data = b"".join(self._rest)
            self._rest.clear()
        messages: list[Message] = []
        position, end = 0, len(data)
        while end - position >= 2:
            first, length = data[position], data[position + 1]
            start = position + 2
            if length < 126:
                pass
            elif length == 126:
                if end - position < 4:
                    break
                length = data[start] << 8 | data[start + 1]
                start += 2
            elif length == 127:
                if end - position < 10:
                    break
                length = int.from_bytes(data[start : start + 8], "big")
                start += 8
            else:
                raise FrameError("the server masked a frame")
            stop = start + length
            if first == 0x81 and not self._fragments:  # the usual: an unfragmented text
                if stop > end:
                    self._check_size(length)
                    break
                messages.append(Message(TEXT, data[start:stop]))
            else:
                self._check_header(first, length)
                if stop > end:
                    break
                self._take(first, data[start:stop], messages)
            position = stop
        self._keep(data, position, end)
        return messages

    def _keep(self, data: bytes, position: int, end: int) -> None:
        self._rest_size = end - position
        if not self._rest_size:
            return
        self._rest.append(data[position:])
        self._needed = self._rest_size + 1
        if self._rest_size >= 2:
            length = data[position + 1] & 0x7F
            header = 2 + (2 if length == 126 else 8 if length == 127 else 0)
            if self._rest_size >= header > 2:
                length = int.from_bytes(data[position + 2 : position + header], "big")
            self._needed = max(self._needed, header + (length if self._rest_size >= header else 0))

    def _check_header(self, first: int, length: int) -> None:
        opcode = first & 0x0F
        if first & 0x70:
            raise FrameError("reserved bits are set, and no extension was agreed")
        if opcode not in _KNOWN:
            raise FrameError(f"unknown opcode {opcode}")
        if opcode >= CLOSE:
            if not first & 0x80 or length > 125:
                raise FrameError("a control frame is fragmented or too long")
            return
        self._check_size(length)
        if opcode == CONTINUATION and not self._fragments:
            raise FrameError("a continuation of nothing")
        if opcode != CONTINUATION and self._fragments:
            raise FrameError("a new message inside a fragmented one")

    def _check_size(self, length: int) -> None:
        if length + self._fragments_size > self._max_message:
            raise FrameError(f"a message of more than {self._max_message} bytes", status=1009)

    def _take(self, first: int, payload: bytes, messages: list[Message]) -> None:
        opcode, final = first & 0x0F, bool(first & 0x80)
        if opcode >= CLOSE:
            messages.append(Message(opcode, payload))
            return
        if opcode != CONTINUATION and final:
            messages.append(Message(opcode, payload))
            return
        if opcode != CONTINUATION:
            self._fragments_opcode = opcode
        self._fragments.append(payload)
        self._fragments_size += len(payload)
        if final:
            messages.append(Message(self._fragments_opcode, b"".join(self._fragments)))
            self._fragments.clear()
            self._fragments_size = 0
