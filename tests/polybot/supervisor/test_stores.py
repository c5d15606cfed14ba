from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from polybot.supervisor import stores


def test_the_wheels_hold_the_binaries_we_run() -> None:
    assert (stores.postgres_binaries() / "postgres").exists()
    assert os.access(stores.valkey_binary(), os.X_OK)


@pytest.mark.parametrize(("name", "call"), [("POLYBOT_PG_BIN", stores.postgres_binaries), ("POLYBOT_REDIS_BIN", stores.valkey_binary)])  # fmt: skip  # noqa: E501
def test_a_wrong_binary_is_named(name: str, call: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, str(tmp_path / "nothing"))
    with pytest.raises(stores.StoreError, match=name):
        call()  # type: ignore[operator]


def test_sockets_get_a_short_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = stores.socket_directory(tmp_path / ("deep" * 40) / "with spaces")
    assert folder.parent == tmp_path
    assert len(folder.name) < 40
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder != stores.socket_directory(tmp_path / "another desk")


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = stores.socket_directory(tmp_path / "desk")
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises((stores.StoreError, FileExistsError)):
        stores.socket_directory(tmp_path / "desk")


@pytest.mark.skipif(os.getuid() != 0, reason="only root needs to become somebody else")
class TestRoot:
    nobody = pwd.getpwnam("nobody").pw_uid

    def test_without_namespaces_postgres_runs_as_nobody_where_the_path_is_open(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stores.shutil, "which", lambda _: None)
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o711)
        rights = stores.privileges_for(tmp_path / "data" / "pg", tmp_path)
        assert rights == stores.Privileges(run_as=self.nobody)

    def test_without_namespaces_a_closed_folder_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stores.shutil, "which", lambda _: None)
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        with pytest.raises(stores.StoreError, match="closed to other users") as caught:
            stores.privileges_for(closed / "data" / "pg", Path("/usr/bin"))
        assert "DATABASE_URL" in str(caught.value)

    def test_passing_through_is_all_that_nobody_gets(self, tmp_path: Path) -> None:
        data, sockets = tmp_path / "data", tmp_path / "sockets"
        (data / "pg" / "base").mkdir(parents=True)
        sockets.mkdir()
        own = stores._open_for(self.nobody, data=data, cluster=data / "pg", sockets=sockets)
        assert stat.S_IMODE(data.stat().st_mode) == 0o711
        assert (data / "pg" / "base").stat().st_uid == self.nobody
        assert own.stat().st_uid == self.nobody
        assert stat.S_IMODE(own.stat().st_mode) == 0o700


def test_another_major_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg" / "PG_VERSION").write_text("15\n")
    with pytest.raises(stores.StoreError, match=r"made by Postgres 15.*dump it"):
        stores.postgres_store(data=tmp_path, sockets=tmp_path)


def test_addresses_survive_odd_folder_names() -> None:
    store = stores.Store("postgres", [], Path(), stores.signal.SIGINT, sockets=Path("/run/a b+c"))
    from polybot.settings.env import database_from_url

    assert database_from_url(stores.store_url(store)[1])["HOST"] == "/run/a b+c"
