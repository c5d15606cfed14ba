"""Looks at a few of the socket's frames as a whole: does the venue still send what it is declared to send?

The decoder reads the fields it needs and never sees the others. One frame in 256 is decoded a second time here,
completely, and every frame that the decoder refused; at 2,000 frames a second that is a thousandth of a core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from markets.domain.drift import Difference, DriftKind, Shape, differences
from markets.venues.base import Drifted, ParseError

EVERY = 256
_LONGEST = 4_000_000
_decoder = msgspec.json.Decoder()


class Sentinel:
    """Belongs to the engine's thread."""

    def __init__(self, shapes: Mapping[str, Shape], *, every: int = EVERY) -> None:
        self._shapes = shapes
        self._every = every
        self._until = 1  # the first frame is looked at: a venue that changed overnight is noticed at once
        self.looked = 0

    def look(self, frames: Sequence[bytes]) -> list[Drifted]:
        """Return what differs in those of the frames whose turn it is."""
        if len(frames) < self._until:
            self._until -= len(frames)
            return []
        found: list[Drifted] = []
        position = self._until - 1
        while position < len(frames):
            found += self._drifted(frames[position])
            position += self._every
        self._until = position - len(frames) + 1
        return found

    def refused(self, problems: Iterable[ParseError]) -> list[Drifted]:
        """Return what differs in the messages that the decoder refused. One cut in the middle says nothing."""
        found: list[Drifted] = []
        for problem in problems:
            if problem.field == "event_type":
                named = problem.problem.removeprefix("unknown: ")[:60]
                unknown = Difference(kind=DriftKind.UNKNOWN_FIELD, field=f"event_type {named}", sample="")
                found.append(Drifted(source="ws", difference=unknown))
            else:
                found += self._drifted(problem.sample.encode())
        return found

    def _drifted(self, frame: bytes) -> list[Drifted]:
        if len(frame) > _LONGEST or frame[:1] not in (b"{", b"["):
            return []
        self.looked += 1
        try:
            value = _decoder.decode(frame)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return []
        found: list[Drifted] = []
        for message in value if isinstance(value, list) else [value]:
            found += self._message(message)
        return found

    def _message(self, message: Any) -> list[Drifted]:
        name = message.get("event_type") if isinstance(message, dict) else None
        declared = self._shapes.get(f"ws.{name}") if isinstance(name, str) else None
        if declared is None:
            return []  # an unknown kind of message comes through `refused`
        market = message.get("market")
        condition = market if isinstance(market, str) else ""
        return [
            Drifted(source=f"ws.{name}", difference=one, condition_id=condition)
            for one in differences(message, declared)
        ]
