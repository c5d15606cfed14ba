"""The desk about itself: signs of life of both queues, room on the disk, children that ended."""

from __future__ import annotations

from dataclasses import asdict

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from orders.services.submission import senders
from polybot import alive, health


@shared_task(expires=9, acks_late=True)
def heartbeat_default() -> None:
    """Say that the queue `default` is read. Every 10 s."""
    alive.queue_is_alive("default", process="worker")


@shared_task(expires=9, acks_late=True)
def heartbeat_trading() -> None:
    """Say that the queue `trading` is read, and how much its senders have to do. Every 10 s."""
    load = senders.load()
    figures = {} if load is None else {f"senders_{name}": value for name, value in asdict(load).items()}
    alive.queue_is_alive("trading", process="trader", figures=figures)


@shared_task(expires=9, acks_late=True)
def check_health() -> None:
    """Look at the disk, and write down which processes ended. Every 10 s."""
    health.disk_watch(settings.POLYBOT_DATA, now=timezone.now())
    health.exits_record(settings.POLYBOT_DATA)


@shared_task(expires=50, acks_late=True)
def ping_heartbeat() -> None:
    """Ping HEARTBEAT_URL while everything that should run does. Every minute."""
    health.heartbeat_ping(settings.HEARTBEAT_URL, mode=settings.POLYBOT_MODE, now=timezone.now())
