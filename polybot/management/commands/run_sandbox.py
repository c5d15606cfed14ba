"""`manage.py run_sandbox`: the local exchange. manage.py runs it before Django; this makes `help` list it."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from polybot.sandbox.main import main


class Command(BaseCommand):
    help = "Run the local exchange on loopback; see polybot/sandbox/README.md."

    def run_from_argv(self, argv: list[str]) -> None:
        sys.exit(main(argv[2:]))

    def handle(self, *args: Any, **options: Any) -> None:
        main([])
