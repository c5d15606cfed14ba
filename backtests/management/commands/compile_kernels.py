"""`manage.py compile_kernels`: compile the loops of fast backtests once, into the desk's data folder."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from backtests.services.kernels import kernels_compile, stepping_compile


class Command(BaseCommand):
    help = "Compile the loops of fast backtests, so that the first backtest does not wait for it."

    def handle(self, *args: Any, **options: Any) -> None:
        for name, seconds in kernels_compile().items():
            self.stdout.write(f"{name}: {seconds:.1f} s")
        self.stdout.write(f"strategies that stay in Python: {stepping_compile():.1f} s")
