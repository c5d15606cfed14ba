"""`manage.py run_fills`: match paper orders against the feed's ordered stream, and listen to user streams."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from markets.tickstore import get_tickstore
from orders.feed.fills_process import FillsProcess
from orders.feed.user_streams import UserStreams
from orders.services import keyholder


class Command(BaseCommand):
    help = "Run the simulated venue for paper accounts, and the user streams of the others."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--latency-ms", type=int, default=None, help="time an order takes to reach the venue")

    def handle(self, *args: Any, **options: Any) -> None:
        process = FillsProcess(get_tickstore(), latency_ms=options["latency_ms"])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        streams = UserStreams() if keyholder.can_listen() else None
        if streams is not None:
            streams.start()
        process.run()
        if streams is not None:
            streams.stop()
            streams.join(timeout=10)
