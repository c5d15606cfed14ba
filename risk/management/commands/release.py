"""`manage.py release`: let orders leave again after a kill. Asks for the phrase."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from risk.services import halts


class Command(BaseCommand):
    help = "Release the kill switch. A person types the phrase."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--phrase", help=f"the phrase {halts.RELEASE_PHRASE!r}; without it you are asked")

    def handle(self, *args: Any, **options: Any) -> None:
        phrase = options["phrase"]
        if phrase is None:
            phrase = input(f"type {halts.RELEASE_PHRASE!r} to let orders leave again: ")
        try:
            was_set = halts.release(getpass.getuser(), phrase)
        except halts.HaltError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("kill switch released" if was_set else "the kill switch was not set")
