"""`manage.py data`: what the archive holds, day by day, with its gaps drawn."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from markets.selectors.archive import TapeInfo, archive_folder, tapes_damaged, tapes_list
from markets.selectors.archive.series import series_list
from markets.selectors.archive.settlements import settlements_compare
from markets.selectors.archive.strips import GAP, KNOWN, NOTHING, known_words, strip_text
from markets.services.archive.tending import recordings_tend


class Command(BaseCommand):
    help = "List recorded and imported market data by market and day."
    requires_system_checks: list[str] = []  # it reads a folder

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--market", default="", help="only markets whose key or question contains this text")

        parser.add_argument("--compact", action="store_true", help="first take in what the feed has recorded up to now")

        parser.add_argument(
            "--settlements",
            action="store_true",
            help="compare results of crypto markets with the feed that decides them",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["compact"]:
            self._compact()
        if options["settlements"]:
            self._settlements()
            return
        words = options["market"].lower()
        found = [i for i in tapes_list() if words in i.market or words in i.question.lower()]
        for line in tapes_damaged():
            self.stderr.write(f"damaged: {line}")
        if not found:
            raise CommandError(
                f"nothing is recorded{f' of {words!r}' if words else ''} in {archive_folder()}; "
                "`manage.py import_data PATH` imports, and the feed records while it runs"
            )
        market = ""
        for info in found:
            if info.market != market:
                market = info.market
                self.stdout.write(f"\n{market}  {info.question}")
            self.stdout.write(f"  {info.day} {strip_text(info)} {known_words(info)}")
            self.stdout.write(f"             {_facts(info)}")
            if words:
                for note in info.notes:
                    self.stdout.write(f"             {note}")
        for series in series_list():
            name = f"series {series.name}"
            self.stdout.write(
                f"\n{name}\n  {series.day} {series.rows:,} ticks, {len(series.gaps)} gaps · {series.source}"
            )
        size = sum(info.size_bytes for info in found)
        rows = sum(info.rows for info in found)
        markets = len({info.market for info in found})
        self.stdout.write(
            f"\n{len(found):,} tapes of {markets:,} markets, {rows:,} rows, {size / 1e6:,.1f} MB in {archive_folder()}"
            f"\nhalf an hour each: {KNOWN} known  {GAP} gap  {NOTHING} not recorded"
        )

    def _settlements(self) -> None:
        found = settlements_compare(tapes_list())
        if not found:
            raise CommandError("no market with a strike is in the archive; import the markets and their price feed")
        agreed = sum(s.agrees is True for s in found)
        differ = [s for s in found if s.agrees is False]
        for settlement in found:
            if settlement.agrees is None:
                self.stdout.write(f"not compared: {settlement.market}: {settlement.reason}")
        for settlement in differ:
            self.stdout.write(f"DIFFERS: {settlement.market}: the venue says {'Up' if settlement.by_venue else 'Down'}")
        compared = agreed + len(differ)
        self.stdout.write(f"{agreed} of {compared} results agree with the feed; {len(found) - compared} not compared")

    def _compact(self) -> None:
        done = recordings_tend(now=timezone.now(), running=True, progress=lambda text: self.stderr.write(f"  {text}"))
        if done is None:
            raise CommandError("the regular run is at it; try again in a minute")
        for problem in done.problems:
            self.stderr.write(f"not taken in: {problem}")
        self.stdout.write(f"{done.files} recorded files, {done.bytes_read:,} bytes, into {len(done.tapes)} tapes")


def _facts(info: TapeInfo) -> str:
    parts = [f"{info.rows:,} rows", f"{info.trades:,} trades", str(info.fidelity), info.source]
    if info.inferred:
        parts[1] += f" ({info.inferred:,} inferred)"
    if info.resolved:
        parts.append("resolved")
    elif info.payouts:
        parts.append("result known later")
    return " · ".join(part for part in parts if part)
