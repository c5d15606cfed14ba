"""`manage.py tidy_history`: the nightly work on stored prices, now and to its end, with progress."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from markets.services.compaction import candles_compact
from markets.services.retention import history_prune


class Command(BaseCommand):
    help = "Make the coarser candles, then delete trades, minutes and snapshots that are past their time."

    def handle(self, *args: Any, **options: Any) -> None:
        said = 0.0

        def progress(text: str) -> None:
            nonlocal said
            if time.monotonic() - said >= 1:
                said = time.monotonic()
                self.stdout.write(f"  {text}")

        written = candles_compact(now=timezone.now(), progress=progress)
        deleted = history_prune(now=timezone.now(), progress=progress)
        if written is None or deleted is None:
            raise CommandError("the nightly run is at it; wait for it to end")
        counts = ", ".join(f"{count} {name}" for name, count in deleted.items())
        self.stdout.write(f"candles written: {written}; deleted: {counts}")
