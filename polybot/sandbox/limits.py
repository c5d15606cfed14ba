"""How often a client may ask: token buckets per signer, sliding windows per address.

Signers have one bucket for orders and one for cancels; a batch is admitted whole or not at all. Windows delay
what is in excess and refuse it once the wait would be too long. Both can be off, or made stricter by a scale.
Times are Unix milliseconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from polybot.sandbox.http_core import ApiError

TOO_MANY = "Too Many Requests"


class Enforcement(StrEnum):
    OFF = "off"
    WARNING = "warning"  # told in headers, never refused
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    name: str
    orders_s: int
    orders_burst: int
    cancels_s: int
    cancels_burst: int
    may_owe: bool  # whether the second part of a cancel-all may leave less than nothing


TIERS = {
    tier.name: tier
    for tier in (
        Tier(name="Standard", orders_s=40, orders_burst=60, cancels_s=80, cancels_burst=120, may_owe=True),
        Tier(name="Copper", orders_s=60, orders_burst=90, cancels_s=120, cancels_burst=180, may_owe=True),
        Tier(name="Bronze", orders_s=80, orders_burst=120, cancels_s=160, cancels_burst=240, may_owe=True),
        Tier(name="Silver", orders_s=200, orders_burst=300, cancels_s=400, cancels_burst=600, may_owe=True),
        Tier(name="Gold", orders_s=400, orders_burst=600, cancels_s=800, cancels_burst=1200, may_owe=True),
        Tier(name="Platinum", orders_s=450, orders_burst=675, cancels_s=900, cancels_burst=1350, may_owe=False),
        Tier(name="Diamond", orders_s=525, orders_burst=787, cancels_s=1050, cancels_burst=1575, may_owe=False),
        Tier(name="Elite", orders_s=600, orders_burst=900, cancels_s=1200, cancels_burst=1800, may_owe=False),
    )
}


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_ms: int


class SignerLimits:
    def __init__(self) -> None:
        self.enforcement = Enforcement.WARNING
        self.tiers: dict[str, str] = {}  # signer -> tier name, where not Standard
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def tier(self, signer: str) -> Tier:
        return TIERS[self.tiers.get(signer, "Standard")]

    def take(self, signer: str, kind: str, cost: int, now_ms: int) -> dict[str, str]:
        """Take `cost` tokens of the signer's "order" or "cancel" bucket and return the headers that say so.

        Raises ApiError 429 when there are too few, nothing being taken then.
        """
        if self.enforcement is Enforcement.OFF or cost <= 0:
            return {}
        bucket, rate, burst = self._bucket(signer, kind, now_ms)
        short = cost - bucket.tokens
        reset_s = (now_ms + max(0.0, short) / rate * 1000) / 1000
        if short <= 0:
            bucket.tokens -= cost
            return self._headers(signer, bucket.tokens, reset_s)
        if self.enforcement is Enforcement.WARNING:
            return {**self._headers(signer, bucket.tokens, reset_s), "poly-ratelimit-warning": "true"}
        wait = max(1, -(-int(short / rate * 1000) // 1000))
        headers = {**self._headers(signer, bucket.tokens, reset_s), "retry-after": str(wait)}
        if cost > burst:
            del headers["retry-after"]  # waiting will never help
        raise ApiError(429, TOO_MANY, headers=headers)

    def owe(self, signer: str, cost: int, now_ms: int) -> dict[str, str]:
        """Deduct what a cancel-all turned out to cost; return the headers."""
        if self.enforcement is Enforcement.OFF:
            return {}
        bucket, rate, _ = self._bucket(signer, "cancel", now_ms)
        bucket.tokens -= cost
        if not self.tier(signer).may_owe:
            bucket.tokens = max(0.0, bucket.tokens)
        return self._headers(signer, bucket.tokens, (now_ms + max(0.0, 1 - bucket.tokens) / rate * 1000) / 1000)

    def _bucket(self, signer: str, kind: str, now_ms: int) -> tuple[_Bucket, int, int]:
        tier = self.tier(signer)
        orders = kind == "order"
        rate = tier.orders_s if orders else tier.cancels_s
        burst = tier.orders_burst if orders else tier.cancels_burst
        bucket = self._buckets.setdefault((signer, kind), _Bucket(burst, now_ms))
        bucket.tokens = min(float(burst), bucket.tokens + max(0, now_ms - bucket.at_ms) * rate / 1000)
        bucket.at_ms = now_ms
        return bucket, rate, burst

    def _headers(self, signer: str, tokens: float, reset_s: float) -> dict[str, str]:
        return {
            "poly-ratelimit-remaining": str(int(tokens)),
            "poly-ratelimit-reset": str(-int(-reset_s // 1)),
            "poly-ratelimit-tier": self.tier(signer).name,
        }


# (service, method, path pattern, requests, window in seconds), as documented.
WINDOWS: tuple[tuple[str, str, str, int, int], ...] = (
    ("*", "*", "*", 15_000, 10),
    ("*", "GET", "/ok", 100, 10),
    ("gamma", "*", "*", 4_000, 10),
    ("gamma", "GET", "/events*", 500, 10),
    ("gamma", "GET", "/markets*", 300, 10),
    ("gamma", "GET", "/comments*", 200, 10),
    ("gamma", "GET", "/tags*", 200, 10),
    ("gamma", "GET", "/public-search", 350, 10),
    ("data", "GET", "/v2/*", 800, 10),
    ("data", "GET", "/v2/trades", 300, 10),
    ("data", "GET", "/v2/positions", 200, 10),
    ("data", "GET", "/v2/activity", 200, 10),
    ("data", "GET", "/v2/prices-history", 200, 10),
    ("data", "GET", "/v2/status", 100, 10),
    ("data", "GET", "/trades", 200, 10),
    ("data", "GET", "/positions", 150, 10),
    ("data", "GET", "/closed-positions", 150, 10),
    ("clob", "*", "*", 9_000, 10),
    ("clob", "GET", "/book", 1_500, 10),
    ("clob", "*", "/books", 500, 10),
    ("clob", "GET", "/price", 1_500, 10),
    ("clob", "*", "/prices", 500, 10),
    ("clob", "GET", "/midpoint", 1_500, 10),
    ("clob", "*", "/midpoints", 500, 10),
    ("clob", "GET", "/prices-history", 1_000, 10),
    ("clob", "GET", "/tick-size*", 200, 10),
    ("clob", "GET", "/data/orders", 500, 10),
    ("clob", "GET", "/data/trades", 500, 10),
    ("clob", "*", "/notifications", 125, 10),
    ("clob", "GET", "/balance-allowance", 200, 10),
    ("clob", "*", "/balance-allowance/update", 50, 10),
    ("clob", "*", "/auth/*", 100, 10),
    ("relayer", "POST", "/submit", 25, 60),
    ("clob", "POST", "/order", 5_000, 10),
    ("clob", "POST", "/order", 120_000, 600),
    ("clob", "DELETE", "/order", 5_000, 10),
    ("clob", "DELETE", "/order", 120_000, 600),
    ("clob", "POST", "/orders", 2_000, 10),
    ("clob", "POST", "/orders", 21_000, 600),
    ("clob", "DELETE", "/orders", 2_000, 10),
    ("clob", "DELETE", "/orders", 15_000, 600),
    ("clob", "DELETE", "/cancel-all", 250, 10),
    ("clob", "DELETE", "/cancel-all", 6_000, 600),
    ("clob", "DELETE", "/cancel-market-orders", 1_500, 10),
    ("clob", "DELETE", "/cancel-market-orders", 21_000, 600),
)


@dataclass(slots=True)
class AddressLimits:
    """The windows of every client address. Off unless asked for: a busy test machine is one address."""

    enforced: bool = False
    scale: float = 1.0  # of every limit; 0.01 turns 5000 into 50
    patience_ms: int = 2_000  # how long a request is delayed before it is refused instead
    html: bool = False  # refuse with Cloudflare's page instead of JSON
    _seen: dict[tuple[str, int], deque[int]] = field(default_factory=dict)  # (address, window) -> admissions, Unix ms

    def wait_ms(self, address: str, service: str, method: str, path: str, now_ms: int) -> int | None:
        """Return how long this request is delayed, None when it is refused. `control` is never limited."""
        if not self.enforced or service == "control":
            return 0
        touched: list[tuple[deque[int], int, int]] = []
        wait = 0
        for index, (of, verb, pattern, most, window_s) in enumerate(WINDOWS):
            if not (of in ("*", service) and verb in ("*", method) and fnmatchcase(path, pattern)):
                continue
            times = self._seen.setdefault((address, index), deque())
            limit = max(1, int(most * self.scale))
            while times and times[0] <= now_ms - window_s * 1000:
                times.popleft()
            if len(times) >= limit:
                wait = max(wait, times[len(times) - limit] + window_s * 1000 - now_ms)
            touched.append((times, limit, window_s))
        if wait > self.patience_ms:
            return None
        for times, _, _ in touched:
            times.append(now_ms + wait)
        return wait

    def reset(self) -> None:
        self._seen.clear()
