"""`manage.py explain "<text>"`: what a venue's refusal means, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from markets.selectors.refusals import refusal_explain


class Command(BaseCommand):
    help = "Explain what a venue said: cause and fix in plain words."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("text")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        found = refusal_explain(options["text"])
        if found is None:
            raise CommandError(
                "nobody knows this text: an order answered with it has an unknown fate and stays reserved"
            )
        if options["json"]:
            self.stdout.write(json.dumps(asdict(found)))
            return
        settles = "the order does not exist at the venue" if found.settles else "it alone proves nothing about an order"
        self.stdout.write(f"{found.code} ({found.scope})\n  cause: {found.cause}\n  fix:   {found.remedy}\n  {settles}")
