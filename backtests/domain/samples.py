"""Ring samples of one outcome as the feed would have left them, a second and a minute at a time.

`markets.feed.sampling` looks at every book once a second; here only seconds in which something happened are
looked at, and what it would have repeated in between is filled in when somebody reads. Prices are millionths.
"""

from __future__ import annotations

from backtests.domain.clock import NEVER, SECOND_NS
from markets.domain.rings import MINUTES, SECONDS, RingShape, samples_filled
from markets.domain.views import Sample

MINUTE_NS = 60 * SECOND_NS
Prices = tuple[int, int]  # mid, microprice


class _Ring:
    """The last `count` periods of one shape."""

    def __init__(self, shape: RingShape, count: int) -> None:
        self.shape = shape
        self.count = min(count, shape.count)
        self._kept = self.count + shape.fill_s // shape.period_s + 10
        self._found: dict[int, tuple[int, int, int]] = {}
        self._read: tuple[int, tuple[Sample, ...]] = (-1, ())

    def put(self, period: int, prices: Prices, traded: int) -> None:
        self._found[period] = (*prices, traded)
        if len(self._found) > 2 * self._kept:
            self._found = {p: v for p, v in self._found.items() if p > period - self._kept}

    def get(self, last: int) -> tuple[Sample, ...]:
        if self._read[0] != last:
            wanted = range(last - self.count + 1, last + 1)
            recent = {p: v for p, v in self._found.items() if p >= wanted.start - self._kept + self.count}
            self._read = (last, tuple(samples_filled(recent, wanted, self.shape)))
        return self._read[1]


class Sampler:
    """Samples of one outcome. `take` the state at the end of a second, `caught_up` before anything happens later.

    `traded` is what the owner counts since the last `take`.
    """

    def __init__(self, *, seconds: int, minutes: int) -> None:
        self.traded = 0
        self._seconds = _Ring(SECONDS, seconds)
        self._minutes = _Ring(MINUTES, minutes) if minutes else None
        self._ready = False
        self._prices: Prices = (0, 0)
        self._sampled = -(10**9)  # the second last written
        self._minute_traded = 0
        self._minute_ns = 0  # the next whole minute to sample

    def take(self, boundary_ns: int, prices: Prices | None) -> None:
        """Sample the second that ends at `boundary_ns`; `prices` None: no live book with both sides."""
        second = boundary_ns // SECOND_NS - 1
        self._repeat(second)
        traded, self.traded = self.traded, 0
        self._minute_traded += traded
        if prices is None:
            self._ready = False
        else:
            if prices != self._prices or traded or second - self._sampled >= SECONDS.fill_s:
                self._seconds.put(second, prices, traded)
                self._sampled = second
            self._prices, self._ready = prices, True
        self._minute_due(boundary_ns)

    def caught_up(self, until_ns: int) -> None:
        """Nothing happened up to `until_ns`: sample the minutes that ended before it."""
        self._minute_due(until_ns)

    def seconds(self, now_ns: int) -> tuple[Sample, ...]:
        self._repeat(now_ns // SECOND_NS)
        return self._seconds.get(now_ns // SECOND_NS)

    def minutes(self, now_ns: int) -> tuple[Sample, ...]:
        self._minute_due(now_ns)
        return () if self._minutes is None else self._minutes.get(now_ns // MINUTE_NS)

    def _repeat(self, until: int) -> None:
        """Write what the feed repeats of a quiet book, for the seconds before `until`."""
        if not self._ready:
            return
        second = self._sampled + SECONDS.fill_s
        if until - second > 2 * SECONDS.count:  # nobody reads so far back
            second += (until - second - SECONDS.count) // SECONDS.fill_s * SECONDS.fill_s
        while second < until:
            self._seconds.put(second, self._prices, 0)
            self._sampled = second
            second += SECONDS.fill_s

    def _minute_due(self, now_ns: int) -> None:
        """Sample the minutes that ended by `now_ns`; what is known of the book now held at each of their ends."""
        if self._minutes is None:
            return
        if not self._minute_ns:
            self._minute_ns = (now_ns // MINUTE_NS + 1) * MINUTE_NS if now_ns % MINUTE_NS else now_ns
        self._minute_ns = max(self._minute_ns, now_ns - 2 * MINUTES.count * MINUTE_NS)
        while self._minute_ns <= now_ns:
            if self._ready:
                self._minutes.put(self._minute_ns // MINUTE_NS - 1, self._prices, self._minute_traded)
            self._minute_traded = 0
            self._minute_ns += MINUTE_NS


def second_after(at_ns: int) -> int:
    """Return the whole second that ends the one in which `at_ns` lies."""
    return NEVER if at_ns >= NEVER else (at_ns // SECOND_NS + 1) * SECOND_NS
