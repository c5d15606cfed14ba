from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from polybot.supervisor import bootstrap


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose environment exists and holds what `run.txt` asks for."""
    locks = tmp_path / "polybot" / "requirements"
    locks.mkdir(parents=True)
    for name in ("run", "dev"):
        (locks / f"{name}.txt").write_text(f"# {name}\n")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    _stamp(tmp_path, "run")
    return tmp_path


def _stamp(project: Path, name: str) -> None:
    lock = project / "polybot" / "requirements" / f"{name}.txt"
    (project / ".venv" / f".polybot-{name}").write_text(hashlib.sha256(lock.read_bytes()).hexdigest())


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have run; all of them succeed."""
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> SimpleNamespace:
        ran.append(command)
        return SimpleNamespace(returncode=0, stdout="", stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    return ran


def test_an_environment_that_is_current_is_left_alone(project: Path, commands: list[list[str]]) -> None:
    assert bootstrap.ensure(project, lock="run") == project / ".venv" / "bin" / "python"
    assert commands == []


def test_a_changed_lock_is_installed_with_its_hashes(project: Path, commands: list[list[str]]) -> None:
    (project / "polybot" / "requirements" / "run.txt").write_text("# a newer one\n")
    bootstrap.ensure(project, lock="run")
    assert any("--require-hashes" in command for command in commands)
    commands.clear()
    bootstrap.ensure(project, lock="run")
    assert commands == []


def test_the_development_environment_also_runs_the_desk(project: Path, commands: list[list[str]]) -> None:
    (project / ".venv" / ".polybot-run").unlink()
    _stamp(project, "dev")
    bootstrap.ensure(project, lock="run")
    assert commands == []


def test_too_little_room_is_said_before_anything_is_installed(
    project: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=321_000_000))
    with pytest.raises(bootstrap.BootstrapError, match="only 321 MB free"):
        bootstrap.ensure(project, lock="dev")
    assert commands == []


def test_without_the_venv_module_an_ordinary_user_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap.os, "getuid", lambda: 1000)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1, stdout="", stderr=""))
    with pytest.raises(bootstrap.BootstrapError, match="apt-get install python3-venv"):
        bootstrap._make(tmp_path / ".venv")
