"""What the desk watches about itself: room on the disk, and children that ended without being asked.

The supervisor knows of exits but reads no database: it appends them to `exits.jsonl`
beside the data, and the worker turns them into journal rows here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

from django.db import transaction

from alerts.domain.events import Severity
from alerts.selectors.health import heartbeat_list
from alerts.services.journal import event_record
from risk.selectors.halts import halt_rows
from risk.services import halts

HALT_BELOW_MB = 250  # the stores need room to write the last things down
RESUME_ABOVE_MB = 400
BY = "disk watch"
CAUSE = "disk"
EXITS_FILE = "exits.jsonl"
SILENT_AFTER_S = 45.0

log = logging.getLogger("polybot.health")


def disk_watch(data: Path, *, now: datetime, free_mb: int | None = None) -> str:
    """Halt all accounts when the disk runs full, and lift that halt when there is room again; return what was done."""
    free = shutil.disk_usage(data).free // 1_000_000 if free_mb is None else free_mb
    halted = halt_rows().filter(cause=CAUSE).exists()
    if free < HALT_BELOW_MB and not halted:
        reason = f"only {free} MB free on the disk: make room, trading goes on by itself above {RESUME_ABOVE_MB} MB"
        with transaction.atomic():
            halts.halt_create(None, "halted", reason, BY, cause=CAUSE, now=now)
            event_record("disk.full", reason, severity=Severity.CRITICAL, payload={"free_mb": free}, now=now)
        return "halted"
    if halted and free > RESUME_ABOVE_MB:
        halts.halts_lift(None, by=BY, cause=CAUSE, now=now)
        return "released"
    return "unchanged"


def exits_record(data: Path) -> int:
    """Write the exits that the supervisor noted into the journal; return how many.

    The file is moved aside first and removed after the commit: a crash in between repeats rows, and loses none.
    """
    aside = data / f"{EXITS_FILE}.taken"
    if not aside.exists():
        with contextlib.suppress(FileNotFoundError):
            (data / EXITS_FILE).rename(aside)
    if not aside.exists():
        return 0
    exits = [_parsed(line) for line in aside.read_text(errors="replace").splitlines()]
    with transaction.atomic():
        for at, name, how in filter(None, exits):
            if name == "desk":
                event_record("desk.stopped", "the desk was stopped", payload={"at": at.isoformat()}, actor="supervisor")
                continue
            event_record(
                "process.exit",
                f"{name} ended unexpectedly ({how}) and was started again",
                severity=Severity.CRITICAL,
                subject_kind="process",
                subject_id=name,
                subject_label=name,
                actor="supervisor",
                payload={"exit": how, "ended_at": at.isoformat()},
            )
    aside.unlink()
    return len(exits)


def silent_parts(*, mode: str, now: datetime) -> list[str]:
    """Return the queues and processes this mode needs that showed no life lately."""
    needed = ["queue:default", "queue:backtests"]
    if mode not in ("backtest", "server"):
        needed.append("process:feed")
    if mode in ("full", "trade", "arbitrage"):
        needed += ["queue:trading", "process:fills"]
    alive = {row.name for row in heartbeat_list() if row.age_s(now) < SILENT_AFTER_S}
    return [name for name in needed if name not in alive]


def heartbeat_ping(url: str, *, mode: str, now: datetime) -> bool:
    """Tell somebody outside that the desk is well; whoever hears nothing for long enough raises the alarm."""
    import httpx

    if not url or (silent := silent_parts(mode=mode, now=now)):
        if url:
            log.warning("not healthy, no ping", extra={"silent": ",".join(silent)})
        return False
    try:
        httpx.get(url, timeout=5.0, follow_redirects=False).raise_for_status()
    except httpx.HTTPError as error:
        log.warning("heartbeat not delivered", extra={"problem": type(error).__name__})
        return False
    return True


def _parsed(line: str) -> tuple[datetime, str, str] | None:
    try:
        found = json.loads(line)
        return datetime.fromtimestamp(float(found["at"]), tz=UTC), str(found["name"]), str(found["how"])
    except (ValueError, KeyError, TypeError):
        return None  # a line cut off by a crash
