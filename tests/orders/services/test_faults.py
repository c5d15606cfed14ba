from pathlib import Path

import pytest

from orders.services import faults


def test_without_a_plan_a_fault_point_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYBOT_FAULTS", raising=False)
    monkeypatch.setattr(faults.os, "kill", lambda *_: pytest.fail("killed"))
    faults.faultpoint("fill.moved")


def test_a_plan_names_the_point_and_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    kills: list[int] = []
    monkeypatch.setenv("POLYBOT_FAULTS", "other,fill.moved:3")
    monkeypatch.setattr(faults, "_passed", faults.Counter())
    monkeypatch.setattr(faults.os, "kill", lambda pid, number: kills.append(number))
    for _ in range(5):
        faults.faultpoint("fill.moved")
        faults.faultpoint("fill.ledger")
    assert kills == [faults.signal.SIGKILL]


def test_a_hook_may_end_the_work_where_the_process_would_have_died() -> None:
    passed: list[str] = []

    def hook(name: str) -> None:
        passed.append(name)
        if name == "fill.ledger":
            raise faults.Crash

    remove = faults.hook_install(hook)
    try:
        with pytest.raises(faults.Crash):
            for name in ("fill.moved", "fill.ledger", "fill.journaled"):
                faults.faultpoint(name)
    finally:
        remove()
    faults.faultpoint("fill.ledger")
    assert passed == ["fill.moved", "fill.ledger"]
    assert not issubclass(faults.Crash, Exception)


def test_a_file_named_after_a_point_ends_the_first_process_that_passes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kills: list[int] = []
    monkeypatch.setenv("POLYBOT_FAULTS_FOLDER", str(tmp_path))
    monkeypatch.setattr(faults.os, "kill", lambda pid, number: kills.append(number))
    (tmp_path / "fill.moved").touch()
    for name in ("fill.ledger", "fill.moved", "fill.moved"):
        faults.faultpoint(name)
    assert kills == [faults.signal.SIGKILL]
    assert [path.name for path in tmp_path.iterdir()] == [f"fill.moved.{faults.os.getpid()}"]
