"""Append-only records of what a process saw and when: one JSON line each, one file per UTC day.

A record explains and repeats; it never decides. So a full disk or a failing write loses lines and says so (once in
the log, and in the record itself as a `gap` once it works again), and never stops whoever writes. Several processes
may write to one file: every write is one append of whole lines.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

log = logging.getLogger(__name__)
LEAST_FREE = 1_000_000_000  # bytes that stay free
LOOK_EVERY_S = 10.0  # how often the disk is asked
_encode = msgspec.json.encode


class Record:
    """Lines of one kind, in `folder/name/<day>.jsonl`. May be used from several threads; without a folder it is off."""

    def __init__(
        self,
        folder: Path | None,
        name: str,
        *,
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lost = 0
        self._folder = None if folder is None else folder / name
        self._free, self._monotonic = free, monotonic
        self._lock = threading.Lock()
        self._looked_at = -LOOK_EVERY_S
        self._roomy = True

    @property
    def is_on(self) -> bool:
        return self._folder is not None

    def write(self, *lines: Mapping[str, Any], at: datetime) -> bool:
        """Append the lines of one moment; return whether they are in the file."""
        if self._folder is None or not lines:
            return False
        with self._lock:
            try:
                if not self._has_room():
                    raise OSError(f"less than {LEAST_FREE / 1e9:.0f} GB are free")
                gap = [{"k": "gap", "lost": self.lost, "pid": os.getpid()}] if self.lost else []
                self._append(b"".join(_encode(line) + b"\n" for line in (*gap, *lines)), at)
            except OSError as error:
                if not self.lost:
                    log.warning("a record has a gap", extra={"folder": str(self._folder), "problem": str(error)})
                self.lost += len(lines)
                return False
            self.lost = 0
            return True

    def _append(self, data: bytes, at: datetime) -> None:
        assert self._folder is not None  # noqa: S101 - asked by `write`
        path = self._folder / f"{at.astimezone(UTC):%Y-%m-%d}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        try:
            handle = os.open(path, flags, 0o600)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, flags, 0o600)
        try:
            if os.write(handle, data) != len(data):
                raise OSError("a line was cut off: the disk is full")
        finally:
            os.close(handle)

    def _has_room(self) -> bool:
        now = self._monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            home = self._folder
            while home is not None and not home.exists() and home != home.parent:
                home = home.parent
            self._roomy = home is not None and self._free(home) >= LEAST_FREE
        return self._roomy


def records_prune(folder: Path, *, now: datetime, days: int, most_bytes: int) -> int:
    """Delete day files older than `days`, then the oldest until at most `most_bytes` are left; return how many.

    Today's files stay whatever their size.
    """
    today = f"{now.astimezone(UTC):%Y-%m-%d}"
    oldest = f"{now.astimezone(UTC) - timedelta(days=days):%Y-%m-%d}"
    found = sorted((p for p in folder.glob("*/*.jsonl") if p.stem < today), key=lambda p: (p.stem, str(p)))
    total = sum(path.stat().st_size for path in folder.glob("*/*.jsonl"))
    deleted = 0
    for path in found:
        if path.stem >= oldest and total <= most_bytes:
            break
        total -= path.stat().st_size
        path.unlink(missing_ok=True)
        deleted += 1
    return deleted
