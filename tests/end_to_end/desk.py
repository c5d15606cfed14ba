"""A whole desk as its owner starts it: `manage.py up` in a folder of its own, watched from the outside."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
READY_LIMIT_S = 120.0
# What the test run itself set: the desk under test must find none of it.
_NOT_FOR_THE_DESK = re.compile(r"DATABASE_URL|REDIS_URL|DJANGO_SETTINGS_MODULE|SECRET_KEY|POLYBOT_|POLYMARKET_|PYTEST_")


def clean_environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not _NOT_FOR_THE_DESK.match(name)} | more


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Desk:
    """One `up`. Lines are kept as they come."""

    def __init__(self, data: Path, *words: str, port: int | None = None, mount: str = "", **environment: str) -> None:
        """With `mount`, a shell command, the desk runs in a mount namespace of its own where that was done first."""
        self.data = data
        self.port = port or free_port()
        self.lines: list[str] = []
        self.began = time.monotonic()
        command = [sys.executable, str(PROJECT / "manage.py"), "up", "--data", str(data), "--port", str(self.port)]
        command += ["--no-compile", *words]  # half a minute of work that no test of a desk looks at
        if mount:
            command = ["unshare", "-rm", "sh", "-c", f"{mount} && exec {shlex.join(command)}"]
        self.process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=clean_environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_ready(self) -> float:
        """Return the seconds from start to READY."""
        self.wait_for(lambda: f"READY {self.url}" in self.lines, "READY", limit_s=READY_LIMIT_S)
        return time.monotonic() - self.began

    def wait_for(self, done: Callable[[], Any], what: str, *, limit_s: float = 60.0) -> None:
        end = time.monotonic() + limit_s
        while not done():
            if self.process.poll() is not None:
                raise AssertionError(f"the desk ended before {what}:\n" + self.tail())
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {limit_s:.0f} s:\n" + self.tail())
            time.sleep(0.1)

    def tail(self, count: int = 60) -> str:
        return "\n".join(self.lines[-count:])

    def status(self) -> dict[str, Any]:
        """What `manage.py status --json` says, asked from a Python outside the environment's."""
        command = [sys.executable, "-I", str(PROJECT / "manage.py"), "status", "--json", "--data", str(self.data)]
        done = self.run_inside(command)
        return dict(json.loads(done.stdout))

    def run_inside(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command where it can see the desk's folders."""
        return subprocess.run(command, cwd=PROJECT, env=clean_environment(), capture_output=True, text=True, timeout=60)

    def command(self, *words: str) -> str:
        """Run another command of manage.py against this desk."""
        command = [sys.executable, str(PROJECT / "manage.py"), *words, "--data", str(self.data)]
        done = self.run_inside(command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        return self.command("shell", "--no-imports", "-c", code).strip()

    def turn_for(self, seconds: float) -> None:
        """Let the desk run for a while; it must not end."""
        time.sleep(seconds)
        assert self.process.poll() is None, self.tail()

    def pids(self) -> dict[str, int]:
        """The children's processes, from the kernel: whoever has the supervisor as parent."""
        return {name: p["pid"] for name, p in self.status()["processes"].items() if p["pid"]}

    def stop(self, number: signal.Signals = signal.SIGINT, *, limit_s: float = 10.0) -> float:
        """Ask for an ordered stop as Ctrl-C does; return the seconds it took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(limit_s)
        took = time.monotonic() - began
        self._reader.join(5)
        return took

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
        self._reader.join(5)

    def survivors(self) -> list[str]:
        """Processes that still belong to this desk, by its folders in their command line or environment."""
        marks = [str(self.data).encode()]
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or int(folder.name) == os.getpid():
                continue
            try:
                command = (folder / "cmdline").read_bytes()
                environment = (folder / "environ").read_bytes()
                state = (folder / "stat").read_text().rsplit(") ", 1)[1][0]
            except OSError:
                continue
            if state != "Z" and any(b"POLYBOT_DATA=" + m in environment or m in command for m in marks):
                found.append(f"{folder.name} {command.decode(errors='replace')[:120]}")
        return found


def wait_until(done: Callable[[], bool], *, limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.1)
    return False
