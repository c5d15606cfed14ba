"""`manage.py resume`: lift a halt."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from risk.selectors.halts import halt_rows
from risk.services import halts


class Command(BaseCommand):
    help = "Lift one halt, or all open halts that a person made. The kill switch has its own command, release."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("halt", type=int, nargs="?", help="the halt's number; without it all manual halts")

    def handle(self, *args: Any, **options: Any) -> None:
        by = getpass.getuser()
        manual = halt_rows().filter(cause=halts.MANUAL)
        wanted = [options["halt"]] if options["halt"] else list(manual.values_list("pk", flat=True))
        try:
            lifted = [pk for pk in wanted if halts.halt_lift(pk, by=by)]
        except halts.HaltError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"lifted {len(lifted)} halts")
        for row in halt_rows():
            self.stdout.write(f"still open: {row.pk} {row.kind} ({row.cause}), {row.reason}")
