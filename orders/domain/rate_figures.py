"""The rate budget in figures: what of each window and bucket is left now, and what of it orders leave to cancels.

The scripts that spend it count the same way (`orders.services.rate_scripts`). Times are Unix milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from markets.venues.rates import Bucket, RateLimits, Tier, Window
from orders.domain.rediskeys import Kind

# Other programs on this address count too, and the feed's own reads.
USABLE = 0.9
# Of a window that orders share with cancels, orders may fill so much.
FOR_ORDERS = 0.8
SLOTS = 20  # a window is counted in so many parts


def window_most(window: Window, kind: Kind) -> int:
    """Return how many requests a window may hold before one more of this kind has to wait."""
    return math.floor(window.requests * USABLE * (FOR_ORDERS if kind == "order" and window.shared else 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFigure:
    """One of the venue's windows. A kind that never counts in it has no figure: None."""

    name: str
    routes: tuple[str, ...]  # the requests that count in it
    requests: int  # what the venue allows
    seconds: int
    used: int
    for_orders: int | None
    for_cancels: int | None
    counted_ms: int | None  # the last count that still stands began here

    @property
    def left_for_orders(self) -> int | None:
        return None if self.for_orders is None else max(0, self.for_orders - self.used)

    @property
    def left_for_cancels(self) -> int | None:
        return None if self.for_cancels is None else max(0, self.for_cancels - self.used)

    @property
    def reserve(self) -> int:
        """What orders can never take of it: it is kept for cancels."""
        if self.for_orders is None or self.for_cancels is None:
            return 0
        return self.for_cancels - self.for_orders


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketFigure:
    """What one signing key may still send of a kind. Less than nothing: it owes."""

    left: float
    per_s: int
    burst: int
    tier: str  # by the venue's word, or the lowest while it has not spoken
    told: bool  # the venue named the tier
    counted_ms: int | None  # None: never used, so it is full
    paused_ms: int  # the venue asked to wait so long, from now


def window_figure(window: Window, routes: tuple[str, ...], slots: Mapping[int, int], *, now_ms: int) -> WindowFigure:
    """Return a window's figure; `slots` are counts by slot number, old ones included."""
    span_ms = window.seconds * 1_000
    slot_ms = span_ms // SLOTS
    oldest, newest = (now_ms - span_ms) // slot_ms, now_ms // slot_ms
    counted = {number: count for number, count in slots.items() if oldest <= number <= newest}
    orders = any(route.startswith("POST") for route in routes)
    cancels = any(route.startswith("DELETE") for route in routes)
    return WindowFigure(
        name=window.name,
        routes=routes,
        requests=window.requests,
        seconds=window.seconds,
        used=sum(counted.values()),
        for_orders=window_most(window, "order") if orders else None,
        for_cancels=window_most(window, "cancel") if cancels else None,
        counted_ms=max(counted) * slot_ms if counted else None,
    )


def bucket_figure(limits: RateLimits, kind: Kind, stored: Mapping[str, float], *, now_ms: int) -> BucketFigure:
    """Return a bucket's figure; `stored` are the fields of its hash, none for a key that never sent."""
    lowest = _bucket(limits.tiers[limits.lowest], kind)
    per_s, burst = int(stored.get("r", lowest.per_s)), int(stored.get("b", lowest.burst))
    counted = stored.get("a")
    left = stored.get("t", float(burst))
    if counted is not None and now_ms > counted:
        left = min(float(burst), left + (now_ms - counted) * per_s / 1_000)
    named = (tier.name for tier in limits.tiers.values() if _bucket(tier, kind) == Bucket(per_s=per_s, burst=burst))
    return BucketFigure(
        left=left,
        per_s=per_s,
        burst=burst,
        tier=next(named, limits.lowest),
        told="r" in stored,
        counted_ms=None if counted is None else int(counted),
        paused_ms=max(0, int(stored.get("p", 0)) - now_ms),
    )


def windows_of(limits: RateLimits) -> dict[Window, tuple[str, ...]]:
    """Return each window once, with the requests that count in it."""
    found: dict[Window, list[str]] = {}
    for route, windows in limits.windows.items():
        for window in windows:
            found.setdefault(window, []).append(route)
    return {window: tuple(routes) for window, routes in found.items()}


def _bucket(tier: Tier, kind: Kind) -> Bucket:
    return tier.order if kind == "order" else tier.cancel
