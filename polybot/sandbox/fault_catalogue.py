"""Every class of trouble by name, with the chances a seed may draw: what the control endpoint is told to do.

A class makes (control call, body) from a random generator and nothing else, so a seed says everything.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from polybot.sandbox.engine_rules import EngineFault
from polybot.sandbox.faults import SocketFault

Deed = tuple[str, dict[str, Any]]  # (control call, body)
Draw = Callable[[random.Random], Deed]


def _http(kind: str, method: str, path: str, **more: Any) -> Draw:
    def draw(rng: random.Random) -> Deed:
        values = {name: value(rng) if callable(value) else value for name, value in more.items()}
        return "faults", {"kind": kind, "service": "clob", "method": method, "path": path, "times": 1, **values}

    return draw


def _engine(kind: EngineFault) -> Draw:
    def draw(rng: random.Random) -> Deed:
        body: dict[str, Any] = {"scope": "engine", "kind": kind.value}
        if kind.value in _LASTING:
            return "faults", {**body, "seconds": rng.randrange(3, 15), "latency_ms": rng.randrange(500, 5_000)}
        return "faults", {**body, "times": rng.randrange(1, 4), "latency_ms": rng.randrange(500, 5_000)}

    return draw


def _socket(kind: SocketFault, channel: str) -> Draw:
    def draw(rng: random.Random) -> Deed:
        body: dict[str, Any] = {"scope": "socket", "kind": kind.value, "channel": channel}
        if kind in (SocketFault.STALL, SocketFault.DELAY):
            return "faults", {**body, "seconds": rng.randrange(3, 20), "latency_ms": rng.randrange(200, 3_000)}
        return "faults", {**body, "times": rng.randrange(1, 4)}

    return draw


def _restart(rng: random.Random) -> Deed:
    return "restart", {"down_s": rng.randrange(2, 20), "post_only_s": rng.randrange(5, 120)}


def _mode(mode: str) -> Draw:
    return lambda rng: ("mode", {"mode": mode, "seconds": rng.randrange(2, 20)})


def _short_wait(rng: random.Random) -> int:
    return rng.randrange(50, 1_500)


# Trouble that describes a state of affairs rather than one unlucky trade.
_LASTING = {
    kind.value
    for kind in (
        EngineFault.STALE_BALANCE,
        EngineFault.PHANTOM_RESERVATION,
        EngineFault.READ_LAG,
        EngineFault.PAGE_SMALL,
        EngineFault.PAGE_OVERLAP,
        EngineFault.PAGE_LOOP,
        EngineFault.PAGE_TAIL,
        EngineFault.RELAY_SLOW,
        EngineFault.SLOW_SETTLEMENT,
    )
}

CLASSES: dict[str, Draw] = {
    "post_refused_425": _http("status", "POST", "/order*", status=425),
    "post_refused_429": _http("status", "POST", "/order*", status=429, retry_after=lambda r: r.randrange(1, 4)),
    "post_refused_500": _http("status", "POST", "/order*", status=500),
    "post_refused_502": _http("status", "POST", "/order*", status=502),
    "post_refused_503": _http("status", "POST", "/order*", status=503, retry_after=lambda r: r.randrange(1, 4)),
    "post_unauthorized": _http(
        "status", "POST", "/order*", status=401, body='{"error":"Unauthorized/Invalid api key"}'
    ),
    "post_cloudflare": _http("html", "POST", "/order*"),
    "post_slow": _http("latency", "POST", "/order*", latency_ms=_short_wait),
    "post_lost_before": _http("hang", "POST", "/order*", latency_ms=_short_wait),
    "post_lost_after": _http("hang", "POST", "/order*", when="after", latency_ms=_short_wait),
    "post_late": _http("late", "POST", "/order*", effect_ms=lambda r: r.randrange(1_000, 60_000)),
    "post_error_after": _http(
        "status", "POST", "/order*", status=500, when="after", body='{"error":"order timed out"}'
    ),
    "post_reset_after": _http("reset", "POST", "/order*", when="after"),
    "post_truncated_after": _http("truncated", "POST", "/order*", when="after"),
    "post_malformed_after": _http("malformed", "POST", "/order*", when="after"),
    "post_empty_after": _http("empty", "POST", "/order*", when="after"),
    "post_wrong_type_after": _http(
        "status", "POST", "/order*", status=200, when="after", body='{"success":"yes","orderID":17,"status":null}'
    ),
    "cancel_lost_before": _http("hang", "DELETE", "/*", latency_ms=_short_wait),
    "cancel_lost_after": _http("hang", "DELETE", "/*", when="after", latency_ms=_short_wait),
    "cancel_error": _http("status", "DELETE", "/*", status=500),
    "cancel_cloudflare": _http("html", "DELETE", "/*"),
    "read_error": _http("status", "GET", "/data/*", status=500),
    "read_slow": _http("latency", "GET", "/data/*", latency_ms=_short_wait),
    "read_truncated": _http("truncated", "GET", "/data/*"),
    "read_html": _http("html", "GET", "/data/*"),
    "heartbeat_lost": _http("hang", "POST", "/v1/heartbeats", when="after", latency_ms=_short_wait),
    "book_error": _http("status", "GET", "/book*", status=503),
    "restart_drill": _restart,
    "cancel_only": _mode("cancel_only"),
    "disabled": _mode("disabled"),
    "user_disconnect": lambda rng: ("disconnect", {"channel": "user"}),
    "market_disconnect": lambda rng: ("disconnect", {"channel": "market"}),
    **{f"user_{kind.value}": _socket(kind, "user") for kind in SocketFault},
    **{f"market_{kind.value}": _socket(kind, "market") for kind in SocketFault},
    **{kind.value: _engine(kind) for kind in EngineFault},
}
