"""`manage.py rehearse_kill ACCOUNT`: walk the kill path on one account and time it."""

from __future__ import annotations

import getpass
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders.selectors.portfolio import account_list
from orders.services.rehearsals import Rehearsal, needs_keys, rehearsal_get, rehearsal_open
from risk.services.rehearsal import rehearse
from risk.tasks import run_rehearsal

WAIT_S = 130.0


class Command(BaseCommand):
    help = "Stop one account as a kill would, wait until no order is open, let it go. Live accounts: counted only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="the account's number or name")

    def handle(self, *args: Any, **options: Any) -> None:
        found = [a for a in account_list() if options["account"] in (str(a.id), a.name)]
        if not found:
            raise CommandError(f"there is no account {options['account']!r}")
        done = self._rehearse(found[0].id)
        for step in done.steps:
            self.stdout.write(f"{step['ms']:>8} ms  {step['what']}")
        if not done.passed:
            raise CommandError(f"the rehearsal failed: {done.open_after} open, {done.sent_after} sent after the stop")
        self.stdout.write("passed" + (" (nothing touched: real money)" if done.dry_run else ""))

    def _rehearse(self, account_id: int) -> Rehearsal:
        """Rehearse here, or where the keys are: the venue's own list of open orders is part of it."""
        if not needs_keys(account_id):
            return rehearse(account_id, by=getpass.getuser())
        row = rehearsal_open(account_id, by=getpass.getuser())
        run_rehearsal.delay(row.pk)
        give_up = time.monotonic() + WAIT_S
        while row.finished_at is None:
            if time.monotonic() > give_up:
                raise CommandError("the trader did not rehearse it: is it running?")
            time.sleep(0.5)
            row = rehearsal_get(row.pk)
        return row
