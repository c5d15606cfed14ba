"""How often a venue may be asked: windows per internet address, and buckets of tokens per signing key. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """At most `requests` in any `seconds`. A shared one is also used by requests of other kinds."""

    name: str
    requests: int
    seconds: int
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Refilled with `per_s` tokens a second up to `burst`."""

    per_s: int
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """What a signing key may do. `may_owe`: cancelling everything can leave less than nothing in the bucket."""

    name: str
    order: Bucket
    cancel: Bucket
    may_owe: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    windows: Mapping[str, tuple[Window, ...]]  # by request, such as "POST /order"
    tiers: Mapping[str, Tier]  # by name in lower case
    lowest: str  # the tier to assume
    route_of: Callable[[str, int], str]  # ("order" or "cancel", how many at once) -> request
