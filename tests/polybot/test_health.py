from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from alerts.selectors import screens
from alerts.services.health import heartbeat_record
from markets.domain.units import Usd
from orders.selectors.portfolio import account_get
from orders.services.accounts import account_open
from polybot import health
from risk.services import halts

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def account_id(db: None) -> int:
    owner = get_user_model().objects.create_user("owner")
    return account_open(name="paper", owner=owner, cash=Usd(10_000_000), now=NOW).pk


def _state(account_id: int) -> str:
    return str(account_get(account_id).trading_state)


def test_a_disk_that_fills_halts_trading_with_the_number_and_room_releases_it(account_id: int, tmp_path: Path) -> None:
    assert health.disk_watch(tmp_path, now=NOW, free_mb=5_000) == "unchanged"
    assert health.disk_watch(tmp_path, now=NOW, free_mb=200) == "halted"
    assert _state(account_id) == "halted"
    assert "only 200 MB free" in account_get(account_id).trading_state_reason
    assert health.disk_watch(tmp_path, now=NOW, free_mb=150) == "unchanged"
    assert health.disk_watch(tmp_path, now=NOW, free_mb=300) == "unchanged"  # not at the edge: no flutter
    assert health.disk_watch(tmp_path, now=NOW, free_mb=500) == "released"
    assert _state(account_id) == "active"


def test_room_does_not_lift_a_persons_halt(account_id: int, tmp_path: Path) -> None:
    halts.halt_create(account_id, "halted", "by hand", "owner", now=NOW)
    health.disk_watch(tmp_path, now=NOW, free_mb=100)
    health.disk_watch(tmp_path, now=NOW, free_mb=9_000)
    assert _state(account_id) == "halted"


@pytest.mark.django_db
def test_exits_become_journal_rows_once(tmp_path: Path) -> None:
    lines = [json.dumps({"at": 1_700_000_000, "name": "feed", "how": "by SIGKILL"}), '{"at": 17000', "null"]
    (tmp_path / health.EXITS_FILE).write_text("\n".join(lines))
    assert health.exits_record(tmp_path) == 3
    assert health.exits_record(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []
    (row,) = screens.event_rows(account_ids=None, kind="process.exit")[:10]
    assert row.message == "feed ended unexpectedly (by SIGKILL) and was started again"


@pytest.mark.django_db
def test_somebody_outside_is_told_only_while_everything_lives() -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/ping"
        assert not health.heartbeat_ping(url, mode="full", now=NOW)
        for name in ("queue:default", "queue:backtests", "queue:trading", "process:feed", "process:fills"):
            heartbeat_record(name, now=NOW)
        assert health.heartbeat_ping(url, mode="full", now=NOW)
        assert not health.heartbeat_ping(url, mode="full", now=NOW + timedelta(seconds=60))
        assert not health.heartbeat_ping("", mode="full", now=NOW)
        server.shutdown()
    assert asked == ["/ping"]


@pytest.mark.django_db
def test_only_what_a_mode_runs_is_missed() -> None:
    assert health.silent_parts(mode="server", now=NOW) == ["queue:default", "queue:backtests"]
    assert health.silent_parts(mode="monitor", now=NOW) == ["queue:default", "queue:backtests", "process:feed"]
