"""Celery entry points of the data stage. Each loads nothing, calls one service, and may run any number of times."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from markets.domain.instruments import Venue
from markets.services import catalogue, compaction, facts, records, retention, snapshots

log = logging.getLogger(__name__)
NIGHTLY_LIMIT_S = 480.0  # below the broker's patience of 600 s; what is left over waits for the next night


@shared_task(expires=55, acks_late=True)
def sync_markets_incremental() -> None:
    """Read what changed lately. Runs every minute; a run that finds another at work does nothing."""
    catalogue.sync(Venue.POLYMARKET, "incremental")


@shared_task(expires=18, acks_late=True)
def refresh_traded_facts() -> None:
    """Ask for the facts of traded markets where orders are sent to. Runs every 20 s, a third of what I14 allows."""
    facts.traded_facts_refresh(Venue.POLYMARKET, now=timezone.now())


@shared_task(expires=800, acks_late=True, soft_time_limit=600, time_limit=660)
def sync_markets_full() -> None:
    """Read the whole catalogue. Runs every quarter of an hour."""
    catalogue.sync(Venue.POLYMARKET, "full")


@shared_task(expires=270, acks_late=True)
def snapshot_markets() -> None:
    """Store what watched markets look like. Runs twice in each slot of ten minutes: the second finds it done."""
    snapshots.snapshots_record(now=timezone.now())


@shared_task(acks_late=True, soft_time_limit=580, time_limit=590)
def compact_candles() -> None:
    """Make candles of 5 minutes, an hour and a day. Runs daily; only what is missing is made."""
    written = compaction.candles_compact(now=timezone.now(), progress=_said(), until=_time_is_up())
    log.info("history: %s coarser candles written", written)


@shared_task(acks_late=True, soft_time_limit=580, time_limit=590)
def prune_history() -> None:
    """Delete trades, minutes, snapshots and records that are past their time. Runs daily."""
    deleted = retention.history_prune(now=timezone.now(), progress=_said(), until=_time_is_up())
    log.info("history: deleted %s", deleted)
    if (folder := settings.DECISION_RECORD_DIR) is not None:
        days, most_bytes = settings.DECISION_RECORD_DAYS, settings.DECISION_RECORD_BYTES
        gone = records.records_prune(folder, now=timezone.now(), days=days, most_bytes=most_bytes)
        log.info("records: %s files deleted", gone)


@shared_task(expires=800, acks_late=True, soft_time_limit=580, time_limit=590)
def compact_recordings() -> None:
    """Put finished hours of our recorder into the archive. Runs every quarter of an hour; a second run does nothing."""
    from markets.services.archive.tending import recordings_tend  # arrays and Parquet: only where this runs

    done = recordings_tend(now=timezone.now(), progress=_said(), until=_time_is_up())
    if done and done.files:
        log.info("archive: %s recorded files in %s tapes", done.files, len(done.tapes))


def _time_is_up() -> Callable[[], bool]:
    end = time.monotonic() + NIGHTLY_LIMIT_S
    return lambda: time.monotonic() > end


def _said() -> Callable[[str], None]:
    """Return a progress report into the log, at most every two seconds."""
    last = 0.0

    def say(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= 2:
            last = time.monotonic()
            log.info("history: %s", text)

    return say
