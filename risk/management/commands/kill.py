"""`manage.py kill`: stop every send at once and cancel everything."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from risk.services import halts


class Command(BaseCommand):
    help = "Set the kill switch: nothing is sent from now on, all open orders are cancelled. Sticky until `release`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("reason")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            asked = halts.kill(options["reason"], getpass.getuser())
        except halts.HaltError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"kill switch set; asked for the end of {asked} open orders")
