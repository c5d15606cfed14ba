"""Scheduled work of the alerts app."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from alerts.services import dispatch, jobs, routing, verification


@shared_task(expires=5, acks_late=True)
def deliver_alerts() -> None:
    """Turn new journal rows into deliveries and send what is due. Runs every 5 s; two at once share the work."""
    now = timezone.now()
    routing.deliveries_create(now=now)
    dispatch.deliveries_send(now=now)


@shared_task(acks_late=True)
def prune_jobs() -> None:
    """Delete job claims older than two days. Runs daily."""
    jobs.job_prune(now=timezone.now())


@shared_task(expires=540, acks_late=True)
def verify_journal() -> None:
    """Recompute the next part of every hash chain. Runs every 10 minutes and goes round for ever."""
    verification.audit_watch(now=timezone.now())
