"""`manage.py run_feed`: the feed process. Ctrl-C or SIGTERM stops it within a few seconds."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from markets.domain.instruments import Venue
from markets.feed.listener import Listener
from markets.feed.recorder import Recorder
from markets.feed.sentinel import Sentinel
from markets.selectors.recording import recorded_facts
from markets.venues import registry


class Command(BaseCommand):
    help = "Listen to the venue's market sockets and publish books, trades and candles."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--record",
            metavar="DIR",
            type=Path,
            default=settings.RECORD_DIR,
            help="also write every frame to files there, which become tapes of the archive (POLYBOT_RECORD_DIR)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        venue = Venue.POLYMARKET
        folder: Path | None = options["record"]
        listener = Listener(
            recorder=self._recorder(folder) if folder else None,
            venue=venue,
            protocol=registry.FEEDS[venue](),
            books=registry.BOOKS[venue](),
            url=registry.SOCKET_URLS[venue],
            tickstore_url=settings.TICKSTORE_URL,
            sentinel=Sentinel(registry.SHAPES[venue]),
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: listener.stop())
        listener.run()

    def _recorder(self, folder: Path) -> Recorder:
        return Recorder(folder.expanduser().resolve(), recorded_facts, exchange=settings.POLYBOT_VENUE)
