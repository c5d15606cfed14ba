"""A day of 24 hours as a strip: what is known of it, where the gaps are, and where nothing was recorded."""

from __future__ import annotations

from dataclasses import dataclass

from markets.selectors.archive.manifest import DAY_NS, TapeInfo, day_start_ns

KNOWN, GAP, NOTHING = "█", "░", "·"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a day, as shares of 24 hours."""

    start: float
    end: float
    is_gap: bool


def day_stretches(info: TapeInfo) -> list[Stretch]:
    """Return the recorded stretch of the day, then the gaps in it; what neither covers was not recorded."""
    day = day_start_ns(info.day)
    if not info.rows:
        return []

    def share(ns: int) -> float:
        return min(max((ns - day) / DAY_NS, 0.0), 1.0)

    whole = Stretch(share(info.start_ns), share(info.end_ns), is_gap=False)
    return [whole, *(Stretch(share(start), share(end), is_gap=True) for start, end in info.gaps)]


def strip_text(info: TapeInfo, width: int = 48) -> str:
    """Return the strip as characters, half an hour each: a cell with a gap in it shows the gap."""
    cells = [NOTHING] * width
    for stretch in day_stretches(info):
        first, last = int(stretch.start * width), int(stretch.end * width)
        for cell in range(min(first, width - 1), min(last, width - 1) + 1):
            cells[cell] = GAP if stretch.is_gap else KNOWN
    return "".join(cells)


def known_words(info: TapeInfo) -> str:
    """Return how much of the day is known, and in how many pieces it is broken."""
    hours = info.coverage * 24
    amount = f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"
    if not info.gaps:
        return amount
    return f"{amount}, {len(info.gaps)} gap{'s' if len(info.gaps) > 1 else ''}"
