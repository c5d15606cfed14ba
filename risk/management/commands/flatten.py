"""`manage.py flatten`: sell what an account or one strategy holds. Without --yes it only says what would happen."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from markets.domain.units import text_from_micro as text
from orders.domain.intents import Origin, OriginKind
from orders.selectors.portfolio import account_list
from risk.selectors.flattening import FlattenPreview, flatten_preview
from risk.services.flatten import flatten


class Command(BaseCommand):
    help = "Cancel the open orders of an account or strategy and sell what it holds, down to a floor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", type=int, help="the account's number")
        parser.add_argument("--strategy", type=int, help="only what this strategy bought")
        parser.add_argument("--slippage-bps", type=int, help="how far below the best bid; the profile's cap at most")
        parser.add_argument("--yes", action="store_true", help="do it; without it nothing changes")

    def handle(self, *args: Any, **options: Any) -> None:
        account_id, by = options["account"], getpass.getuser()
        if account_id not in {account.id for account in account_list()}:
            raise CommandError(f"there is no account {account_id}")
        number = options["strategy"]
        strategy = None
        if number is not None:
            strategy = Origin(kind=OriginKind.STRATEGY, id=number, label=f"strategy {number}")
        wanted = {"strategy": strategy, "slippage_bps": options["slippage_bps"]}
        if not options["yes"]:
            self._show(flatten_preview(account_id, now=timezone.now(), **wanted))
            self.stdout.write("nothing was done; add --yes to do it")
            return
        result = flatten(account_id, by=by, **wanted)
        self._show(result.preview)
        self.stdout.write(f"{result.cancelled} orders asked to end")
        for verdict in result.refused:
            self.stdout.write(f"outcome {verdict.placement.outcome_id} was refused: {verdict.message}")
        self.stdout.write(f"plan {result.plan_id} sells" if result.plan_id else "nothing is being sold")

    def _show(self, preview: FlattenPreview) -> None:
        self.stdout.write(f"{preview.open_orders} open orders end first; slippage {preview.slippage_bps} bps")
        for holding in preview.sold:
            floor = text(holding.floor or 0)
            note = f" ({holding.note})" if holding.note else ""
            self.stdout.write(f"outcome {holding.outcome_id}: sell {text(holding.size)} down to {floor}{note}")
        for holding in preview.kept:
            self.stdout.write(f"outcome {holding.outcome_id}: {text(holding.held)} stay: {holding.reason}")
