"""Where a queue's sign of life goes: a row for the pages, and a file for the supervisor, which reads no database."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from django.conf import settings
from django.utils import timezone

from alerts.services.health import heartbeat_record


def queue_is_alive(queue: str, *, process: str, figures: Mapping[str, int] | None = None) -> None:
    """Say that `queue` is read by `process`; `figures` tell how that process does."""
    folder = settings.POLYBOT_DATA / "alive"
    with contextlib.suppress(OSError):  # a full disk is reported elsewhere; the row is still written
        folder.mkdir(exist_ok=True)
        (folder / process).touch()
    heartbeat_record(f"queue:{queue}", details={"process": process, **(figures or {})}, now=timezone.now())
