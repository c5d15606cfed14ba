from __future__ import annotations

import dataclasses

import pytest
from django.core.management import call_command
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from polybot import schedule
from polybot.beat import queue_is_served
from polybot.celery import app
from polybot.schedule import JOBS, Job, schedule_install

QUEUES = {"default", "trading"}


@pytest.fixture(scope="module", autouse=True)
def every_task_is_loaded() -> None:
    app.loader.import_default_modules()


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_its_task_exists_and_its_queue_is_read(job: Job) -> None:
    assert job.task in app.tasks
    assert job.queue in QUEUES
    assert app.amqp.router.route({}, job.task)["queue"].name == job.queue, "sent by hand it would run elsewhere"


@pytest.mark.parametrize("name", ["submit_order", "cancel_order"])
def test_orders_are_sent_and_cancelled_by_the_trader_only(name: str) -> None:
    assert app.amqp.router.route({}, f"orders.tasks.{name}")["queue"].name == "trading"


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_message_never_outlives_the_next_one(job: Job) -> None:
    period = job.every_s or 86_400
    assert 0 < job.expires < period or (period == 1 and job.expires <= 1)


def test_names_are_unique() -> None:
    assert len({job.name for job in JOBS}) == len({job.task for job in JOBS}) == len(JOBS)


@pytest.mark.django_db
def test_installing_creates_every_row_and_a_second_time_changes_nothing() -> None:
    assert schedule_install() == (len(JOBS), 0)
    assert schedule_install() == (0, 0)
    row = PeriodicTask.objects.get(name="strategy dispatcher")
    assert (row.interval.every, row.interval.period, row.queue, row.expire_seconds) == (1, "seconds", "trading", 1)
    assert row.enabled


@pytest.mark.django_db
def test_an_operators_switch_and_timing_are_kept() -> None:
    schedule_install()
    row = PeriodicTask.objects.get(name="profit and loss")
    row.enabled = False
    row.interval, _ = IntervalSchedule.objects.get_or_create(every=300, period=IntervalSchedule.SECONDS)
    row.save()
    assert schedule_install() == (0, 0)
    row.refresh_from_db()
    assert row.enabled is False
    assert row.interval.every == 300


@pytest.mark.django_db
def test_a_new_version_moves_what_nobody_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule_install()
    changed = tuple(dataclasses.replace(job, every_s=45) if job.name == "stale orders" else job for job in JOBS)
    monkeypatch.setattr(schedule, "JOBS", changed)
    assert schedule_install() == (0, 1)
    assert PeriodicTask.objects.get(name="stale orders").interval.every == 45


@pytest.mark.django_db
def test_a_daily_job_becomes_a_crontab_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    daily = Job(name="daily", task="orders.tasks.snapshot_pnl", help="x", hour=8, minute=30)
    monkeypatch.setattr(schedule, "JOBS", (daily,))
    assert schedule_install() == (1, 0)
    assert schedule_install() == (0, 0)
    row = PeriodicTask.objects.get(name="daily")
    assert (row.crontab.hour, row.crontab.minute, str(row.crontab.timezone)) == ("8", "30", "UTC")
    assert daily.when == "08:30 UTC"


@pytest.mark.django_db
def test_the_command_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("setup_schedule")
    assert f"{len(JOBS)} created, 0 changed" in capsys.readouterr().out


@pytest.mark.parametrize(("mode", "served"), [("full", True), ("monitor", False), ("server", False)])
def test_trading_jobs_are_not_sent_where_nobody_reads_them(mode: str, served: bool) -> None:
    assert queue_is_served("trading", mode=mode) is served
    assert queue_is_served("default", mode=mode)
