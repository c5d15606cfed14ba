"""`manage.py check_alive NAME`: exit code 0 when a process or queue showed life within 45 s; for health checks."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from alerts.selectors.health import heartbeat_get

LONGEST_S = 45.0


class Command(BaseCommand):
    help = "Say whether a process or queue showed life lately, for example process:feed or queue:trading."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        found = heartbeat_get(options["name"])
        if found is None:
            self.stdout.write(f"{options['name']} never showed life")
            sys.exit(1)
        age = found.age_s(timezone.now())
        self.stdout.write(f"{options['name']} showed life {age:.0f} s ago")
        if age > LONGEST_S:
            sys.exit(1)
