"""What the exchange counted since it started: requests, first-byte times, socket messages."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class EndpointStats:
    count: int = 0
    errors: int = 0
    total_ms: float = 0.0
    recent_ms: deque[float] = field(default_factory=lambda: deque(maxlen=512))

    def add(self, milliseconds: float, *, failed: bool) -> None:
        self.count += 1
        self.errors += failed
        self.total_ms += milliseconds
        self.recent_ms.append(milliseconds)

    def figures(self) -> dict[str, Any]:
        recent = sorted(self.recent_ms)
        return {
            "count": self.count,
            "errors": self.errors,
            "first_byte_ms": {
                "mean": round(self.total_ms / self.count, 3) if self.count else 0,
                "p50": round(recent[len(recent) // 2], 3) if recent else 0,
                "p99": round(recent[min(len(recent) - 1, len(recent) * 99 // 100)], 3) if recent else 0,
            },
        }


class Stats:
    def __init__(self) -> None:
        self.endpoints: dict[str, EndpointStats] = {}
        self.step_errors = 0
        self.slow_clients = 0
        self.socket_messages: dict[str, int] = {"market": 0, "user": 0}

    def request(self, label: str, milliseconds: float, *, failed: bool) -> None:
        found = self.endpoints.get(label)
        if found is None:
            found = self.endpoints[label] = EndpointStats()
        found.add(milliseconds, failed=failed)

    def figures(self) -> dict[str, Any]:
        return {
            "requests": sum(e.count for e in self.endpoints.values()),
            "endpoints": {name: e.figures() for name, e in sorted(self.endpoints.items())},
            "socket_messages": dict(self.socket_messages),
            "slow_clients": self.slow_clients,
            "step_errors": self.step_errors,
        }
