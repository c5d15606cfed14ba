"""`manage.py prepare_desk`: everything between running stores and a desk that can trade, in one Django start.

`up` runs it as a child and reads the lines that begin with `@`: `@migrated` lets the
other processes start, the later ones are progress, `@warning` is shown beside READY.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from alerts.selectors.health import heartbeat_get
from alerts.services.journal import event_record
from markets.domain.instruments import Venue
from markets.services import catalogue
from orders.services import desk_keys
from orders.services.homes import accounts_house
from polybot import __version__, demo, health
from polybot.checks import refuse_bad_configuration

log = logging.getLogger("polybot.prepare")

FRESH_LIMIT_S = 60.0


class Command(BaseCommand):
    help = "Used by `up`: migrate, collect static files, install the schedule, first login, first sync, demo."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-wait", action="store_true", help="end before the feed has fresh books")

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_bad_configuration()
        call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
        self._first_login()
        self._keys()
        call_command("setup_schedule", stdout=io.StringIO())
        call_command("collectstatic", verbosity=0, interactive=False, skip_checks=True)
        self._tell("migrated", "database, schedule and static files are ready")
        self._journal()
        for words in accounts_house(timezone.now()):
            self._tell("warning", words)
        if settings.POLYBOT_MODE not in ("backtest", "server"):
            if self._sync() and settings.POLYBOT_VENUE == "sandbox":
                self._tell("seeded", demo.seed(now=timezone.now()))
            if not options["no_wait"]:
                self._wait_for_books()
        self._tell("finished")

    def _journal(self) -> None:
        """Write down the last stop, if it was one, and this start."""
        health.exits_record(settings.POLYBOT_DATA)
        words = f"the desk starts: {settings.POLYBOT_MODE} on {settings.POLYBOT_VENUE}, version {__version__}"
        with transaction.atomic():
            event_record("desk.started", words, actor="supervisor")

    def _first_login(self) -> None:
        """Create the administrator `admin` once; a person may change or remove it later."""
        users = get_user_model()
        if users.objects.exists():
            return
        password = os.environ.get("POLYBOT_ADMIN_PASSWORD")
        if not password and (named := os.environ.get("POLYBOT_ADMIN_PASSWORD_FILE")):
            password = Path(named).read_text().strip()
        users.objects.create_superuser("admin", password=password or None)
        self._tell("admin-created")

    def _keys(self) -> None:
        """Make the key files of trader and fills, and publish what secrets are sealed with."""
        named = {name: Path(path) for name, path in settings.KEY_FILES.items() if path}
        paths = named or desk_keys.paths_under(settings.POLYBOT_DATA / "keys")
        for warning in desk_keys.keys_prepare(paths, now=timezone.now()):
            self._tell("warning", warning)

    def _sync(self) -> bool:
        def progress(counts: catalogue.Counts) -> None:
            self.stdout.write(f"catalogue: {counts.events} events, {counts.markets} markets")

        problem = "another sync is at it"
        try:
            run = catalogue.sync(Venue.POLYMARKET, "full", progress=progress, now=timezone.now())
            problem = run.error if run is not None else problem
        except Exception as error:  # the edge of a process: the desk starts, and the schedule tries again
            log.exception("first sync")
            problem = str(error)
        if problem:
            self._tell("warning", f"the catalogue could not be read ({problem}); it is tried again every minute")
            return False
        self._tell("synced", "the catalogue is read")
        return True

    def _wait_for_books(self) -> None:
        """Return when the feed says, where `status` and the pages read it, that it has a fresh book."""
        end, began = time.monotonic() + FRESH_LIMIT_S, timezone.now()
        while time.monotonic() < end:
            feed = heartbeat_get("process:feed")
            if feed is not None and feed.at >= began and feed.details.get("fresh", 0):
                self._tell("fresh", "order books are fresh")
                return
            time.sleep(0.2)
        self._tell("warning", "no order book is fresh yet: see the data page")

    def _tell(self, word: str, text: str = "") -> None:
        self.stdout.write(f"@{word} {text}".rstrip())
        self.stdout.flush()
        sys.stdout.flush()
