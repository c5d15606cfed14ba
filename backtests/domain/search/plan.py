"""How a search is to be made, as people state it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RANGES = "ranges"  # prefix of a range in what is wrong with a search


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """`ranges`: path to [low, high, step] or choices, in the order of the axes."""

    method: str
    ranges: Mapping[str, Sequence[str]]
    trials: int = 50  # of draws and TPE; a grid tries all its points
    objective: str = "profit"
    holdout_ppm: int = 200_000
    folds: int = 4
    seed: int = 0
