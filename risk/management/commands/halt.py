"""`manage.py halt`: stop entries, or everything, on one account or on all."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders.selectors.portfolio import account_list
from orders.services.execution import cancel_all
from risk.models import Halt
from risk.services import halts


class Command(BaseCommand):
    help = "Halt an account, or all accounts. Cancels stay possible; `resume` lifts it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("reason", help="why, for whoever finds the desk stopped")
        parser.add_argument("--account", type=int, help="the account's number; without it all accounts")
        parser.add_argument("--reduce-only", action="store_true", help="sales stay possible, buys do not")
        parser.add_argument("--cancel", action="store_true", help="also ask for the end of the open orders")

    def handle(self, *args: Any, **options: Any) -> None:
        kind = Halt.Kind.REDUCE_ONLY if options["reduce_only"] else Halt.Kind.HALTED
        by = getpass.getuser()
        try:
            halt = halts.halt_create(options["account"], kind, options["reason"], by)
        except halts.HaltError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"halt {halt.pk}: {halt.kind}, {halt.reason}")
        if options["cancel"]:
            ids = [a.id for a in account_list() if options["account"] in (None, a.id)]
            asked = sum(cancel_all(i, f"halt: {halt.reason}"[:120], by, halt.created_at) for i in ids)
            self.stdout.write(f"asked for the end of {asked} open orders")
