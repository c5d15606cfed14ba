"""`manage.py run_feed`: the feed process. Ctrl-C or SIGTERM stops it within a few seconds."""

from __future__ import annotations

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from markets.domain.instruments import Venue
from markets.feed.listener import Listener
from markets.venues import registry


class Command(BaseCommand):
    help = "Listen to the venue's market sockets and publish books, trades and candles."

    def handle(self, *args: Any, **options: Any) -> None:
        venue = Venue.POLYMARKET
        listener = Listener(
            venue=venue,
            protocol=registry.FEEDS[venue](),
            books=registry.BOOKS[venue](),
            url=registry.SOCKET_URLS[venue],
            tickstore_url=settings.TICKSTORE_URL,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: listener.stop())
        listener.run()
