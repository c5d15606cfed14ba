"""Draws that depend on the seed and on the name of what is drawn, and on nothing that happened before.

So a fault can be left out of a schedule and everything else stays what it was: that is what makes shrinking
possible. `Luck.fault` is asked whether a named fault happens; its name goes on the list of those that did.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeVar

_MASK = (1 << 64) - 1
T = TypeVar("T")


class Draws:
    """A small generator (splitmix64) of one name's draws."""

    __slots__ = ("_state",)

    def __init__(self, state: int) -> None:
        self._state = state

    def bits(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def random(self) -> float:
        return (self.bits() >> 11) / (1 << 53)

    def randint(self, low: int, high: int) -> int:
        return low + self.bits() % (high - low + 1)

    def choice(self, among: Sequence[T]) -> T:
        return among[self.bits() % len(among)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        left = list(items)
        return [left.pop(self.bits() % len(left)) for _ in range(len(left))]


class Luck:
    def __init__(self, seed: int, without: Sequence[str] = ()) -> None:
        self.seed = seed
        self.without = frozenset(without)
        self.happened: list[str] = []  # names of faults that did happen, in their order
        self._base = (seed * 0xD1342543DE82EF95 + 1) & _MASK

    def of(self, name: str) -> Draws:
        data = name.encode()
        return Draws(self._base ^ (zlib.crc32(data) << 32 | zlib.crc32(data[::-1])))

    def fault(self, name: str, *, chance: float = 1.0) -> Draws | None:
        """Return the fault's own draws when it happens; None when luck or the shrinker says no."""
        draws = self.of(name)
        if draws.random() >= chance or name in self.without:
            return None
        self.happened.append(name)
        return draws
