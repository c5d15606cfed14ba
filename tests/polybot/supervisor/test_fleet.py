"""Real processes, small ones: the fleet is about what the kernel does."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from polybot.supervisor.children import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_AFTER_S, Child, ChildPlan
from polybot.supervisor.fleet import Fleet
from polybot.supervisor.output import Output
from polybot.supervisor.runtime import process_is_alive


class Crew:
    """A fleet whose words are kept."""

    def __init__(self, folder: Path) -> None:
        self.heard = io.StringIO()
        self.output = Output(folder / "logs", stream=self.heard)
        self.fleet = Fleet(output=self.output, folder=folder)

    def start(self, name: str, code: str, *, stage: int = 1, restarts: bool = True, grace_s: float = 2.0) -> Child:
        command = (sys.executable, "-u", "-c", textwrap.dedent(code))
        plan = ChildPlan(name=name, command=command, stage=stage, restarts=restarts, grace_s=grace_s)
        return self.fleet.start(plan, dict(os.environ))

    def says(self, text: str) -> bool:
        return text in self.heard.getvalue()


@pytest.fixture
def crew(tmp_path: Path):
    crew = Crew(tmp_path)
    yield crew
    crew.fleet.stop(limit_s=1.0)


WAITING = "import time; print('up', flush=True); time.sleep(60)"


def test_lines_carry_the_childs_name_and_are_kept_in_its_file(crew: Crew, tmp_path: Path) -> None:
    crew.start("talker", "print('hello there')", restarts=False)
    assert crew.fleet.run_until(lambda: crew.says("talker   │ hello there"), timeout_s=5)
    assert (tmp_path / "logs" / "talker.log").read_text() == "hello there\n"
    assert "\x1b" not in crew.heard.getvalue()  # not a terminal: no colour


def test_a_killed_child_comes_back(crew: Crew) -> None:
    child = crew.start("worker", WAITING)
    assert crew.fleet.run_until(lambda: crew.says("up"), timeout_s=5)
    assert child.process is not None
    first = child.process.pid
    os.kill(first, signal.SIGKILL)
    assert crew.fleet.run_until(lambda: child.is_running and child.process.pid != first, timeout_s=5)  # type: ignore[union-attr]
    assert child.restarts == 1
    assert crew.says("worker ended (by SIGKILL)")


def test_a_child_that_cannot_live_is_tried_less_and_less_often() -> None:
    child = Child(plan=ChildPlan(name="x", command=("x",), stage=1), environment={}, folder=Path())
    pauses = [child.schedule_restart(now=float(n)) for n in range(9)]
    assert pauses[:3] == [FIRST_PAUSE_S, FIRST_PAUSE_S * 2, FIRST_PAUSE_S * 4]
    assert pauses[-1] == LONGEST_PAUSE_S
    child.started_at = 100.0
    assert child.schedule_restart(now=100.0 + STEADY_AFTER_S) == FIRST_PAUSE_S  # it lived well: at once again


def test_one_childs_pause_does_not_hold_up_another(crew: Crew) -> None:
    failing = crew.start("failing", "raise SystemExit(3)")
    failing.pause_s = 10.0
    crew.start("lively", "import time\nwhile True: print('tick', flush=True); time.sleep(0.05)")
    began = time.monotonic()
    assert crew.fleet.run_until(lambda: crew.heard.getvalue().count("tick") > 10, timeout_s=5)
    assert time.monotonic() - began < 4


def test_a_command_that_does_not_exist_is_reported_and_tried_again(crew: Crew) -> None:
    child = crew.fleet.start(ChildPlan(name="ghost", command=("/nowhere/ghost",), stage=1), dict(os.environ))
    assert crew.says("ghost cannot be started")
    assert child.due_at is not None


def test_stopping_goes_stage_by_stage(crew: Crew) -> None:
    farewell = """
        import signal, time, sys
        def stop(*_): print("bye", flush=True); sys.exit(0)
        signal.signal(signal.SIGTERM, stop); print("up", flush=True); time.sleep(60)
    """
    for name, stage in (("store", 3), ("app", 1), ("exchange", 2)):
        crew.start(name, farewell, stage=stage)
    assert crew.fleet.run_until(lambda: crew.heard.getvalue().count("up") == 3, timeout_s=5)
    crew.fleet.stop(limit_s=4.0)
    order = [line.split()[0] for line in crew.heard.getvalue().splitlines() if line.endswith("bye")]
    assert order == ["app", "exchange", "store"]


def test_a_child_that_ignores_the_signal_is_killed_within_the_limit(crew: Crew) -> None:
    child = crew.start(
        "deaf",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
    )
    assert crew.fleet.run_until(lambda: crew.says("up"), timeout_s=5)
    began = time.monotonic()
    crew.fleet.stop(limit_s=1.0)
    assert time.monotonic() - began < 1.5
    assert not child.is_running
    assert crew.says("deaf did not stop in time")


def test_a_grandchild_is_ended_with_its_parent(crew: Crew) -> None:
    code = """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print("grandchild", child.pid, flush=True); time.sleep(60)
    """
    crew.start("parent", code)
    assert crew.fleet.run_until(lambda: crew.says("grandchild"), timeout_s=5)
    pid = int(crew.heard.getvalue().split("grandchild ")[1].split()[0])
    crew.fleet.stop(limit_s=2.0)
    assert _is_gone(pid)


def test_no_child_survives_a_killed_supervisor(tmp_path: Path) -> None:
    project = Path(__file__).parents[3]
    code = f"""
        import sys, os, time
        sys.path.insert(0, {str(project)!r})
        from pathlib import Path
        from polybot.supervisor.fleet import Fleet
        from polybot.supervisor.children import ChildPlan
        from polybot.supervisor.output import Output
        fleet = Fleet(output=Output(Path({str(tmp_path)!r}) / "logs"), folder=Path({str(tmp_path)!r}))
        plan = ChildPlan(name="child", command=(sys.executable, "-c", "import time; time.sleep(60)"), stage=1)
        print(fleet.start(plan, dict(os.environ)).process.pid, flush=True)
        while True: fleet.turn(1.0)
    """
    supervisor = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    pid = int(supervisor.stdout.readline())
    assert process_is_alive(pid)
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    assert _is_gone(pid)


def _is_gone(pid: int) -> bool:
    """Whether the process ended within two seconds; one that waits to be buried has ended."""
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        try:
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False
