"""What Polymarket tells anybody: its clock, whether this place may trade, its version. Implements `VenueProbe`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from markets.venues.base import ParseError, VenueRefused, VenueUnavailable
from markets.venues.polymarket import reads
from markets.venues.polymarket.connection import HttpAnswer, HttpPool, NoAnswer, NotSent
from markets.venues.polymarket.parse import EARLIEST_MS, LATEST_MS

_WHOLE = re.compile(rb"[0-9]{1,15}")
MOST_BYTES = 10_000


class PolymarketProbe:
    """Implements `VenueProbe`. `geoblock` is the pool of the whole address that answers where we are."""

    def __init__(self, *, clob: HttpPool, geoblock: HttpPool) -> None:
        self._clob, self._geoblock = clob, geoblock

    def clock_ms(self) -> int:
        """Return the venue's time. It tells whole seconds, so this is the middle of the one it tells."""
        text = _get(self._clob, "/time").strip()
        if _WHOLE.fullmatch(text):
            seconds = int(text)
        else:
            row = reads.decoded(text, source="rest.time")
            said = (row.get("time") or row.get("timestamp")) if isinstance(row, dict) else None
            if isinstance(said, str) and said.isascii() and said.isdecimal() and len(said) < 16:
                said = int(said)
            if not isinstance(said, int) or isinstance(said, bool):
                raise ParseError("time", "is not a whole number of seconds", source="rest.time")
            seconds = said
        at_ms = seconds * 1_000 + 500
        if not EARLIEST_MS <= at_ms <= LATEST_MS:
            raise ParseError("time", f"{seconds} is not a time between 2010 and 2100", source="rest.time")
        return at_ms

    def geoblock(self) -> tuple[bool, str]:
        row = _object(_get(self._geoblock, ""), "rest.geoblock")
        blocked, country = row.get("blocked"), row.get("country", "")
        if not isinstance(blocked, bool):
            raise ParseError("blocked", f"{blocked!r:.40} is neither true nor false", source="rest.geoblock")
        if not isinstance(country, str):
            raise ParseError("country", "is not text", source="rest.geoblock")
        return blocked, country[:10]

    def version(self) -> str:
        said = _object(_get(self._clob, "/version"), "rest.version").get("version")
        if isinstance(said, bool) or not isinstance(said, (int, str)) or not 0 < len(str(said)) <= 40:
            raise ParseError("version", f"{said!r:.40} is not a version", source="rest.version")
        return str(said)

    def is_up(self) -> bool:
        try:
            return reads.decoded(_get(self._clob, "/ok"), source="rest.ok") == "OK"
        except (VenueUnavailable, VenueRefused, ParseError):
            return False


def _get(pool: HttpPool, target: str) -> bytes:
    try:
        answer: HttpAnswer = pool.request("GET", target, most_bytes=MOST_BYTES)
    except (NotSent, NoAnswer) as error:
        raise VenueUnavailable(f"GET {target}: {error.code}") from None
    if answer.status == 200:
        return answer.body
    said = answer.body[:200].decode("utf-8", "replace").replace("\n", " ")
    kind = VenueUnavailable if answer.status >= 500 or answer.status in (408, 425, 429) else VenueRefused
    raise kind(f"GET {target}: status {answer.status}: {said}")


def _object(body: bytes, source: str) -> Mapping[str, object]:
    row = reads.decoded(body, source=source)
    if not isinstance(row, dict):
        raise ParseError("body", f"is {type(row).__name__}, not an object", source=source)
    return row
