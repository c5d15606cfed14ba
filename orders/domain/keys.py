"""The identity of an order: a UUIDv7, so that keys sort by the time they were made.

Time and randomness are arguments: a replay with the same seed makes the same keys.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID


class BitSource(Protocol):
    """Anything that gives random bits: a seeded `random.Random` here and in tests, the system's elsewhere."""

    def getrandbits(self, k: int, /) -> int: ...


def new_key(*, now: datetime, bits: BitSource) -> str:
    """Return a UUIDv7 as text: 48 bits of milliseconds, then 74 random bits."""
    milliseconds = int(now.timestamp() * 1000)
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= 0x7 << 76
    value |= bits.getrandbits(12) << 64
    value |= 0b10 << 62
    value |= bits.getrandbits(62)
    return str(UUID(int=value))
