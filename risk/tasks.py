"""Scheduled work of the risk app."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from risk.services import doctor, rehearsal, watch


@shared_task(expires=14, acks_late=True)
def watch_accounts() -> None:
    """Look at losses, limits and venue errors, and halt where needed. Runs every 15 s."""
    watch.watch_all(timezone.now())


@shared_task(expires=240, acks_late=True, soft_time_limit=110, time_limit=120)
def run_doctor(run_id: int) -> None:
    """Do one examination that was asked for. In the trader, which has the keys; only the first delivery does it."""
    doctor.doctor_run(run_id)


@shared_task(expires=240, acks_late=True, soft_time_limit=110, time_limit=120)
def run_rehearsal(rehearsal_id: int) -> None:
    """Walk the kill path of a rehearsal that was asked for."""
    rehearsal.rehearsal_run(rehearsal_id)
