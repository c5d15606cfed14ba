"""Ticking by the clock, refreshing universes, and the waker that ticks between. Tasks carry ids only."""

from __future__ import annotations

import gc
from functools import partial
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.utils import timezone

from strategies.domain.base import WakeKind
from strategies.services import dispatch, runner, universe
from strategies.services.ticker import TICKER
from strategies.services.waker import WAKER

QUEUE = "trading"  # settings.CELERY_TASK_ROUTES sends ticks there


@shared_task(acks_late=True, expires=2)
def dispatch_due() -> None:
    """Hand all due strategies to shared tick tasks. Runs every second; a late message is dropped."""
    for ids in dispatch.chunks(TICKER.run(partial(dispatch.due_ids, now=timezone.now()))):
        tick_strategies.delay(ids)


@shared_task(acks_late=True, expires=10)
def tick_strategies(strategy_ids: list[int]) -> None:
    """Evaluate these strategies once. Repeated or late, it changes nothing: wants are compared with what rests."""
    TICKER.run(partial(runner.tick, strategy_ids, now=timezone.now(), trigger=WakeKind.INTERVAL))


@shared_task(acks_late=True, expires=50)
def resolve_universes() -> None:
    """Look again which markets every active strategy watches. Runs after each catalogue sync."""
    universe.universe_resolve_all(now=timezone.now())


@worker_ready.connect
def waker_start(sender: Any = None, **_: Any) -> None:
    """Wake strategies on change in the worker that serves the trading queue."""
    queues = getattr(getattr(getattr(sender, "app", None), "amqp", None), "queues", None)
    if queues is None or QUEUE not in (queues.consume_from or {}):
        return
    gc.collect()
    gc.freeze()  # what is loaded now stays: no later collection needs to walk it
    TICKER.start()
    WAKER.start()


@worker_shutting_down.connect
def waker_stop(**_: Any) -> None:
    WAKER.stop()
    TICKER.stop()
