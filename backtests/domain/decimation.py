"""Fewer points of a curve, its extremes kept: what a picture of a few hundred pixels can show."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt


def decimated(values: npt.NDArray[Any], *, limit: int, keep: tuple[int, ...] = ()) -> npt.NDArray[np.int64]:
    """Return at most `limit` row numbers, ascending: ends, `keep`, and lowest and highest of equal stretches.

    Because each stretch gives both extremes, no peak or trough of the whole is lost.
    """
    count = len(values)
    if count <= limit:
        return np.arange(count)
    fixed = sorted({0, count - 1, *keep})
    stretches = (limit - len(fixed)) // 2
    if stretches < 1:
        raise ValueError(f"{limit} points cannot hold the {len(fixed)} that must stay and one stretch")
    edges = np.linspace(0, count, stretches + 1).astype(np.int64)
    chosen = set(fixed)
    for first, last in pairwise(edges.tolist()):
        part = values[first:last]
        chosen.add(first + int(np.argmin(part)))
        chosen.add(first + int(np.argmax(part)))
    return np.array(sorted(chosen), np.int64)
