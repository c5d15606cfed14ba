"""Signs of life of the two queues: they prove that a message sent by beat is read by a worker."""

from __future__ import annotations

from celery import shared_task

from polybot import alive


@shared_task(expires=9, acks_late=True)
def heartbeat_default() -> None:
    """Say that the queue `default` is read. Every 10 s."""
    alive.queue_is_alive("default", process="worker")


@shared_task(expires=9, acks_late=True)
def heartbeat_trading() -> None:
    """Say that the queue `trading` is read. Every 10 s."""
    alive.queue_is_alive("trading", process="trader")
