"""`manage.py reconcile [ACCOUNT]`: compare accounts with their venue now and say what was found."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from orders.domain.lifecycle import Environment
from orders.selectors.portfolio import account_list
from orders.selectors.screens import reconcile_runs
from orders.services import keyholder
from orders.services.reconciliation import reconcile


def _last(account_id: int) -> str:
    """Say what the trader, which alone can ask the venue, found last."""
    for run in reconcile_runs(account_id, limit=1):
        verdict = run.error or ("clean" if run.clean else "differences remain; the page Reconcile names them")
        return f"reconciled by the trader every 30 s, last {run.started_at:%H:%M:%S} UTC: {verdict}"
    return "reconciled by the trader every 30 s, not once yet"


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
            if account.environment is not Environment.PAPER and not keyholder.can_sign():
                self.stdout.write(f"{account.name} ({account.environment}): {_last(account.id)}")
                continue
            result = reconcile(account.id, timezone.now())
            dirty += not result.clean
            verdict = "clean" if result.clean else f"{result.found - result.repaired} open differences"
            self.stdout.write(
                f"{account.name} ({account.environment}): {verdict}; {result.repaired} repaired, "
                f"{result.orders_compared} orders and {result.fills_compared} fills compared"
            )
        if dirty:
            raise CommandError("differences remain; the page Reconcile names them")
