"""Starting and stopping the exchange: its options, its one line, its clean end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from polybot.sandbox.main import open_sockets, read_options, urls
from tests.local_exchange import PROJECT, running_exchange


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "only loopback addresses"),
        (["--host", "192.168.1.5"], "only loopback addresses"),
        (["--host", "example.org"], "only loopback addresses"),
        (["--port", "70000"], "--port: 0 to 65535"),
        (["--speed", "0"], "--speed"),
        (["--rate", "-1"], "--rate"),
        (["--replay", "/nowhere/at/all"], "no such file or folder"),
        (["--seed", "one"], "invalid int value"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        read_options(arguments)
    assert (stopped.value.code, says in capsys.readouterr().err) == (2, True)


def test_options_reach_the_engine(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    options, host, port = read_options(["--seed", "9", "--rate", "500", "--port", "8123", "--state", str(state)])
    assert (options.seed, options.rate, options.state_dir, host, port) == (9, 500.0, state, "127.0.0.1", 8123)
    assert state.is_dir()


def test_one_chosen_port_serves_everything_and_free_ports_give_each_service_its_own() -> None:
    free = open_sockets("127.0.0.1", 0)
    try:
        found = urls(free)
        bases = {found[name] for name in ("clob", "gamma", "data", "relayer")}
        assert len(bases) == 4
        assert found["ws_market"] == found["clob"].replace("http", "ws") + "/ws/market"
    finally:
        for listener in free.values():
            listener.close()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    chosen = open_sockets("127.0.0.1", port)
    try:
        assert urls(chosen) == {
            "clob": f"http://127.0.0.1:{port}",
            "gamma": f"http://127.0.0.1:{port}/gamma-api",
            "data": f"http://127.0.0.1:{port}/data-api",
            "ws_market": f"ws://127.0.0.1:{port}/ws/market",
            "ws_user": f"ws://127.0.0.1:{port}/ws/user",
            "relayer": f"http://127.0.0.1:{port}/relayer",
            "rpc": f"http://127.0.0.1:{port}/rpc",
            "control": f"http://127.0.0.1:{port}/control",
        }
    finally:
        chosen["main"].close()


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def test_a_restart_with_the_same_state_lists_the_same_markets(tmp_path: Path) -> None:
    lists = []
    for _ in range(2):
        with running_exchange("--seed", "21", "--state", str(tmp_path)) as found:
            lists.append([(m["id"], m["conditionId"]) for m in get(f"{found['gamma']}/markets?limit=100")])
    assert lists[0] == lists[1]
    assert len(lists[0]) == 100


def test_a_signal_ends_it_cleanly_and_a_port_in_use_is_one_clear_line() -> None:
    command = [sys.executable, str(PROJECT / "manage.py"), "run_sandbox", "--port"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    first = subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert first.stdout is not None
    try:
        port = json.loads(first.stdout.readline())["clob"].rpartition(":")[2]
        second = subprocess.run([*command, port], capture_output=True, timeout=20, text=True, env=environment)
        assert second.returncode == 2
        assert second.stderr.strip().endswith(f"cannot listen on 127.0.0.1:{port}: Address already in use")
        assert len(second.stderr.strip().splitlines()) == 1
    finally:
        first.send_signal(signal.SIGINT)
        _, errors = first.communicate(timeout=10)
    assert (first.returncode, errors) == (0, b"")
