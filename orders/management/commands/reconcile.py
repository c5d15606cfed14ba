"""`manage.py reconcile [ACCOUNT]`: compare accounts with their venue now and say what was found."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from orders.selectors.portfolio import account_list
from orders.services.reconciliation import reconcile


class Command(BaseCommand):
    help = "Compare our orders, fills, positions and cash with the venue's, and repair what evidence allows."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", nargs="?", help="an account's name or number; without it, all of them")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["account"]
        accounts = [a for a in account_list() if wanted is None or wanted in (a.name, str(a.id))]
        if not accounts:
            known = ", ".join(a.name for a in account_list()) or "none yet"
            raise CommandError(f"there is no account {wanted!r}; accounts: {known}")
        dirty = 0
        for account in accounts:
            result = reconcile(account.id, timezone.now())
            dirty += not result.clean
            verdict = "clean" if result.clean else f"{result.found - result.repaired} open differences"
            self.stdout.write(
                f"{account.name} ({account.environment}): {verdict}; {result.repaired} repaired, "
                f"{result.orders_compared} orders and {result.fills_compared} fills compared"
            )
        if dirty:
            raise CommandError("differences remain; the page Reconcile names them")
