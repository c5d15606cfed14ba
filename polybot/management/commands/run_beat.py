"""`manage.py run_beat`: the clock of the desk; a second one waits for the first to end."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Send the periodic jobs. Only the process that holds the lock in Postgres does."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        from polybot import beat
        from polybot.celery import app
        from polybot.checks import refuse_bad_configuration

        refuse_bad_configuration()
        beat.LOCK.wait()
        try:
            app.Beat(scheduler_cls="polybot.beat:GuardedScheduler", loglevel="INFO", quiet=True).run()
        finally:
            beat.LOCK.release()
