"""Celery entry points of the data stage. Each loads nothing, calls one service, and may run any number of times."""

from __future__ import annotations

from celery import shared_task

from markets.domain.instruments import Venue
from markets.services import catalogue


@shared_task(expires=55, acks_late=True)
def sync_markets_incremental() -> None:
    """Read what changed lately. Runs every minute; a run that finds another at work does nothing."""
    catalogue.sync(Venue.POLYMARKET, "incremental")


@shared_task(expires=800, acks_late=True, soft_time_limit=600, time_limit=660)
def sync_markets_full() -> None:
    """Read the whole catalogue. Runs every quarter of an hour."""
    catalogue.sync(Venue.POLYMARKET, "full")
