"""One child process: how it is started, what it says, when it may start again, how it is stopped.

Times are seconds of the monotonic clock, handed in by the fleet.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from polybot.supervisor.stores import die_with_parent

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 15.0
STEADY_AFTER_S = 20.0  # a child that lived this long starts again at once
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPlan:
    """What to run. `stage` is the order of stopping: a lower stage stops first."""

    name: str
    command: tuple[str, ...]
    stage: int
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 3.5
    restarts: bool = True
    watched: bool = False  # restarted when its sign of life gets old
    run_as: int | None = None  # user id, for Postgres where user namespaces are refused
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Child:
    """A plan and its present process."""

    plan: ChildPlan
    environment: dict[str, str]
    folder: Path
    on_line: Callable[[str], bool] | None = None  # True: the line was for us, do not print it
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restarts: int = 0
    pause_s: float = FIRST_PAUSE_S
    due_at: float | None = None
    last_exit: int | None = None
    _rest: bytes = b""

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    @property
    def output(self) -> int | None:
        """The descriptor its lines come from."""
        return self.process.stdout.fileno() if self.process is not None and self.process.stdout else None

    def start(self, now: float) -> None:
        """Start the process in its own session; the kernel ends it with us. Raises OSError when it cannot run."""
        self.due_at = None
        self.started_at = now
        self._rest = b""
        self.process = subprocess.Popen(
            self.plan.command,
            cwd=self.folder,
            env={**self.environment, **self.plan.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
            user=self.plan.run_as,
        )
        if self.process.stdout:
            os.set_blocking(self.process.stdout.fileno(), False)

    def read_lines(self) -> tuple[list[str], bool]:
        """Return the complete lines that wait in the pipe, and whether the pipe was closed."""
        if (descriptor := self.output) is None:
            return [], True
        closed = False
        content = self._rest
        for _ in range(16):  # bounded, so that one talkative child cannot starve the others
            try:
                part = os.read(descriptor, 65536)
            except BlockingIOError:
                break
            if not part:
                closed = True
                break
            content += part
        *lines, self._rest = content.split(b"\n")
        if self._rest and (closed or len(self._rest) > _LONGEST_LINE):
            lines.append(self._rest)
            self._rest = b""
        return [line.decode(errors="replace").rstrip("\r") for line in lines], closed

    def close_output(self) -> None:
        if self.process is not None and self.process.stdout:
            self.process.stdout.close()
            self.process.stdout = None

    def schedule_restart(self, now: float) -> float:
        """Decide when to start again after an exit at `now`; return the pause in seconds."""
        pause = FIRST_PAUSE_S if now - self.started_at >= STEADY_AFTER_S else self.pause_s
        self.pause_s = min(pause * 2, LONGEST_PAUSE_S)
        self.due_at = now + pause
        self.restarts += 1
        return pause

    def signal_group(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:  # Postgres under another user: only the process itself may be ours to signal
            self.process.send_signal(number)
