from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from kombu.exceptions import OperationalError

from backtests import checks, tasks
from backtests.models import BacktestRun
from backtests.services import run
from polybot.celery import app
from tests.backtests.services.test_claims import NOW, row_make
from tests.factories.desk import people_make


def test_replays_have_a_queue_of_their_own_and_acknowledge_at_once() -> None:
    """A message that is not acknowledged comes again after ten minutes, and a replay may take hours."""
    app.loader.import_default_modules()
    for name in checks.REPLAYS:
        task = app.tasks[name]
        assert app.amqp.router.route({}, name)["queue"].name == tasks.QUEUE == checks.QUEUE
        assert task.acks_late is False and task.time_limit > task.soft_time_limit > run.LONGEST_S


def test_nothing_of_the_desk_is_on_that_queue() -> None:
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if not name.startswith("celery.")]
    found = {name for name in ours if app.amqp.router.route({}, name)["queue"].name == tasks.QUEUE}
    assert found >= set(checks.REPLAYS) and all(name.startswith("backtests.tasks.") for name in found)
    assert "backtests.tasks.sweep_runs" not in found  # it finds what that queue lost


@pytest.mark.django_db
def test_the_sweep_wakes_what_waits_and_recovers_what_died(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[int] = []
    monkeypatch.setattr(tasks.run_backtest, "delay", woken.append)
    waiting, dead = row_make(), row_make()
    BacktestRun.objects.filter(pk=dead.pk).update(
        state="running", token="01939d3e-0000-7000-8000-0000000000aa", beat_at=NOW, attempts=1,
        worker=f"{os.uname().nodename} {os.getpid()}:1",
    )  # fmt: skip
    tasks.sweep_runs()
    assert woken == [waiting.pk, dead.pk]
    assert set(BacktestRun.objects.values_list("state", flat=True)) == {"queued"}
    tasks.sweep_runs()
    assert len(woken) == 2


@pytest.mark.django_db
def test_a_broker_that_is_down_leaves_the_run_to_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(run_id: int) -> None:
        raise OperationalError("away")

    row = row_make()
    monkeypatch.setattr(tasks.run_backtest, "delay", down)
    tasks.run_soon(row.pk)
    row.refresh_from_db()
    assert row.sent_at is None
    monkeypatch.setattr(tasks.run_backtest, "delay", lambda run_id: None)
    tasks.run_soon(row.pk)
    row.refresh_from_db()
    assert row.sent_at is not None


def test_the_checks_see_a_wrong_route_and_a_folder_that_cannot_be_written(settings: Any, tmp_path: Path) -> None:
    settings.POLYBOT_DATA = settings.ARCHIVE_DIR = tmp_path
    assert run_checks(tags=["backtests"]) == []
    settings.CELERY_TASK_ROUTES = {}
    assert [problem.id for problem in run_checks(tags=["backtests"])] == ["backtests.E001"] * 2


@pytest.mark.django_db
def test_the_admin_shows_runs_and_changes_none() -> None:
    admin = people_make()[0]
    admin.is_superuser = True
    admin.save()
    client = Client()
    client.force_login(admin)
    row = row_make(name="look me up", request={"strategy": "idle"})
    assert b"look me up" in client.get("/admin/backtests/backtestrun/").content
    page = client.get(f"/admin/backtests/backtestrun/{row.pk}/change/")
    assert page.status_code == 200 and b"&quot;strategy&quot;: &quot;idle&quot;" in page.content
    assert client.get("/admin/backtests/backtestrun/add/").status_code == 403
    assert client.post(f"/admin/backtests/backtestrun/{row.pk}/delete/", {"post": "yes"}).status_code == 403
