"""`manage.py benchmark_sending`: from a prepared order to its first byte, against the official client, in one run.

With `--durable`: from a decision to its first byte through gate, claim and sender threads, on throw-away stores
that keep every commit, to a local exchange.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from markets.management.commands import benchmark_signing


class Command(benchmark_signing.Command):
    measures = "sending"
    help = "Send the same orders into memory with polybot and with py-clob-client-v2, and print the ratio of medians."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--durable", action="store_true", help="measure from a decision to its first byte instead")
        parser.add_argument("--seconds", type=int, default=20, help="durable: length of the flow of 20 orders a second")
        parser.add_argument("--bursts", type=int, default=5, help="durable: bursts of 100 orders in a second")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["durable"]:
            super().handle(*args, **options)
            return
        if not (settings.BASE_DIR / "tests/benchmarks/durable.py").is_file():
            raise CommandError("tests/benchmarks/durable.py is not here: run this from a checkout with its tests")
        words = [f"--seconds={options['seconds']}", f"--bursts={options['bursts']}"]
        command = [sys.executable, "-m", "tests.benchmarks.durable", *words]
        if code := subprocess.run(command, cwd=settings.BASE_DIR).returncode:
            raise CommandError("the target was missed", returncode=code)
