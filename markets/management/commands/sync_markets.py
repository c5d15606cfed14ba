"""`manage.py sync_markets`: bring the catalogue up to date now, with progress."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from markets.domain.instruments import Venue
from markets.services import catalogue


class Command(BaseCommand):
    help = "Read the venue's events and markets into the database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--venue", choices=[str(v) for v in catalogue.CATALOGUES], default=str(Venue.POLYMARKET))
        parser.add_argument("--incremental", action="store_true", help="only what changed lately, is traded or closed")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        said = 0.0

        def progress(counts: catalogue.Counts) -> None:
            nonlocal said
            if time.monotonic() - said >= 1 or not said:
                said = time.monotonic()
                self.stdout.write(f"  {counts.events} events, {counts.markets} markets, {counts.written} rows written")

        kind = "incremental" if options["incremental"] else "full"
        run = catalogue.sync(Venue(options["venue"]), kind, progress=progress)
        if run is None:
            raise CommandError("another sync is running; wait for it or stop it")
        if run.error:
            raise CommandError(f"stopped after {run.markets_seen} markets: {run.error}")
        self.stdout.write(
            f"{kind} sync: {run.events_seen} events, {run.markets_seen} markets, {run.rows_written} rows written, "
            f"{run.refused} not understood, {time.monotonic() - began:.1f} s"
        )
