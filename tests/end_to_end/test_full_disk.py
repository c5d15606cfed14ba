"""A disk that fills up while the desk trades: it halts with the reason, loses nothing, and goes on by itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.desk import PROJECT, Desk, clean_environment

pytestmark = pytest.mark.slow
SIZE_MB = 900


class DiskDesk(Desk):
    """A desk whose data lie on a small disk in memory, in a mount namespace of its own."""

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command where the small disk is mounted."""
        enter = ["nsenter", "-t", str(self.process.pid), "-U", "-m", "--preserve-credentials"]
        return subprocess.run(
            [*enter, *command], cwd=PROJECT, env=clean_environment(), capture_output=True, text=True, timeout=60
        )

    def run_inside(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return self.inside(*command)

    def fill(self, megabytes: int) -> None:
        """Write until that much is used up, or the disk is full."""
        self.inside("dd", "if=/dev/zero", f"of={self.data}/../ballast", "bs=1M", f"count={megabytes}", "conv=notrunc")

    def empty(self) -> None:
        self.inside("rm", "-f", f"{self.data}/../ballast")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DiskDesk]:
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("no unshare here")
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("user and mount namespaces are refused here")
    disk = tmp_path / "disk"
    disk.mkdir()
    running = DiskDesk(disk / "desk", mount=f"mount -t tmpfs -o size={SIZE_MB}m none '{disk}'")
    try:
        running.wait_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()
        running.kill()


def test_a_disk_that_fills_halts_trading_and_lets_it_go_again(desk: DiskDesk) -> None:
    desk.wait_for(lambda: desk.status()["orders"], "paper order", limit_s=60)

    def free_mb() -> int:
        answer = desk.inside(sys.executable, "-c", f"import shutil; print(shutil.disk_usage({str(desk.data)!r}).free)")
        return int(answer.stdout) // 1_000_000

    desk.fill(free_mb() - 150)
    desk.wait_for(lambda: desk.status()["halts"], "halt", limit_s=40)
    (halt,) = desk.status()["halts"]
    assert halt["kind"] == "halted"
    assert "MB free on the disk" in halt["reason"]

    desk.fill(SIZE_MB)  # now to the last byte: Postgres and Valkey cannot write at all
    assert free_mb() < 5
    desk.turn_for(8.0)
    desk.empty()

    def released() -> bool:
        now = desk.status()
        return now["figures_live"] and now["halts"] == []

    desk.wait_for(released, "release", limit_s=90)
    before = desk.status()
    desk.wait_for(lambda: desk.status()["ticks"] > before["ticks"], "tick", limit_s=60)
    desk.wait_for(lambda: desk.status()["orders"] > before["orders"], "new order", limit_s=90)
    code = """
import json
from orders.services.invariants import check_invariants, ledger_sum
print(json.dumps({"broken": [str(v) for v in check_invariants()], "ledger": ledger_sum()}))
"""
    assert json.loads(desk.python(code).splitlines()[-1]) == {"broken": [], "ledger": {}}
