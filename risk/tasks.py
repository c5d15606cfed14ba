"""Scheduled work of the risk app."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from risk.services import watch


@shared_task(expires=14, acks_late=True)
def watch_accounts() -> None:
    """Look at losses, limits and venue errors, and halt where needed. Runs every 15 s."""
    watch.watch_all(timezone.now())
