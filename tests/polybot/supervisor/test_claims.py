from __future__ import annotations

import os
import shutil
import socket
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from polybot.supervisor import claims


def test_the_first_start_marks_the_folder_with_the_version(tmp_path: Path) -> None:
    data = tmp_path / "a folder" / "desk"
    claims.data_directory_claim(data, version="1.2.3")
    assert (data / claims.MARKER).read_text() == "1.2.3\n"
    claims.data_directory_claim(data, version="1.2.4")  # later starts find their own folder
    assert (data / claims.MARKER).read_text() == "1.2.3\n"


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(claims.ClaimError, match="not empty and not a polybot data directory"):
        claims.data_directory_claim(tmp_path, version="1")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_where_the_folder_should_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "desk").write_text("")
    with pytest.raises(claims.ClaimError, match="cannot be used"):
        claims.data_directory_claim(tmp_path / "desk", version="1")


def test_a_second_desk_on_the_same_data_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    held = claims.lock_take(tmp_path)
    with pytest.raises(claims.ClaimError, match=rf"already runs on .* \(process {os.getpid()}\)"):
        claims.lock_take(tmp_path)
    os.close(held)
    os.close(claims.lock_take(tmp_path))


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(claims.ClaimError, match=f"port {port} is in use"):
            claims.port_check(port)
    claims.port_check(port)


def test_too_little_room_is_refused_with_the_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=123_000_000))
    with pytest.raises(claims.ClaimError, match=r"only 123 MB free .* needs 500 MB"):
        claims.disk_check(tmp_path)


def test_a_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    first = claims.secret_file(tmp_path, "secret_key")
    content = first.read_text()
    assert len(content) >= 50
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    assert claims.secret_file(tmp_path, "secret_key").read_text() == content
    assert claims.secret_file(tmp_path, "another").read_text() != content
