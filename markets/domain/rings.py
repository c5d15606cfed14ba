"""Price rings: fixed slots in a byte string, one per period, so that a write is one store.

A ring of `period_s` seconds and `count` slots keeps the sample of time t in slot
(t // period) % count. Slots are 24 bytes; an old slot shows its age by its own time.
Prices and traded sizes are millionths, times milliseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from markets.domain.views import Sample

_SLOT = struct.Struct("<qiiq")
SLOT_BYTES = _SLOT.size


@dataclass(frozen=True, slots=True, kw_only=True)
class RingShape:
    """`fill_s`: a quiet market is written at least this often, so a longer silence is a real gap."""

    period_s: int
    count: int
    fill_s: int

    @property
    def size_bytes(self) -> int:
        return self.count * SLOT_BYTES

    def offset(self, at_ms: int) -> int:
        return at_ms // (self.period_s * 1000) % self.count * SLOT_BYTES


SECONDS = RingShape(period_s=1, count=900, fill_s=30)
MINUTES = RingShape(period_s=60, count=1440, fill_s=60)
SHAPES = {shape.period_s: shape for shape in (SECONDS, MINUTES)}


def slot_pack(sample: Sample) -> bytes:
    return _SLOT.pack(sample.at_ms, sample.mid, sample.microprice, sample.traded)


def slots_unpack(raw: bytes, *, shape: RingShape, now_ms: int, count: int) -> tuple[Sample, ...]:
    """Return the last `count` periods up to `now_ms`, oldest first.

    A period without a slot repeats the one before with nothing traded, up to `fill_s`; beyond
    that the period is missing from the result: a gap stays a gap.
    """
    period_ms = shape.period_s * 1000
    last = now_ms // period_ms
    wanted = min(count, shape.count)
    oldest = last - wanted - shape.fill_s // shape.period_s
    usable = len(raw) - len(raw) % SLOT_BYTES
    found: dict[int, tuple[int, int, int]] = {}
    for at_ms, mid, micro, traded in _SLOT.iter_unpack(raw[:usable]):
        period = at_ms // period_ms
        if oldest <= period <= last:
            found[period] = (mid, micro, traded)
    return tuple(samples_filled(found, range(last - wanted + 1, last + 1), shape))


def samples_filled(found: dict[int, tuple[int, int, int]], periods: range, shape: RingShape) -> Iterable[Sample]:
    """Return a sample for each of `periods`, from (mid, microprice, traded) by period, with gaps left out."""
    reach = shape.fill_s // shape.period_s + 5  # a few periods of grace for a late writer
    seen = max((p for p in found if p < periods.start), default=None)
    for period in periods:
        at_ms = period * shape.period_s * 1000
        if period in found:
            seen = period
            mid, micro, traded = found[period]
            yield Sample(at_ms=at_ms, mid=mid, microprice=micro, traded=traded)
        elif seen is not None and period - seen <= reach:
            mid, micro, _ = found[seen]
            yield Sample(at_ms=at_ms, mid=mid, microprice=micro)
