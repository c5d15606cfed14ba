"""Markets on whether a price rises: what the price feed says of the result, beside what the venue said.

Up wins when the feed's tick stamped exactly at the end is at or above the strike. Where that tick or the strike was
not recorded nothing is concluded, and the reason is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markets.domain.units import ONE
from markets.selectors.archive.manifest import TapeInfo
from markets.selectors.archive.series import series_list, series_value_at

_S = 10**9


@dataclass(frozen=True, slots=True)
class Settlement:
    """One market: did Up win by the feed (None: cannot be said), did it by the venue, and why not if so."""

    market: str
    by_feed: bool | None
    by_venue: bool
    reason: str

    @property
    def agrees(self) -> bool | None:
        return None if self.by_feed is None else self.by_feed == self.by_venue


def settlements_compare(tapes: Iterable[TapeInfo]) -> list[Settlement]:
    """Return a line for every tape that has a strike's place, an end and a result."""
    spans: dict[str, tuple[int, int]] = {}
    for series in series_list():
        start, end = spans.get(series.name, (series.start_ns, series.end_ns))
        spans[series.name] = (min(start, series.start_ns), max(end, series.end_ns))
    found = []
    for info in tapes:
        extra = info.extra
        if "strike" not in extra or len(info.payouts) != 2:
            continue
        end_ns, name = int(extra["end_s"]) * _S, extra["series"]
        value = series_value_at(name, end_ns)
        by_feed, reason = None, ""
        if not extra["strike"]:
            reason = "the strike is not recorded"
        elif name not in spans:
            reason = f"the series {name} is not in the archive"
        elif value is None:
            start, end = spans[name]
            inside = start <= end_ns <= end
            reason = "the feed has no tick at the end" if inside else "the market ends outside the recorded feed"
        else:
            by_feed = value >= int(extra["strike"])
        found.append(Settlement(info.market, by_feed, info.payouts[0] == ONE, reason))
    return found
