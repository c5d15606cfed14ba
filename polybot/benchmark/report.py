"""What a comparison found: two rates measured in the same run, their ratio, and what was wanted."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass


class Wrong(Exception):
    """The fast way gave another result than the plain way. A rate would mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`ours` and `theirs` are rates in `unit`. `at_most`: the ratio must stay below the target instead of above."""

    name: str
    unit: str
    ours: float
    theirs: float
    target: float | None
    at_most: bool = False

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def verdict(self) -> str:
        if self.target is None:
            return "for comparison"
        met = self.ratio <= self.target if self.at_most else self.ratio >= self.target
        return "met" if met else "MISSED"


def interleaved(first: Callable[[], float], second: Callable[[], float], *, rounds: int) -> tuple[float, float]:
    """Return the medians of both, measured in turns so that a busy machine is busy for both."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(first())
        theirs.append(second())
    return statistics.median(ours), statistics.median(theirs)


def table(rows: list[Comparison]) -> str:
    """Return the comparisons as text, one a line."""
    lines = [f"{'comparison':<58} {'ours':>12} {'plain way':>12}  {'unit':<14} {'ratio':>7} {'target':>8}  verdict"]
    for row in rows:
        sign = "<=" if row.at_most else ">="
        target = "" if row.target is None else f"{sign}{row.target:g}"
        lines.append(
            f"{row.name:<58} {row.ours:>12,.0f} {row.theirs:>12,.0f}  {row.unit:<14} {row.ratio:>7.2f} {target:>8}  "
            f"{row.verdict}"
        )
    return "\n".join(lines)
