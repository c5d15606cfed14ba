"""`manage.py release`: let orders leave again after a kill. Asks for a person, the password and the phrase."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from risk.management.person import person_ask
from risk.services import halts


class Command(BaseCommand):
    help = "Release the kill switch. A member of staff gives name, password and the phrase."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", default="", help="who releases; without it you are asked")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from the first line")
        parser.add_argument("--phrase", help=f"the phrase {halts.RELEASE_PHRASE!r}; without it you are asked")

    def handle(self, *args: Any, **options: Any) -> None:
        by = person_ask(options["user"], from_stdin=options["password_stdin"])
        phrase = options["phrase"]
        if phrase is None:
            phrase = input(f"type {halts.RELEASE_PHRASE!r} to let orders leave again: ")
        try:
            was_set = halts.release(by, phrase)
        except halts.HaltError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("kill switch released" if was_set else "the kill switch was not set")
