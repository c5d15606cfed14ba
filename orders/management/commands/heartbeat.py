"""`manage.py heartbeat`: keep an account's dead-man switch at its venue, or let it fall silent."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from orders.models import Account
from orders.selectors.heartbeat import heartbeat_get, heartbeat_ok
from orders.services.heartbeat import HeartbeatError, heartbeat_set


class Command(BaseCommand):
    help = "Ask for an account's heartbeat (on), end it (off: the venue cancels all its orders), or show it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", type=int, help="the account's number")
        parser.add_argument("to", nargs="?", choices=["on", "off"], help="without it the state is shown")

    def handle(self, *args: Any, **options: Any) -> None:
        account_id, now = options["account"], timezone.now()
        if not Account.objects.filter(pk=account_id).exists():
            raise CommandError(f"there is no account {account_id}")
        if options["to"]:
            try:
                heartbeat_set(account_id, wanted=options["to"] == "on", by=getpass.getuser(), now=now)
            except HeartbeatError as error:
                raise CommandError(str(error)) from error
        row = heartbeat_get(account_id)
        if row is None or not row.wanted:
            self.stdout.write(f"account {account_id}: no heartbeat{f'; {row.note}' if row and row.note else ''}")
            return
        kept = "kept" if heartbeat_ok(account_id, now) else "not kept: new orders wait"
        last = row.last_ok_at or "never"
        self.stdout.write(f"account {account_id}: {kept}; last accepted {last}; {row.note or 'well'}")
