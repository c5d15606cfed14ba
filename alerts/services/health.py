"""Heartbeats: a process or queue says that it is alive and how it does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from alerts.domain import chain
from alerts.models import Heartbeat


def heartbeat_record(name: str, *, details: Mapping[str, Any] | None = None, now: datetime | None = None) -> None:
    """Store that `name` ("process:feed", "queue:trading") is alive now. One statement; call every 5 to 10 s."""
    Heartbeat.objects.bulk_create(
        [
            Heartbeat(
                name=chain.clean_text(name, limit=60),
                at=now or timezone.now(),
                pid=os.getpid(),
                details=chain.clean_json(dict(details or {})),
            )
        ],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["at", "pid", "details"],
    )


def heartbeat_drop(name: str) -> None:
    """Forget a heartbeat whose process was stopped on purpose."""
    Heartbeat.objects.filter(name=name).delete()
