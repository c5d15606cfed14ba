"""`manage.py revoke_live`: take a permit for live trading back. No password: stopping is always allowed."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders.services.permits import PermitError, permit_revoke


class Command(BaseCommand):
    help = "Revoke a permit for live trading."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("scope", choices=["installation", "account", "strategy"])
        parser.add_argument("number", nargs="?", type=int, default=0, help="of the account or strategy")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            there_was = permit_revoke(
                scope=options["scope"], subject_id=options["number"], by=f"command ({getpass.getuser()})"
            )
        except PermitError as error:
            raise CommandError(str(error)) from None
        self.stdout.write("revoked" if there_was else "there was no such permit")
