"""`manage.py import_data PATH…`: puts recorded data of any known kind into the archive. Ctrl-C keeps what is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from markets.domain.instruments import MarketFacts
from markets.selectors.archive import ArchiveError
from markets.selectors.catalogue import facts_by_condition
from markets.services.archive.importing import KINDS, data_import
from markets.services.archive.report import ImportReport


class Command(BaseCommand):
    help = "Import recordings, quotes, trades and price series into the archive that backtests read."
    requires_system_checks: list[str] = []  # it needs a folder, not a desk that could trade

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files, or folders to search")
        parser.add_argument("--kind", choices=KINDS, help="what the files are; found out from their content otherwise")
        parser.add_argument(
            "--markets",
            default="",
            metavar="PATTERN,…",
            help="only these, by slug or condition id; * stands for any text",
        )
        parser.add_argument("--limit", type=int, metavar="N", help="at most so many markets of a kind")
        parser.add_argument("--replace", action="store_true", help="also replace days that came from other files")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] is not None and options["limit"] < 1:
            raise CommandError("--limit must be at least 1")
        reports: list[ImportReport] = []
        began = time.monotonic()
        try:
            data_import(
                options["paths"],
                kind=options["kind"] or "",
                markets=[p.strip() for p in options["markets"].split(",") if p.strip()],
                limit=options["limit"],
                replace_others=options["replace"],
                known=self._catalogue,
                progress=self._progress(),
                reports=reports,
            )
        except ArchiveError as error:
            self._say(reports)
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self._say(reports)
            self.stderr.write("interrupted: what stands above is complete and stays; the rest was dropped")
            sys.exit(130)
        self._say(reports)
        seconds = time.monotonic() - began
        rows = sum(report.read for report in reports)
        self.stdout.write(f"{rows:,} rows in {seconds:.1f} s ({rows / max(seconds, 0.001):,.0f} a second)")
        if any(report.not_saved for report in reports):
            raise CommandError("some markets were not saved; the reasons stand above")

    def _catalogue(self, condition_ids: Sequence[str]) -> Mapping[str, MarketFacts]:
        """Return what our catalogue knows of these markets; without a database the import goes on without it."""
        try:
            return facts_by_condition(condition_ids)
        except DatabaseError:
            self.stderr.write("no database answers: names and facts of markets are what the files say")
            return {}

    def _say(self, reports: list[ImportReport]) -> None:
        for report in reports:
            for line in report.lines():
                self.stdout.write(line)

    def _progress(self) -> Any:
        said = 0.0

        def progress(text: str) -> None:
            nonlocal said
            if time.monotonic() - said >= 1:
                said = time.monotonic()
                self.stderr.write(f"  {text}")

        return progress
