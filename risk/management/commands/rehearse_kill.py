"""`manage.py rehearse_kill ACCOUNT`: walk the kill path on one account and time it."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders.selectors.portfolio import account_list
from risk.services.rehearsal import rehearse


class Command(BaseCommand):
    help = "Stop one account as a kill would, wait until no order is open, let it go. Live accounts: counted only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="the account's number or name")

    def handle(self, *args: Any, **options: Any) -> None:
        found = [a for a in account_list() if options["account"] in (str(a.id), a.name)]
        if not found:
            raise CommandError(f"there is no account {options['account']!r}")
        done = rehearse(found[0].id, by=getpass.getuser())
        for step in done.steps:
            self.stdout.write(f"{step['ms']:>8} ms  {step['what']}")
        if not done.passed:
            raise CommandError(f"the rehearsal failed: {done.open_after} open, {done.sent_after} sent after the stop")
        self.stdout.write("passed" + (" (nothing touched: real money)" if done.dry_run else ""))
