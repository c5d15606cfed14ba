"""`manage.py run_fills`: match paper orders against the feed's ordered stream until stopped."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from markets.tickstore import get_tickstore
from orders.feed.fills_process import FillsProcess


class Command(BaseCommand):
    help = "Run the simulated venue for paper accounts."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--latency-ms", type=int, default=None, help="time an order takes to reach the venue")

    def handle(self, *args: Any, **options: Any) -> None:
        process = FillsProcess(get_tickstore(), latency_ms=options["latency_ms"])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        process.run()
