"""Writes what the feed hears into files: the archive makes tapes of them, the local exchange can play them again.

A file is gzipped JSONL: a first line with the facts of the markets, then one line per frame as it was received.
A new file begins every hour, and sooner for markets that the first line does not know. Each file can be read
alone: it opens with the books as they stood, in the venue's own shape, marked "opening". The same is done after a
loss, so that what follows is right again. The first line names the file that it follows without a loss, and a line
{"receivedAt", "dir": "gap", "tokens", "reason"} stands where a socket was lost or asked for its books anew.

The engine's thread only appends to a bounded queue. Encoding, compression and the disk are this thread's work.
Each write is a complete gzip member: a crash leaves a readable file. Below 1 GB free it stops, says so in the
journal, and goes on once there is room again.
"""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import msgspec

from alerts.domain.events import Severity
from markets.services.notices import Notice

log = logging.getLogger(__name__)
FORMAT, VERSION = "polybot-recording", 1
LEAST_FREE, ENOUGH_FREE = 1_000_000_000, 1_250_000_000  # bytes
MOST_WAITING = 32_000_000  # bytes of frames
_HOUR_NS = 3_600 * 10**9
_NEW_MARKETS_NS = 600 * 10**9  # markets that turn up are worth a new file at most this often
_FLUSH_BYTES, _FLUSH_S = 1_000_000, 5.0
_LOOK_AGAIN_S = 10.0
_encode = msgspec.json.encode

