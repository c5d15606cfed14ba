"""`manage.py benchmark_signing`: the cost of a signed order against the official client, in one run.

The measurement lives beside the tests, because only they may import the official clients.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    measures = "signing"  # the module in tests/benchmarks
    help = "Sign the same orders with polybot and with py-clob-client-v2, and print the ratio of medians."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--orders", type=int, default=400, help="orders in a round")
        parser.add_argument("--rounds", type=int, default=5, help="rounds; medians are shown")

    def handle(self, *args: Any, **options: Any) -> None:
        script = f"tests/benchmarks/{self.measures}.py"
        if not (settings.BASE_DIR / script).is_file():
            raise CommandError(f"{script} is not here: run this from a checkout with its tests")
        words = [f"--orders={options['orders']}", f"--rounds={options['rounds']}"]
        done = subprocess.run(
            [sys.executable, "-m", f"tests.benchmarks.{self.measures}", *words],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
        )
        self.stdout.write(done.stdout.rstrip())
        if "ModuleNotFoundError" in done.stderr:
            raise CommandError("the official client is missing: install polybot/requirements/dev.txt")
        if done.returncode:
            raise CommandError(done.stderr.strip()[-500:] or "the target was missed", returncode=done.returncode)
