"""What `up` says, in one line, when it cannot start. Nothing is started and nothing is written."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.desk import PROJECT, clean_environment, free_port


def _up(data: Path, *words: str, python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [python, str(PROJECT / "manage.py"), "up", "--data", str(data), *words]
    return subprocess.run(
        command, cwd=PROJECT, env=clean_environment(**environment), capture_output=True, text=True, timeout=60
    )


def _is_one_line(done: subprocess.CompletedProcess[str]) -> bool:
    return done.returncode == 2 and done.stdout == "" and len(done.stderr.strip().splitlines()) == 1


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = _up(tmp_path / "desk", "--port", str(port))
    assert _is_one_line(done), done
    assert f"error: port {port} is in use" in done.stderr


def test_a_folder_with_somebody_elses_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    done = _up(tmp_path, "--port", str(free_port()))
    assert _is_one_line(done), done
    assert "not a polybot data directory" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    # 16 MB of memory as a disk, seen by this one process only.
    unshare = shutil.which("unshare")
    disk = tmp_path / "small disk"
    disk.mkdir()
    words = f"mount -t tmpfs -o size=16m none '{disk}' && exec '{sys.executable}' '{PROJECT}/manage.py' up --data '{disk}/desk' --port {free_port()}"  # noqa: E501
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True).returncode:
        pytest.skip("user and mount namespaces are refused here")
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", words], cwd=PROJECT, env=clean_environment(), capture_output=True, text=True
    )
    assert _is_one_line(done), done
    assert "MB free" in done.stderr and "polybot needs 500 MB" in done.stderr


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    code = f"""
import runpy, sys
sys.version_info = (3, 9, 2, "final", 0)
sys.version = "3.9.2 (pretended)"
sys.argv = ["manage.py", "up"]
runpy.run_path({str(PROJECT / "manage.py")!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True)
    assert _is_one_line(done), done
    assert "polybot needs Python 3.11 to 3.13, this is 3.9.2" in done.stderr


def test_a_bad_setting_is_named(tmp_path: Path) -> None:
    done = _up(tmp_path / "desk", "--port", str(free_port()), POLYBOT_ALLOWED_HOSTS="*")
    assert done.returncode == 1
    assert "polybot.E002" in done.stdout + done.stderr


def test_a_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    done = _up(tmp_path / "desk", "--port", str(free_port()), DATABASE_URL=f"postgres://nobody@/none?host={tmp_path}")
    assert done.returncode == 1
    assert "error:" in done.stderr
