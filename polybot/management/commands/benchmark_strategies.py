"""`manage.py benchmark_strategies`: what a strategy tick costs, on throw-away stores that touch no running desk."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from polybot.supervisor import stores


class Command(BaseCommand):
    help = "Tick hundreds of strategies in one real trader process and compare with one Celery task for each."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--strategies", type=int, default=500)
        parser.add_argument("--markets", type=int, default=100, help="markets with books; each strategy watches 5")
        parser.add_argument("--seconds", type=int, default=20, help="length of each measurement")

    def handle(self, *args: Any, **options: Any) -> None:
        if min(options["strategies"], options["markets"] - 4, options["seconds"]) < 1:
            raise CommandError("give at least 1 strategy, 5 markets and 1 second")
        folder = Path(tempfile.mkdtemp(prefix="pbb-"))
        started: list[stores.Store] = []
        try:
            for make in (stores.postgres_store, stores.valkey_store):
                store = make(data=folder, sockets=folder, throwaway=True)
                store.start()
                started.append(store)
            for store in started:
                stores.store_wait(store)
            pids = [str(store.process.pid) for store in started if store.process]
            words = [f"--{name}={options[name]}" for name in ("strategies", "markets", "seconds")]
            done = subprocess.run(
                [sys.executable, str(settings.BASE_DIR / "manage.py"), "measure_strategies", *words, *pids],
                env=_environment(folder, started),
            )
            if done.returncode:
                raise CommandError(f"the measurement ended with code {done.returncode}", returncode=done.returncode)
        except stores.StoreError as error:
            raise CommandError(str(error)) from error
        finally:
            for store in reversed(started):
                store.stop()
            shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, started: list[stores.Store]) -> dict[str, str]:
    """Return an environment that names the throw-away stores and no other desk."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("POLYBOT_", "POLYMARKET_"))}
    for name in ("DATABASE_URL_FILE", "REDIS_URL_FILE"):
        kept.pop(name, None)
    for name in ("POLYBOT_PG_BIN", "POLYBOT_REDIS_BIN"):
        if name in os.environ:
            kept[name] = os.environ[name]
    return {
        **kept,
        **dict(stores.store_url(store) for store in started),
        "DJANGO_SETTINGS_MODULE": "polybot.settings.base",
        "POLYBOT_DATA": str(folder),
        "POLYBOT_VENUE": "polymarket",  # nothing here talks to a venue; the sandbox would have to run
        "SECRET_KEY": secrets.token_urlsafe(50),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
    }
