"""All children in one loop: their lines are printed, the dead are started again, nothing ever sleeps.

The loop waits in `select` for output and signals; restarts wait by due time, so one
child's back-off never holds up another.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable
from pathlib import Path

from polybot.supervisor.children import Child, ChildPlan
from polybot.supervisor.output import Output

LATER_STAGE_S = 0.8
LOOK_EVERY_S = 0.05  # while waiting for something to become ready


class Fleet:
    """The children of one supervisor. `changed` is called whenever a child started or ended, `ended` (with
    the name and how) when one ended that should not have."""

    def __init__(
        self,
        *,
        output: Output,
        folder: Path,
        changed: Callable[[], None] = lambda: None,
        ended: Callable[[str, str], None] = lambda name, how: None,
    ) -> None:
        self.children: dict[str, Child] = {}
        self.stop_asked = 0
        self.changed = changed
        self.ended = ended
        self._output = output
        self._folder = folder
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._previous: dict[signal.Signals, object] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)

    def watch_signals(self) -> None:
        """From here on Ctrl-C, SIGTERM and SIGHUP ask for an ordered stop instead of ending us."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to leave `select` at once

    def _ask_stop(self, *_: object) -> None:
        self.stop_asked += 1

    def start(
        self, plan: ChildPlan, environment: dict[str, str], *, on_line: Callable[[str], bool] | None = None
    ) -> Child:
        child = Child(plan=plan, environment=environment, folder=self._folder, on_line=on_line)
        self.children[plan.name] = child
        self._launch(child)
        return child

    def run_until(self, done: Callable[[], bool], *, timeout_s: float | None = None) -> bool:
        """Turn the loop until `done`, a stop request or the time limit; return whether it was `done`."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not done():
            if self.stop_asked:
                return False
            now = time.monotonic()
            if end is not None and now >= end:
                return False
            self.turn(min(LOOK_EVERY_S, end - now) if end is not None else LOOK_EVERY_S)
        return True

    def turn(self, longest_s: float) -> None:
        """One round: wait for something to happen, print it, bury the dead, start what is due."""
        now = time.monotonic()
        due = [child.due_at - now for child in self.children.values() if child.due_at is not None]
        for key, _ in self._selector.select(max(0.0, min([longest_s, *due]))):
            if key.data is None:
                self._drain_wakeups()
            else:
                self._read(key.data)
        now = time.monotonic()
        for child in list(self.children.values()):
            if child.is_running and child.process is not None and child.process.poll() is not None:
                self._bury(child, now)
            if child.due_at is not None and child.due_at <= now and not self._stopping:
                self._launch(child)

    def restart(self, name: str, reason: str) -> None:
        """End a child that misbehaves; the loop starts it again."""
        self._output.say(f"{name}: {reason}; starting it again")
        self.children[name].signal_group(signal.SIGKILL)

    def stop(self, *, limit_s: float) -> None:
        """Stop stage by stage. Every stage has its grace; whatever is left at the limit is killed."""
        self._stopping = True
        end = time.monotonic() + limit_s
        for child in self.children.values():
            child.due_at = None
        stages = sorted({child.plan.stage for child in self.children.values()})
        for position, stage in enumerate(stages):
            members = [c for c in self.children.values() if c.plan.stage == stage and c.is_running]
            for child in members:
                child.signal_group(child.plan.stop_signal)
            # Time is kept back for the later stages, so that Postgres always gets to write its checkpoint.
            latest = end - LATER_STAGE_S * (len(stages) - position - 1)
            grace = max((c.plan.grace_s for c in members), default=0.0)
            latest = min(latest, time.monotonic() + grace)
            self._turn_while(members, latest)
            for child in members:
                if child.is_running:
                    self._output.say(f"{child.name} did not stop in time and is killed")
                    child.signal_group(signal.SIGKILL)
            self._turn_while(members, time.monotonic() + 0.3)

    def _turn_while(self, members: list[Child], latest: float) -> None:
        while any(c.is_running for c in members) and (left := latest - time.monotonic()) > 0:
            if self.stop_asked > 1:  # a second Ctrl-C: no more patience
                return
            self.turn(min(0.1, left))

    def _launch(self, child: Child) -> None:
        now = time.monotonic()
        try:
            child.start(now)
        except OSError as error:
            self._output.say(f"{child.name} cannot be started: {error}")
            if child.plan.restarts:
                child.started_at = now
                child.schedule_restart(now)
            return
        if child.output is not None:
            self._selector.register(child.output, selectors.EVENT_READ, child)
        self.changed()

    def _read(self, child: Child) -> bool:
        lines, closed = child.read_lines()
        for line in lines:
            if child.on_line is None or not child.on_line(line):
                self._output.child(child.name, line)
        if closed and child.output is not None:
            self._selector.unregister(child.output)
            child.close_output()
        return closed

    def _bury(self, child: Child, now: float) -> None:
        assert child.process is not None
        child.last_exit = child.process.returncode
        if child.output is not None and not self._read(child) and child.output is not None:
            self._selector.unregister(child.output)  # a grandchild may hold the pipe open; we do not wait for it
            child.close_output()
        child.signal_group(signal.SIGKILL)  # whatever it left behind in its session
        if child.plan.restarts and not self._stopping:
            pause = child.schedule_restart(now)
            self._output.say(f"{child.name} ended ({_words(child.last_exit)}); starting again in {pause:.2g} s")
            self.ended(child.name, _words(child.last_exit))
        elif child.last_exit and not self._stopping:
            self._output.say(f"{child.name} ended ({_words(child.last_exit)})")
        self.changed()

    def _drain_wakeups(self) -> None:
        try:
            while os.read(self._wake_read, 512):
                pass
        except BlockingIOError:
            return


def _words(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
