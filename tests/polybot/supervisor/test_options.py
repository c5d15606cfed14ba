from __future__ import annotations

from pathlib import Path

import pytest

from polybot.supervisor import plan
from polybot.supervisor.options import MODES, UpOptions, parse_up
from polybot.supervisor.runtime import data_directory


def _parse(*words: str, tmp_path: Path, **environment: str) -> UpOptions:
    return parse_up(list(words), project=tmp_path, environment=environment)


def test_without_words_it_is_the_local_exchange_on_port_8000(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYBOT_DATA", raising=False)
    options = _parse(tmp_path=tmp_path)
    assert (options.port, options.venue, options.mode) == (8000, "sandbox", "full")
    assert options.data == (tmp_path / "var").resolve()


def test_words_win_over_the_environment(tmp_path: Path) -> None:
    options = _parse("--mode", "trade", tmp_path=tmp_path, POLYBOT_MODE="monitor", POLYBOT_VENUE="polymarket")
    assert (options.mode, options.venue) == ("trade", "polymarket")


@pytest.mark.parametrize(
    "words",
    [
        ("--port", "0"),
        ("--port", "65536"),
        ("--venue", "casino"),
        ("--mode", "yolo"),
        ("--speed", "20"),  # without a recording there is nothing to speed up
        ("--rate", "-5"),
        ("--replay", "/nowhere/at/all"),
        ("--venue", "polymarket", "--seed", "7"),
    ],
)
def test_words_that_make_no_sense_are_refused(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        _parse(*words, tmp_path=tmp_path)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_the_data_directory_is_named_by_word_then_variable_then_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYBOT_DATA", str(tmp_path / "named"))
    assert data_directory(None, project=tmp_path) == (tmp_path / "named").resolve()
    assert data_directory(str(tmp_path / "word"), project=tmp_path) == (tmp_path / "word").resolve()
    monkeypatch.delenv("POLYBOT_DATA")
    assert data_directory(None, project=tmp_path) == (tmp_path / "var").resolve()


@pytest.mark.parametrize("mode", MODES)
def test_only_trading_modes_run_what_can_place_an_order(mode: str, tmp_path: Path) -> None:
    options = _parse("--mode", mode, tmp_path=tmp_path)
    names = {child.name for child in plan.application_plans(options, project=tmp_path)}
    assert {"web", "worker", "beat", "backtests"} <= names
    assert ({"trader", "fills"} <= names) == (mode in ("full", "trade", "arbitrage"))
    assert not {"trader", "fills"} & names or "feed" in names


def test_another_recording_is_another_exchange(tmp_path: Path) -> None:
    recordings = []
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text("")
        options = _parse("--replay", str(tmp_path / f"{name}.jsonl"), "--speed", "20", tmp_path=tmp_path)
        command = plan.sandbox_plan(options, project=tmp_path, port=4000).command
        assert command[command.index("--speed") + 1] == "20"
        recordings.append(command[command.index("--state") + 1])
    assert recordings[0] != recordings[1]


def test_children_never_get_the_administrators_password(tmp_path: Path) -> None:
    environment = plan.shared_environment(
        _parse(tmp_path=tmp_path),
        inherited={"POLYBOT_ADMIN_PASSWORD": "not for children", "PATH": "/bin"},
        secret_key_file=tmp_path / "key",
    )
    assert "not for children" not in environment.values()
    assert environment["SECRET_KEY_FILE"] == str(tmp_path / "key")
    assert environment["PATH"] == "/bin"
    assert (
        "not for children"
        in plan.prepare_plan(project=tmp_path, data=tmp_path, admin_password="not for children").environment.values()
    )


def test_key_files_are_named_to_those_who_may_open_them(tmp_path: Path) -> None:
    options = _parse(tmp_path=tmp_path)
    inherited = {"POLYBOT_TRADER_KEY_FILE": "/somewhere", "POLYBOT_ROLE": "trader"}
    shared = plan.shared_environment(options, inherited=inherited, secret_key_file=tmp_path / "key")
    told = {
        child.name: {name for name in {**shared, **child.environment} if "_KEY_FILE" in name or name == "POLYBOT_ROLE"}
        for child in plan.application_plans(options, project=tmp_path)
    }
    own = {"SECRET_KEY_FILE"}
    trader = {f"POLYBOT_{name}_KEY_FILE" for name in ("TRADER", "STREAM", "INSTALL")}
    assert told.pop("trader") == own | trader | {"POLYBOT_ROLE"}
    assert told.pop("fills") == own | {"POLYBOT_STREAM_KEY_FILE", "POLYBOT_ROLE"}
    assert set(told) == {"web", "worker", "beat", "feed", "backtests"} and all(names == own for names in told.values())
    assert not plan.sandbox_plan(options, project=tmp_path, port=1).environment


def test_what_other_commands_get_holds_no_password_and_no_path(tmp_path: Path) -> None:
    found = plan.desk_environment({"DATABASE_URL": "d", "PATH": "p", "EMAIL_PASSWORD": "e", "POLYMARKET_CLOB_URL": "c"})
    assert found == {"DATABASE_URL": "d", "POLYMARKET_CLOB_URL": "c"}


def test_the_exchanges_line_becomes_settings() -> None:
    hosts = {
        "clob": "http://127.0.0.1:1",
        "ws_user": "ws://127.0.0.1:1/ws/user",
        "control": "http://127.0.0.1:1/control",
    }
    assert plan.venue_environment(hosts) == {
        "POLYMARKET_CLOB_URL": "http://127.0.0.1:1",
        "POLYMARKET_WS_USER_URL": "ws://127.0.0.1:1/ws/user",
        "POLYMARKET_CONTROL_URL": "http://127.0.0.1:1/control",
    }
