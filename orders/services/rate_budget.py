"""One budget of requests for all processes of this desk, kept below what the venue allows.

It follows the venue's windows per internet address and each signing key's token buckets, and learns from
the venue's own headers. Orders leave a share of what they have in common with cancels untouched, so that
a kill is never stuck behind them. Without Redis, cancels go and orders wait.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from markets.venues.rates import Bucket, Tier
from markets.venues.trading import Heard
from markets.venues.trading_registry import rate_limits
from orders.domain import rediskeys
from orders.domain.rate_figures import SLOTS, window_most
from orders.domain.rediskeys import Kind
from orders.services import rate_scripts

log = logging.getLogger(__name__)

BLIND_WAIT_S = 1.0
LONGEST_PAUSE_S = 60.0
_TIMEOUT_S = 0.25
_BLIND_S = 1.0  # Redis is not asked again for so long after it did not answer: a kill cannot wait for it each time
_blind_until: dict[str, float] = {}  # Redis URL -> monotonic seconds


class TooCostly(ValueError):
    """More at once than the signing key's bucket can ever hold: waiting is useless, send fewer."""


def take(venue: str, signer: str, kind: Kind, cost: int = 1, *, route: str = "", now_ms: int = 0) -> float:
    """Take `cost` orders or cancels in one request and return 0.0, or take nothing and return seconds to wait.

    `route` names the request where it is not the plain one, such as "DELETE /cancel-all". Raises TooCostly.
    """
    limits = rate_limits(venue)
    windows = limits.windows[route or limits.route_of(kind, cost)]
    bucket = _bucket(limits.tiers[limits.lowest], kind)
    keys = [rediskeys.rate_bucket(venue, signer, kind)]
    arguments: list[int] = [now_ms, cost, bucket.per_s, bucket.burst]
    for window in windows:
        span_ms = window.seconds * 1_000
        keys.append(rediskeys.rate_window(venue, window.name))
        arguments += (window_most(window, kind), span_ms, span_ms // SLOTS)
    try:
        wait_ms = _run(rate_scripts.TAKE, keys, arguments)
    except RedisError as error:
        log.warning("rate budget is blind", extra={"venue": venue, "kind": kind, "error": str(error)[:200]})
        return 0.0 if kind == "cancel" else BLIND_WAIT_S
    if wait_ms < 0:
        raise TooCostly(f"{cost} {kind}s at once are more than this key may ever send; send fewer")
    return wait_ms / 1_000


def learn(venue: str, signer: str, kind: Kind, *, status: int, headers: Mapping[str, str], now_ms: int = 0) -> None:
    """Take over what the venue says of this key: its tier, what is left, and how long to wait after a 429.

    `headers` have lower-case names. What is left only ever lowers our own count: requests that are still
    under way are in ours and not yet in the venue's.
    """
    limits = rate_limits(venue)
    tier = limits.tiers.get(headers.get("poly-ratelimit-tier", "").lower())
    remaining = _whole(headers.get("poly-ratelimit-remaining", ""))
    pause_s = _pause_s(headers) if status == 429 else 0.0
    if tier is None and remaining is None and not pause_s:
        return
    bucket = _bucket(tier or limits.tiers[limits.lowest], kind)
    arguments: list[Any] = [
        now_ms,
        bucket.per_s,
        bucket.burst,
        int(tier is not None),
        "" if remaining is None else remaining,
        int(pause_s * 1_000),
    ]
    try:
        _run(rate_scripts.LEARN, [rediskeys.rate_bucket(venue, signer, kind)], arguments)
    except RedisError:
        return  # the next answer says it again


def owe(venue: str, signer: str, cost: int, *, now_ms: int = 0) -> None:
    """Deduct what a cancel of everything turned out to cost beyond its one request: the orders it ended."""
    limits = rate_limits(venue)
    tier = limits.tiers[limits.lowest]
    bucket = tier.cancel
    arguments = [now_ms, bucket.per_s, bucket.burst, cost, "" if tier.may_owe else 0]
    try:
        _run(rate_scripts.OWE, [rediskeys.rate_bucket(venue, signer, "cancel")], arguments)
    except RedisError:
        return


def learner(venue: str, signer: str) -> Heard:
    """Return what a gateway tells of its answers. Most of them say nothing new and cost no request to Redis."""
    known: dict[str, str] = {}

    def heard(kind: str, status: int, headers: Mapping[str, str]) -> None:
        place: Kind = "cancel" if kind == "cancel" else "order"
        tier = headers.get("poly-ratelimit-tier", "").lower()
        remaining = _whole(headers.get("poly-ratelimit-remaining", ""))
        limits = rate_limits(venue)
        bucket = _bucket(limits.tiers.get(tier) or limits.tiers[limits.lowest], place)
        is_low = remaining is not None and remaining < bucket.burst // 2
        if status == 429 or is_low or (tier and known.get(place) != tier):
            learn(venue, signer, place, status=status, headers=headers)
            known[place] = tier

    return heard


def _bucket(tier: Tier, kind: Kind) -> Bucket:
    return tier.order if kind == "order" else tier.cancel


def _whole(text: str) -> int | None:
    text = text.strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 12 else None


def _pause_s(headers: Mapping[str, str]) -> float:
    """Return how long a 429 asks us to wait: its own word, else until its bucket is full again, else a second."""
    asked = _whole(headers.get("retry-after", ""))
    if asked is None and (reset := _whole(headers.get("poly-ratelimit-reset", ""))) is not None:
        asked = math.ceil(reset - time.time())
    return min(max(float(asked if asked is not None else 1), 1.0), LONGEST_PAUSE_S)


def _run(script: str, keys: list[str], arguments: list[Any]) -> int:
    url = settings.ORDERS_REDIS_URL
    if time.monotonic() < _blind_until.get(url, 0.0):
        raise RedisError("did not answer a moment ago")
    try:
        return int(_script(url, script)(keys=keys, args=arguments))
    except RedisError:
        _blind_until[url] = time.monotonic() + _BLIND_S
        raise


@lru_cache(maxsize=16)
def _script(url: str, script: str) -> Any:
    return _client(url).register_script(script)


@lru_cache(maxsize=4)
def _client(url: str) -> Redis:
    # One fresh try after a dropped idle connection; never a wait: a cancel may be behind this.
    retry = Retry(NoBackoff(), 1)
    return Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=retry)
