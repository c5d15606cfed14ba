"""Two commands' first half: up, READY, status, a second up, Ctrl-C, kill -9 of the supervisor."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.desk import PROJECT, Desk, clean_environment, wait_until

pytestmark = pytest.mark.slow
PROCESSES = {"up", "postgres", "valkey", "sandbox", "web", "feed", "fills", "worker", "trader", "beat", "backtests"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    running = Desk(tmp_path_factory.mktemp("first") / "with a space")
    try:
        running.wait_ready()
        yield running
    finally:
        running.kill()


def test_the_first_start_says_where_it_is_and_how_to_sign_in_once(desk: Desk) -> None:
    at = desk.lines.index(f"READY {desk.url}")
    login = re.fullmatch(r"LOGIN admin, password (\S{12,})", desk.lines[at + 1])
    assert login
    code = f"""
from django.contrib.auth import get_user_model
print(get_user_model().objects.get(username="admin").check_password({login.group(1)!r}))
"""
    assert desk.python(code).splitlines()[-1] == "True"
    assert sum(login.group(1) in line for line in desk.lines) == 1
    for log in (desk.data / "logs").iterdir():
        assert login.group(1) not in log.read_text(errors="replace")


def test_status_tells_the_truth_from_any_python_within_two_seconds(desk: Desk) -> None:
    began = time.monotonic()
    status = desk.status()
    assert time.monotonic() - began < 2.0
    assert status["running"] and status["ready"]
    assert (status["mode"], status["venue"]) == ("full", "sandbox")
    assert set(status["processes"]) == PROCESSES
    for name, process in status["processes"].items():
        assert process["state"] == "running", name
        assert Path(f"/proc/{process['pid']}").exists()
    assert status["markets"] >= 120
    assert status["fresh_books"] > 0
    assert status["ledger_sum"] == "0"
    assert status["errors"] == {}


def test_status_shows_what_moves(desk: Desk) -> None:
    first = desk.status()
    desk.wait_for(lambda: desk.status()["ticks"] > first["ticks"], "tick", limit_s=30)
    desk.wait_for(lambda: desk.status()["messages_per_s"] > 0, "message", limit_s=30)


def test_a_strategy_of_the_demo_trades_within_a_minute_of_ready(desk: Desk) -> None:
    desk.wait_for(lambda: desk.status()["fills"] > 0, "paper fill", limit_s=75)


def test_a_second_up_on_the_same_data_says_so_and_ends(desk: Desk) -> None:
    command = [sys.executable, str(PROJECT / "manage.py"), "up", "--data", str(desk.data)]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert f"a desk already runs on {desk.data} (process {desk.process.pid})" in done.stderr
    assert desk.status()["running"]


def test_what_it_keeps_is_its_owners_business(desk: Desk) -> None:
    assert stat.S_IMODE((desk.data / "secrets" / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE((desk.data / "desk.json").stat().st_mode) == 0o600
    environment = json.loads((desk.data / "desk.json").read_text())["environment"]
    assert not any(word in name for name in environment for word in ("PASSWORD", "TOKEN"))


def test_pages_ask_for_a_login(desk: Desk) -> None:
    with urllib.request.urlopen(f"{desk.url}/", timeout=10) as answer:
        assert answer.url.startswith(f"{desk.url}/login/")


def test_memory_stays_below_the_promise(desk: Desk) -> None:
    status = desk.status()
    by_process = {name: process["memory_mb"] for name, process in status["processes"].items()}
    assert sum(by_process.values()) < 1000, by_process


def test_ctrl_c_stops_everything_within_five_seconds_and_a_second_start_is_quick(desk: Desk) -> None:
    assert desk.stop() < 5.5, desk.tail()
    assert desk.process.returncode == 0
    assert desk.survivors() == []
    down = desk.status()
    assert (down["running"], down["figures_live"]) == (False, False)
    assert down["orders"] is not None

    again = Desk(desk.data)
    try:
        took = again.wait_ready()
        assert not any(line.startswith("LOGIN admin, password ") for line in again.lines)
        again.kill()
        assert wait_until(lambda: again.survivors() == [], limit_s=5), again.survivors()
        assert "without a clean stop" in again.status()["note"]
        assert took < 45  # 15 s on a machine that does nothing else; this one runs the tests
    finally:
        again.kill()
