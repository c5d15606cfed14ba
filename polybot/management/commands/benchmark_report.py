"""`manage.py benchmark_report`: size and server time of a large backtest's report, on throw-away stores."""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Ask for the report pages of a backtest with 1,000,000 events and 10,000 fills; tell size and times."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--requests", type=int, default=100, help="of each page, at least 20")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.BASE_DIR / "tests/benchmarks/report.py").is_file():
            raise CommandError("tests/benchmarks/report.py is not here: run this from a checkout with its tests")
        command = [sys.executable, "-m", "tests.benchmarks.report", f"--requests={options['requests']}"]
        if code := subprocess.run(command, cwd=settings.BASE_DIR).returncode:
            raise CommandError("a target was missed, or nothing could be measured", returncode=code)
