"""Columns of a result while they grow: one structured array, doubled when it is full."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class Table:
    """Rows of one dtype. `append` takes a tuple in the dtype's order and returns the row's place."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._rows = np.zeros(64, dtype=dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, row: tuple[int, ...]) -> int:
        place = self._count
        if place == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[place] = row
        self._count += 1
        return place

    def put(self, place: int, name: str, value: int) -> None:
        self._rows[name][place] = value

    def last(self, name: str) -> int:
        """Return a field of the last row; raises IndexError while there is none."""
        if not self._count:
            raise IndexError("the table is empty")
        return int(self._rows[name][self._count - 1])

    def rows(self) -> npt.NDArray[Any]:
        return self._rows[: self._count].copy()
