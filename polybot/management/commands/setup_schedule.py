"""`manage.py setup_schedule`: install the beat table."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from polybot.schedule import JOBS, schedule_install


class Command(BaseCommand):
    help = "Install or update the periodic jobs. What an operator switched off stays off."

    def handle(self, *args: Any, **options: Any) -> None:
        created, changed = schedule_install()
        self.stdout.write(f"{len(JOBS)} jobs in the table: {created} created, {changed} changed")
