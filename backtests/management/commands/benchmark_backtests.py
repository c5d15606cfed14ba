"""`manage.py benchmark_backtests`: our replays against hftbacktest and nautilus_trader, same events, same run.

The peers get virtual environments of their own under var/benchmarks; they are no dependencies of the desk.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Compare results and speed with other backtesters; see tests/benchmarks/replay.py for all options."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--peer", choices=["hftbacktest", "nautilus", "none"], action="append", default=[])
        parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 5_000_000])
        parser.add_argument("--sets", type=int, default=20, help="parameter sets that must give equal results")
        parser.add_argument("--sweep", type=int, default=100, help="parameter sets of the timed sweep")
        parser.add_argument("--rounds", type=int, default=5, help="medians of so many rounds are shown")
        parser.add_argument("--file", help="events of your own, .npz with ts, kind, side, tick and qty")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.BASE_DIR / "tests/benchmarks/replay.py").is_file():
            raise CommandError("tests/benchmarks/replay.py is not here: run this from a checkout with its tests")
        words = [f"--{name}={options[name]}" for name in ("sets", "sweep", "rounds")]
        words += [f"--peer={peer}" for peer in options["peer"]]
        words += ["--events", *map(str, options["events"])]
        words += [f"--file={options['file']}"] if options["file"] else []
        done = subprocess.run([sys.executable, "-m", "tests.benchmarks.replay", *words], cwd=settings.BASE_DIR)
        if done.returncode:
            raise CommandError("a target was missed", returncode=done.returncode)