Facts = Callable[[Iterable[str]], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Begin:
    """A new file, for these markets."""

    received_ns: int
    condition_ids: frozenset[str]
    follows: bool  # nothing was lost since the file before


@dataclass(frozen=True, slots=True)
class _Gap:
    """From here on frames of these tokens are missing until their next book."""

    received_ns: int
    tokens: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class _Heard:
    received_ns: int
    frames: Sequence[bytes]
    size: int
    opening: bool = False


class Recorder(threading.Thread):
    """`wants_books`, `begin` and `heard` are for the engine's thread, `notices` for whoever writes the journal.

    `facts` returns the first line's entries for condition ids. It runs in the recorder's thread and may fail:
    the file then begins without them.
    """

    def __init__(
        self,
        folder: Path,
        facts: Facts,
        *,
        exchange: str = "polymarket",
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        super().__init__(name="feed-recorder", daemon=True)
        self.stopped = ""  # why nothing is recorded now
        self.frames_written = 0
        self.frames_dropped = 0
        self.path: Path | None = None
        self.notices: SimpleQueue[Notice] = SimpleQueue()
        self._folder, self._facts, self._free = folder, facts, free
        self._exchange = exchange  # play money must never pass for the venue's
        self._queue: SimpleQueue[_Begin | _Heard | _Gap | None] = SimpleQueue()
        self._put = self._taken = 0  # bytes, each counted by one thread only
        # the engine's side
        self._began_ns = 0
        self._known: frozenset[str] = frozenset()
        self._lost = False
        self._halts_seen = 0
        # this thread's side
        self._halts = 0
        self._lines: list[bytes] = []
        self._lines_size = 0
        self._flushed_at = 0.0
        self._looked_at = 0.0

    # ---- from the engine's thread ----------------------------------------------------------------

    def wants_books(self, received_ns: int, condition_ids: frozenset[str]) -> bool:
        """Whether `begin` must be called before the next frames are recorded."""
        if self._halts != self._halts_seen:  # whatever that file was missing, another one begins
            self._halts_seen, self._began_ns, self._lost = self._halts, 0, True
        if self.stopped:
            return False
        if self._lost:
            return self._put - self._taken < MOST_WAITING // 2
        if received_ns // _HOUR_NS != self._began_ns // _HOUR_NS:
            return True
        return received_ns - self._began_ns > _NEW_MARKETS_NS and not condition_ids <= self._known

    def begin(self, received_ns: int, condition_ids: frozenset[str], books: Sequence[bytes]) -> None:
        """Begin a new file, or after a loss within the hour go on in the same one, with the books as they stand."""
        if received_ns // _HOUR_NS != self._began_ns // _HOUR_NS or not condition_ids <= self._known:
            follows = bool(self._began_ns) and not self._lost
            self._began_ns, self._known = received_ns, condition_ids
            self._queue.put(_Begin(received_ns, condition_ids, follows))
        self._lost = False
        self._append(received_ns, books, opening=True)

    def heard(self, received_ns: int, frames: Sequence[bytes]) -> None:
        """Record frames as they were received; drops and counts them when the disk is too slow or too full."""
        if self._lost or self._put - self._taken > MOST_WAITING:
            self._lost = True
            self.frames_dropped += len(frames)
            return
        self._append(received_ns, frames, opening=False)

    def gap(self, received_ns: int, tokens: Iterable[str], reason: str) -> None:
        """Say that frames of these tokens are missing from here until their next book."""
        named = tuple(sorted(tokens))
        if named and self._began_ns and not self._lost:
            self._queue.put(_Gap(received_ns, named, reason))

    def status(self) -> dict[str, Any]:
        return {
            "file": str(self.path or ""),
            "frames": self.frames_written,
            "dropped": self.frames_dropped,
            "stopped": self.stopped,
        }

    def stop(self) -> None:
        """Write what waits and end; join() afterwards."""
        self._queue.put(None)

    def _append(self, received_ns: int, frames: Sequence[bytes], *, opening: bool) -> None:
        size = sum(map(len, frames))
        self._put += size
        self._queue.put(_Heard(received_ns, frames, size, opening))

    # ---- the thread ------------------------------------------------------------------------------

    def run(self) -> None:
        while True:
            try:
                item = self._queue.get(timeout=1.0)
            except Empty:
                item = _Heard(0, (), 0)
            if item is None:
                self._guarded(self._flush)
                return
            self._guarded(lambda item=item: self._take(item))

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            self._halt(f"cannot write to {self._folder}: {error.strerror or error}")
        except Exception as error:  # the thread must outlive whatever a frame holds
            log.exception("recording failed")
            self._halt(f"{type(error).__name__}: {error}"[:200])

    def _take(self, item: _Begin | _Heard | _Gap) -> None:
        if isinstance(item, _Heard):
            self._taken += item.size
        if self.stopped:
            self._look_for_room()
            return
        if isinstance(item, _Begin):
            self._flush()
            self._open(item)
            return
        at = datetime.fromtimestamp(item.received_ns / 1e9, tz=UTC).isoformat()
        if isinstance(item, _Gap):
            self._line(_encode({"receivedAt": at, "dir": "gap", "tokens": item.tokens, "reason": item.reason[:120]}))
            return
        for frame in item.frames:
            line: dict[str, Any] = {"receivedAt": at, "payloadUtf8": frame.decode("utf-8", "replace")}
            if item.opening:
                line["opening"] = True
            self._line(_encode(line))
        if not item.opening:
            self.frames_written += len(item.frames)
        if self._lines_size > _FLUSH_BYTES or time.monotonic() - self._flushed_at > _FLUSH_S:
            self._flush()

    def _open(self, item: _Begin) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        at = datetime.fromtimestamp(item.received_ns / 1e9, tz=UTC)
        before = self.path.name if self.path and item.follows else ""
        stem, number = f"{at:%Y%m%dT%H%M%S}Z_recording", 1
        self.path = self._folder / f"{stem}.jsonl.gz"
        while self.path.exists():
            number += 1
            self.path = self._folder / f"{stem}_{number}.jsonl.gz"
        markets: list[dict[str, Any]] = []
        try:
            markets = self._facts(sorted(item.condition_ids))
        except Exception as error:  # a recording without names is better than none
            log.warning("the recording begins without its markets' facts: %s", error)
        header = {"format": FORMAT, "version": VERSION, "startedAt": at.isoformat(), "exchange": self._exchange}
        self._line(_encode({**header, "follows": before, "markets": markets}))
        self._flush()

    def _line(self, line: bytes) -> None:
        self._lines.append(line)
        self._lines_size += len(line)

    def _flush(self) -> None:
        self._flushed_at = time.monotonic()
        if not self._lines or self.path is None or self.stopped:
            return
        free = self._free(self._folder)
        if free < LEAST_FREE:
            self._halt(f"only {free / 1e9:.2f} GB are free at {self._folder}; {LEAST_FREE / 1e9:.0f} GB must stay free")
            return
        member = gzip.compress(b"\n".join([*self._lines, b""]), compresslevel=5)
        self._lines, self._lines_size = [], 0
        with self.path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                written = file.write(member)
                if written != len(member):
                    raise OSError(f"{written} of {len(member)} bytes fit")
            except OSError:
                with suppress(OSError):
                    file.truncate(end)  # half a member would make the rest unreadable
                raise

    def _halt(self, reason: str) -> None:
        self.stopped = reason
        self._halts += 1
        self._lines, self._lines_size = [], 0
        self._looked_at = time.monotonic()
        log.warning("recording stopped: %s", reason)
        self.notices.put(
            Notice(
                kind="feed.recording_stopped",
                message=f"recording stopped: {reason}; it goes on by itself once there is room",
                severity=Severity.WARNING,
                subject_id="recorder",
                payload={"reason": reason},
            )
        )

    def _look_for_room(self) -> None:
        if time.monotonic() - self._looked_at < _LOOK_AGAIN_S:
            return
        self._looked_at = time.monotonic()
        if self._folder.exists() and self._free(self._folder) < ENOUGH_FREE:
            return
        self.stopped = ""
        log.info("recording again")
        self.notices.put(Notice(kind="feed.recording", message="recording again", subject_id="recorder"))
