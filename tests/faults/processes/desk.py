"""The desk of L2: `up` behind a relay, on a small disk, with a clock that can be set wrong and points that can kill.

Its processes are killed, stopped and starved by process id; its stores are reached through their own sockets.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.end_to_end.desk import PROJECT, Desk, clean_environment, free_port
from tests.faults.processes.relay import Relay

DISK_MB = 1_500
HERE = Path(__file__).resolve().parent


class RelayedDesk(Desk):
    """A desk whose order requests pass through `relay`."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.port, self.account_id = free_port(), 0
        self.lines: list[str] = []
        self.began = time.monotonic()
        self.points, self._clock, self._target = folder / "points", folder / "clock", folder / "relay.json"
        self.points.mkdir(parents=True)
        self._clock.write_text("0")
        disk = folder / "disk"
        disk.mkdir()
        self.data = disk / "desk"
        self.has_small_disk = subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0
        self._helpers: dict[str, subprocess.Popen[str]] = {}
        self.relay = Relay(self._there)
        environment = clean_environment(
            RELAY_PORT=str(self.relay.port), RELAY_TARGET=str(self._target), POLYBOT_TEST_CLOCK=str(self._clock),
            POLYBOT_FAULTS_FOLDER=str(self.points), PYTHONPATH=str(HERE / "clock"),
        )  # fmt: skip
        command = [sys.executable, "-m", "tests.faults.processes.relayed_up", "--data", str(self.data)]
        command += ["--port", str(self.port), *words]
        if self.has_small_disk:
            mount = f"mount -t tmpfs -o size={DISK_MB}m none {shlex.quote(str(disk))}"
            command = ["unshare", "-rm", "sh", "-c", f"{mount} && exec {shlex.join(command)}"]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    # Where it is ----------------------------------------------------------------------------------------------

    def seen(self, path: Path) -> Path:
        """Return where a path of the desk's own mounts can be read and written from here."""
        return Path(f"/proc/{self.process.pid}/root{path}") if self.has_small_disk else path

    def _entered(self, command: list[str]) -> list[str]:
        if not self.has_small_disk:
            return command
        return ["nsenter", "-t", str(self.process.pid), "-U", "-m", "--preserve-credentials", *command]

    def _there(self) -> tuple[str, int]:
        parts = urlsplit(self.hosts["clob"])
        return parts.hostname or "127.0.0.1", parts.port or 80

    @property
    def hosts(self) -> dict[str, str]:
        return dict(json.loads(self._target.read_text()))

    def told(self) -> dict[str, Any]:
        """Return desk.json: environment and children."""
        return dict(json.loads(self.seen(self.data / "desk.json").read_text()))

    # The exchange ---------------------------------------------------------------------------------------------

    def control(self, call: str, *, method: str = "POST", **body: Any) -> dict[str, Any]:
        """Ask the exchange's switchboard; one that is down right now answers nothing."""
        try:
            return dict(httpx.request(method, f"{self.hosts['control']}/{call}", json=body or None, timeout=5).json())
        except (httpx.HTTPError, ValueError):
            return {}

    # Inside ---------------------------------------------------------------------------------------------------

    def run_inside(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._entered(command), cwd=PROJECT, env=clean_environment(), capture_output=True, text=True, timeout=120
        )

    def inside(self, call: str) -> dict[str, Any]:
        """Let the auditor run one function of `inside`; return what it printed."""
        self.ask("auditor", call)
        return self.hear("auditor")

    def ask(self, who: str, call: str) -> None:
        """Give a helper one call. Helpers stay: a Django start for each would take half of a campaign's time."""
        helper = self._helpers.get(who)
        if helper is None or helper.poll() is not None:
            helper = self._helpers[who] = self.start_inside("serve()", keys="fills" if who == "auditor" else "")
        assert helper.stdin is not None
        helper.stdin.write(call + "\n")
        helper.stdin.flush()

    def hear(self, who: str) -> dict[str, Any]:
        """Return what the helper printed for its last call."""
        said: list[str] = []
        for line in self._helpers[who].stdout or ():
            said.append(line)
            if line.startswith("{"):
                return dict(json.loads(line))
        raise AssertionError(f"the {who} ended: {''.join(said)[-3000:]}")

    def start_inside(self, call: str, *, keys: str = "") -> subprocess.Popen[str]:
        """`keys`: the role whose key files the process gets ("fills" may read, "trader" may sign)."""
        code = f"from tests.faults.processes import inside; inside.{call}"
        more = {}
        if keys:
            names = ("stream", "trader", "install") if keys == "trader" else ("stream",)
            more = {f"POLYBOT_{name.upper()}_KEY_FILE": str(self.data / "keys" / f"{name}.key") for name in names}
            more["POLYBOT_ROLE"] = keys
        command = [sys.executable, str(PROJECT / "manage.py"), "shell", "--no-imports", "-c", code]
        return subprocess.Popen(
            self._entered([*command, "--data", str(self.data)]), cwd=PROJECT, env=clean_environment(**more), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    # Its processes --------------------------------------------------------------------------------------------

    def pid(self, name: str) -> int | None:
        found = self.told()["children"].get(name)
        return int(found["pid"]) if found and found["pid"] else None

    def send(self, name: str, number: signal.Signals) -> int | None:
        """Signal one process; None when it is not there right now."""
        pid = self.pid(name)
        if pid is not None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return None
        return pid

    def not_running(self) -> list[str]:
        return sorted(
            f"{name} does not run" for name, each in self.told()["children"].items()
            if not (each["pid"] and Path(f"/proc/{each['pid']}").exists())
        )  # fmt: skip

    # Points, clock and disk -----------------------------------------------------------------------------------

    def arm(self, point: str) -> None:
        """Let the next process that passes the point die there."""
        (self.points / point).touch()

    def disarm(self) -> list[str]:
        """Take back what nobody passed; return the points at which a process died since the last time."""
        died = []
        for path in list(self.points.iterdir()):
            head, _, pid = path.name.rpartition(".")
            died += [head] if pid.isdecimal() else []
            path.unlink(missing_ok=True)
        return died

    def clock_set(self, seconds_ahead: float) -> None:
        part = self._clock.with_suffix(".part")
        part.write_text(str(seconds_ahead))
        part.replace(self._clock)

    def disk_fill(self) -> None:
        """Take every free byte of the desk's disk."""
        block = bytes(4_000_000)
        with contextlib.suppress(OSError), (self.seen(self.data.parent) / "ballast").open("wb", buffering=0) as file:
            while file.write(block):
                pass

    def disk_free(self) -> None:
        (self.seen(self.data.parent) / "ballast").unlink(missing_ok=True)

    def logs_keep(self, folder: Path) -> None:
        """Copy what its processes said to a folder that outlives it."""
        shutil.copytree(self.seen(self.data / "logs"), folder, dirs_exist_ok=True)

    def end(self) -> None:
        for helper in self._helpers.values():
            helper.kill()
            helper.communicate()
        if self.process.poll() is None:
            try:
                self.stop(limit_s=30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.relay.close()
