"""`manage.py run_strategy NAME`: one tick by hand, with what was seen, decided and why."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from markets.tickstore import TickstoreUnavailable, get_tickstore
from strategies.domain.base import WakeKind
from strategies.domain.exits import decide_with_exits
from strategies.models import Decision, StrategyConfig
from strategies.services.pictures import picture_take, view_build
from strategies.services.prepared import Shelf
from strategies.services.recording import wanted_json
from strategies.services.runner import tick
from strategies.services.states import ACTIVE


class Command(BaseCommand):
    help = "Evaluate a strategy once and print its decision and trace. --dry sends nothing and stores nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("strategy", help="name or id")
        parser.add_argument("--dry", action="store_true", help="decide only: nothing is stored, reviewed or sent")

    def handle(self, *args: Any, **options: Any) -> None:
        config = _find(options["strategy"])
        if config.state not in ACTIVE:
            raise CommandError(f"{config.name} is {config.get_state_display().lower()}: start it first")
        now = timezone.now()
        if options["dry"]:
            self._dry(config, now)
            return
        report = tick([config.pk], now=now, trigger=WakeKind.MANUAL)
        if report.problem:
            raise CommandError(f"no tick: {report.problem}")
        if report.busy:
            raise CommandError(f"{config.name} is being ticked by the trader at this moment: try again")
        self.stdout.write(
            f"{config.name}: decided {report.decided}, unchanged {report.unchanged}, failed {report.failed}, "
            f"orders {report.order_ids or 'none'}"
        )
        last = Decision.objects.filter(strategy=config).order_by("-pk").first()
        if last is not None:
            self.stdout.write(f"last decision {last.pk} at {last.at:%H:%M:%S} UTC, by {last.trigger}: {last.outcome}")
            self._lines(last.wanted, last.trace)

    def _dry(self, config: StrategyConfig, now: Any) -> None:
        items = Shelf().load([config.pk], now=now)
        if not items:
            raise CommandError(f"{config.name} cannot be prepared: stop it, check its parameters, start it again")
        try:
            picture = picture_take(items, get_tickstore(), now=now)
        except TickstoreUnavailable as error:
            raise CommandError(f"no books: {error}") from error
        view = view_build(items[0], picture)
        decision = decide_with_exits(items[0].strategy, view)
        self.stdout.write(f"{config.name}: sees {len(view.markets)} markets, {len(view.books)} books")
        self._lines(wanted_json(decision), [entry.as_json() for entry in decision.trace])

    def _lines(self, wanted: list[dict[str, Any]], trace: list[dict[str, Any]]) -> None:
        for item in wanted:
            price = item.get("price") or item.get("limit_price") or ""
            self.stdout.write(
                f"  wants {item['kind']} {item.get('side', '')} {item.get('size', '')} at {price} "
                f"outcome {item.get('outcome_id', '')} {item.get('reason', '')}"
            )
        for entry in trace:
            sign = "pass" if entry["passed"] else "stop"
            numbers = f"{entry['value']} against {entry['threshold']} {entry['unit']}" if entry["value"] else ""
            self.stdout.write(
                f"  {sign} {entry['gate']} outcome {entry['outcome_id']} {numbers} {entry['note']}".rstrip()
            )


def _find(text: str) -> StrategyConfig:
    found = StrategyConfig.objects.filter(name=text).first()
    if found is None and text.isdecimal():
        found = StrategyConfig.objects.filter(pk=int(text)).first()
    if found is None:
        names = ", ".join(StrategyConfig.objects.order_by("name").values_list("name", flat=True)[:20]) or "none"
        raise CommandError(f"there is no strategy {text!r}; known: {names}")
    return found
