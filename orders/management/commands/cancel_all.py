"""`manage.py cancel_all [ACCOUNT]`: ask the venue to take off every open order."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from orders.selectors.portfolio import account_list
from orders.services.execution import cancel_all


class Command(BaseCommand):
    help = "Request the cancellation of every open order of one account, or of all."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", nargs="?", help="an account's name or number; without it, all of them")
        parser.add_argument("--reason", default="cancel_all command")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["account"]
        accounts = [a for a in account_list() if wanted is None or wanted in (a.name, str(a.id))]
        if not accounts:
            known = ", ".join(a.name for a in account_list()) or "none yet"
            raise CommandError(f"there is no account {wanted!r}; accounts: {known}")
        for account in accounts:
            count = cancel_all(account.id, options["reason"], getpass.getuser(), timezone.now())
            self.stdout.write(f"{account.name} ({account.environment}): {count} cancels requested")
