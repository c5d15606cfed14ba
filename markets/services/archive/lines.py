"""Lines of recorded frames: {"receivedAt", "payloadUtf8"}, {"t", "dir", "data"} of whole sessions, and our recorder's.

Our recorder's files begin with a line of facts; lines may be marked "opening" (books as they stood) or be
{"receivedAt", "dir": "gap", "tokens", "reason"}.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

FORMAT = "polybot-recording"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PINGS = ("PONG", "PING", "")


class Line(msgspec.Struct):
    """One line of any of the shapes; fields that it has not are empty."""

    receivedAt: str = ""
    payloadUtf8: str = ""
    opening: bool = False
    t: str = ""
    dir: str = ""
    data: Any = ""
    tokens: list[str] = []
    reason: str = ""
    format: str = ""

    @property
    def is_frame(self) -> bool:
        return (self.dir == "recv" or (not self.dir and bool(self.receivedAt))) and self.text.strip() not in _PINGS

    @property
    def text(self) -> str:
        return self.payloadUtf8 or (self.data if isinstance(self.data, str) else "")

    @property
    def is_gap(self) -> bool:
        """Whether from here on frames are missing: a recorder's word, or the end of a session."""
        return self.dir in ("gap", "close")


_line = msgspec.json.Decoder(Line)
_header = msgspec.json.Decoder(dict[str, Any])
_times: dict[str, int] = {}


def line_read(line: bytes) -> Line:
    """Return a line. Raises ValueError for what is none."""
    return _line.decode(line)


def header_read(line: bytes) -> dict[str, Any]:
    """Return the first line of one of our recorder's files, nothing for another line."""
    try:
        found = _header.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if found.get("format") == FORMAT else {}


def line_ns(line: Line) -> int:
    """Return when a line was received. Raises ValueError for a time that is none or has no zone."""
    text = line.receivedAt or line.t
    found = _times.get(text)
    if found is None:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError(f"receivedAt {text!r:.40} has no time zone")
        found = (at - _EPOCH) // _MICROSECOND * 1_000
        if len(_times) > 64:
            _times.clear()
        _times[text] = found
    return found
