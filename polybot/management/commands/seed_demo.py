"""`manage.py seed_demo`: give an empty installation a paper account and two running strategies."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from polybot import demo


class Command(BaseCommand):
    help = "Make the demo account, limits and strategies, unless an account exists. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(demo.seed(now=timezone.now()))
