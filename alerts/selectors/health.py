"""Reads of heartbeats and scheduled jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.models import Heartbeat, JobRun


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatState:
    name: str
    at: datetime
    pid: int
    details: dict[str, Any]

    def age_s(self, now: datetime) -> float:
        return (now - self.at).total_seconds()


def heartbeat_list() -> list[HeartbeatState]:
    rows = Heartbeat.objects.order_by("name").values_list("name", "at", "pid", "details")
    return [HeartbeatState(name=name, at=at, pid=pid, details=details) for name, at, pid, details in rows]


def heartbeat_get(name: str) -> HeartbeatState | None:
    for row in Heartbeat.objects.filter(name=name).values_list("name", "at", "pid", "details"):
        return HeartbeatState(name=row[0], at=row[1], pid=row[2], details=row[3])
    return None


def job_last(name: str) -> JobRun | None:
    return JobRun.objects.filter(name=name).order_by("-slot").first()
