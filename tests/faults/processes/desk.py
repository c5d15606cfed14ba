"""The desk of L2: `up` behind a relay, one sandbox account, and hands that kill, stop and trouble its processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import redis

from tests.end_to_end.desk import PROJECT, Desk, clean_environment, free_port
from tests.faults.processes.relay import Relay


class RelayedDesk(Desk):
    """A desk whose order requests pass through `relay`."""

    def __init__(self, data: Path, *words: str) -> None:
        self.data, self.port = data, free_port()
        self.lines: list[str] = []
        self.began = time.monotonic()
        data.mkdir(parents=True, exist_ok=True)
        self._target = data.parent / "relay.json"
        self.relay = Relay(self._there)
        environment = clean_environment(RELAY_PORT=str(self.relay.port), RELAY_TARGET=str(self._target))
        command = [sys.executable, "-m", "tests.faults.processes.relayed_up", "--data", str(data)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *words], cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _there(self) -> tuple[str, int]:
        parts = urlsplit(self.hosts["clob"])
        return parts.hostname or "127.0.0.1", parts.port or 80

    @property
    def hosts(self) -> dict[str, str]:
        return dict(json.loads(self._target.read_text()))

    def control(self, call: str, *, method: str = "POST", **body: Any) -> None:
        """Ask the exchange's switchboard; one that is down right now is not asked twice."""
        try:
            httpx.request(method, f"{self.hosts['control']}/{call}", json=body or None, timeout=5)
        except httpx.HTTPError:
            return

    def inside(self, call: str, *, timeout_s: float = 120, keys: bool = False) -> dict[str, Any]:
        """Run one function of `inside` in the desk's environment; return what it printed."""
        done = self.start_inside(call, keys=keys)
        out, _ = done.communicate(timeout=timeout_s)
        return printed(out)

    def start_inside(self, call: str, *, keys: bool = False) -> subprocess.Popen[str]:
        code = f"from tests.faults.processes import inside; inside.{call}"
        more = {}
        if keys:
            more = {"POLYBOT_ROLE": "fills", "POLYBOT_STREAM_KEY_FILE": str(self.data / "keys" / "stream.key")}
        command = [sys.executable, str(PROJECT / "manage.py"), "shell", "--no-imports", "-c", code]
        return subprocess.Popen(
            [*command, "--data", str(self.data)], cwd=PROJECT, env=clean_environment(**more), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def start_inside_redis(self, command: str) -> None:
        """Run one command at the desk's Valkey; one that is down has lost everything anyway."""
        address = json.loads((self.data / "desk.json").read_text())["environment"]["REDIS_URL"]
        try:
            with redis.Redis.from_url(address, socket_timeout=5) as client:
                client.execute_command(command)
        except redis.RedisError:
            return

    def kill_switch(self) -> None:
        """Set the switch as a person would on the command line, without waiting for it here."""
        self.start_inside("kill_now()")

    def pid(self, name: str) -> int | None:
        found = self.status()["processes"].get(name)
        return int(found["pid"]) if found and found["pid"] else None

    def send(self, name: str, number: signal.Signals) -> int | None:
        pid = self.pid(name)
        if pid is not None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return None
        return pid

    def everything_runs(self) -> bool:
        return all(process["state"] == "running" for process in self.status()["processes"].values())

    def end(self) -> None:
        if self.process.poll() is None:
            try:
                self.stop(limit_s=30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.relay.close()


def printed(out: str) -> dict[str, Any]:
    lines = [line for line in out.splitlines() if line.startswith("{")]
    assert lines, out[-3000:]
    return dict(json.loads(lines[-1]))
