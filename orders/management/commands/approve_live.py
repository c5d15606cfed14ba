"""`manage.py approve_live`: permit trading with real money, one link of the chain at a time.

Asks for a person's name, their password and the phrase; all three links are needed before an order leaves.
"""

from __future__ import annotations

import getpass
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders.selectors.permits import permit_list
from orders.services.permits import PHRASE, PermitError, permit_grant


class Command(BaseCommand):
    help = "Permit live trading for the installation, an account or a strategy. Without a scope it lists the permits."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("scope", nargs="?", choices=["installation", "account", "strategy"])
        parser.add_argument("number", nargs="?", type=int, default=0, help="of the account or strategy")
        parser.add_argument("--reason", default="")
        parser.add_argument("--user", help="who permits it; asked for otherwise")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["scope"] is None:
            for permit in permit_list():
                state = f"revoked by {permit.revoked_by}" if permit.revoked_at else "stands"
                self.stdout.write(f"{permit.scope} {permit.subject_label}: {state}, granted by {permit.granted_by}")
            return
        name = options["user"] or input("your username: ")
        person = get_user_model().objects.filter(username=name, is_active=True, is_superuser=True).first()
        password = getpass.getpass("your password: ")
        if person is None or not person.check_password(password):
            raise CommandError("only an administrator with the right password permits live trading")
        try:
            permit = permit_grant(
                scope=options["scope"],
                subject_id=options["number"],
                reason=options["reason"] or input("why: "),
                phrase=input(f"type {PHRASE!r}: "),
                by=person.get_username(),
            )
        except PermitError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"permitted: {permit.scope} {permit.subject_label}")
