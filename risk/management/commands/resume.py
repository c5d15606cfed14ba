"""`manage.py resume`: lift a halt."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from risk.management.person import person_ask
from risk.selectors.halts import halt_rows, lift_is_grave
from risk.services import halts


class Command(BaseCommand):
    help = "Lift one halt, or all open halts that a person made. The kill switch has its own command, release."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", default="", help="who lifts a halt of real money; without it you are asked")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from the first line")
        parser.add_argument("halt", type=int, nargs="?", help="the halt's number; without it all manual halts")

    def handle(self, *args: Any, **options: Any) -> None:
        by = getpass.getuser()
        manual = halt_rows().filter(cause=halts.MANUAL)
        wanted = [options["halt"]] if options["halt"] else list(manual.values_list("pk", flat=True))
        if any(lift_is_grave(pk) for pk in wanted):
            by = person_ask(options["user"], from_stdin=options["password_stdin"])
        try:
            lifted = [pk for pk in wanted if halts.halt_lift(pk, by=by)]
        except halts.HaltError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"lifted {len(lifted)} halts")
        for row in halt_rows():
            self.stdout.write(f"still open: {row.pk} {row.kind} ({row.cause}), {row.reason}")
