"""`manage.py drift`: what changed at a venue without notice, and saying that it is fine."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from markets.selectors.drift import block_rows, drift_rows
from markets.services import drift
from risk.management.person import person_ask


class Command(BaseCommand):
    help = "List open differences and blocks; with --accept N a member of staff says that one is fine."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--accept", type=int, metavar="N", help="the difference's number")
        parser.add_argument("--alike", action="store_true", help="the same difference on every market too")
        parser.add_argument("--user", default="", help="who accepts; without it you are asked")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from the first line")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["accept"] is not None:
            self._accept(options)
        for row in drift_rows(accepted=False):
            said = drift.drift_words(row.kind, row.source, row.field, before=row.before, after=row.after)
            where = row.market.question if row.market else row.venue
            self.stdout.write(f"{row.pk}  {where}: {said} (seen {row.count} times, first {row.first_at:%F %T})")
        for block in block_rows(is_open=True):
            where = block.market.question if block.market else block.venue
            self.stdout.write(f"entries blocked on {where}: {block.reason}")

    def _accept(self, options: dict[str, Any]) -> None:
        by = person_ask(options["user"], from_stdin=options["password_stdin"])
        try:
            if options["alike"]:
                count = drift.drift_accept_alike(options["accept"], by=by, now=timezone.now())
                self.stdout.write(f"accepted {count} differences")
            else:
                lifted = drift.drift_accept(options["accept"], by=by, now=timezone.now())
                self.stdout.write(
                    "accepted; entries may go again" if lifted else "accepted; other differences still block"
                )
        except drift.DriftError as error:
            raise CommandError(str(error)) from error
