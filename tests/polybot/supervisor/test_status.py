from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from polybot.supervisor import figures, runtime, status

PROJECT = Path(__file__).parents[3]


@pytest.mark.django_db
@pytest.mark.parametrize("name", [*figures.NUMBERS, *figures.TABLES])
def test_every_figure_can_be_read_from_the_migrated_tables(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute({**figures.NUMBERS, **figures.TABLES}[name])
        rows = cursor.fetchall()
    assert len(rows) == 1 or name in figures.TABLES


@pytest.mark.django_db
def test_figures_are_collected_with_one_plain_connection() -> None:
    words = connection.get_connection_params()
    found = figures.collect(f"postgres://{words['user']}@/{words['dbname']}?host={words['host']}")
    assert found["errors"] == {}
    assert found["orders"] == 0
    assert found["ledger_off"] == []


def test_a_database_that_does_not_answer_is_said_in_words(tmp_path: Path) -> None:
    answer = status.figures_refresh(
        tmp_path, {"DATABASE_URL": f"postgres://polybot@/postgres?host={tmp_path}"}, project=PROJECT
    )
    assert "error" in answer
    assert not (tmp_path / status.FIGURES_FILE).exists()


def test_a_desk_that_never_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.run_status(["--data", str(tmp_path)], project=PROJECT) == 3
    assert "not running" in capsys.readouterr().out


def test_a_desk_that_was_killed_shows_its_last_figures(tmp_path: Path) -> None:
    runtime.desk_write(tmp_path, {"pid": _no_process(), "started_at": 1.0, "mode": "full", "venue": "sandbox"})
    (tmp_path / status.FIGURES_FILE).write_text(json.dumps(_figures() | {"at": 1_700_000_000.0}))
    found = status.status_get(tmp_path, project=PROJECT)
    assert found["running"] is False
    assert "without a clean stop" in found["note"]
    assert found["fills"] == 12
    assert found["figures_live"] is False
    assert found["messages_per_s"] == 0  # nothing moves while it is down, whatever the last report said
    words = status.as_words(found)
    assert "figures of 2023-11-14 22:13:20 UTC" in words
    assert "HALT halted: daily loss" in words


def test_the_ledger_sum_adds_what_is_off_and_never_cancels_it_out(tmp_path: Path) -> None:
    off = [{"asset": "usd", "amount": "0.500000"}, {"asset": "outcome:1", "amount": "-0.500000"}]
    (tmp_path / status.FIGURES_FILE).write_text(json.dumps(_figures() | {"ledger_off": off, "at": 1.0}))
    assert status.status_get(tmp_path, project=PROJECT)["ledger_sum"] == "1"
    (tmp_path / status.FIGURES_FILE).write_text(json.dumps(_figures() | {"at": 1.0}))
    assert status.status_get(tmp_path, project=PROJECT)["ledger_sum"] == "0"


def test_equity_is_never_added_across_environments(tmp_path: Path) -> None:
    accounts = [_account("a", "paper", "1000.5"), _account("b", "paper", "2"), _account("c", "live", "7")]
    (tmp_path / status.FIGURES_FILE).write_text(json.dumps(_figures() | {"accounts": accounts, "at": 1.0}))
    assert status.status_get(tmp_path, project=PROJECT)["equity"] == {"paper": "1002.5", "live": "7"}


def test_memory_is_counted_with_children() -> None:
    assert status.memory_mb(os.getpid()) > 10
    assert status.memory_mb(_no_process()) == 0


def test_damaged_files_are_no_figures(tmp_path: Path) -> None:
    (tmp_path / status.FIGURES_FILE).write_text("[1, 2")
    (tmp_path / runtime.DESK_FILE).write_text("{")
    assert status.status_get(tmp_path, project=PROJECT)["orders"] is None


def _account(name: str, environment: str, equity: str) -> dict[str, Any]:
    return {"name": name, "environment": environment, "trading_state": "active", "cash": "0", "equity": equity}


def _figures() -> dict[str, Any]:
    return {
        "markets": 120, "markets_open": 118, "strategies_running": 2, "ticks": 900, "orders": 40, "fills": 12,
        "orders_by_state": [], "accounts": [], "ledger_off": [], "killed": 0,
        "halts": [{"account_id": 1, "kind": "halted", "reason": "daily loss", "by": "risk", "created_at": 1.0}],
        "heartbeats": [{"name": "process:feed", "age_s": 1.0, "details": {"fresh": 9, "messages_per_s": 50}}],
    }  # fmt: skip


def _no_process() -> int:
    return int(Path("/proc/sys/kernel/pid_max").read_text()) - 1
