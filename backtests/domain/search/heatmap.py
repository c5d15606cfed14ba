"""Two parameters of a search at a time: for each pair of values the best and the middle of what was found there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from backtests.domain.search.space import Assignment, Axis, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    best: float
    middle: float
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """`cells` is by (row, column) in the order of the axes' values; a pair that was never tried is missing."""

    rows: Axis
    columns: Axis
    cells: dict[tuple[int, int], Cell]


def heat_maps(space: Space, found: Sequence[tuple[Assignment, float]], *, most: int = 6) -> tuple[HeatMap, ...]:
    """Return the maps of the first `most` pairs of axes that have more than one value."""
    varied = [index for index, axis in enumerate(space.axes) if len(axis.values) > 1]
    maps: list[HeatMap] = []
    for down, across in list(combinations(varied, 2))[:most]:
        rows, columns = space.axes[down], space.axes[across]
        values: dict[tuple[int, int], list[float]] = {}
        for assignment, value in found:
            at = (rows.values.index(assignment[down]), columns.values.index(assignment[across]))
            values.setdefault(at, []).append(value)
        cells = {at: Cell(best=max(all_), middle=median(all_), trials=len(all_)) for at, all_ in values.items()}
        maps.append(HeatMap(rows=rows, columns=columns, cells=cells))
    return tuple(maps)
