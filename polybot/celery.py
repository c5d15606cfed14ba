"""The Celery application. Settings with the prefix CELERY_ are its configuration."""

import os

from celery import Celery
from celery.signals import worker_init, worker_ready, worker_shutdown

from polybot.logs import connect_tasks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polybot.settings.base")
# Celery would run Django's checks in every worker and ignore their answers, for which all pages and numpy are loaded:
# about 18 MB and a second each. What must not be wrong is refused below, by `refuse_bad_configuration`.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("polybot")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
connect_tasks()


@worker_init.connect(weak=False)
def refuse_bad_settings(**_: object) -> None:
    from polybot.checks import refuse_bad_configuration

    refuse_bad_configuration()


@worker_init.connect(weak=False)
def take_role(**_: object) -> None:
    """Load the keys of this process, in the trader alone."""
    from django.conf import settings

    if settings.POLYBOT_ROLE:
        from polybot import roles

        roles.install(settings.POLYBOT_ROLE)
        if settings.POLYBOT_ROLE == "trader":
            from orders.services import heartbeat, ownership
            from orders.services.submission import senders

            ownership.start()
            senders.start()
            heartbeat.start()


@worker_ready.connect(weak=False)
def look_first(**_: object) -> None:
    """Have the accounts reconciled at once: nothing is sent on one before that."""
    from django.conf import settings

    if settings.POLYBOT_ROLE == "trader":
        from orders.tasks import reconcile_live

        reconcile_live.delay()


@worker_ready.connect(weak=False)
def watch_backtests(sender: object = None, **_: object) -> None:
    """Say that the queue `backtests` is read, from beside its process: a long run must not look like a dead worker."""
    from backtests.tasks import QUEUE

    queues = getattr(getattr(getattr(sender, "app", None), "amqp", None), "queues", None)
    if queues is not None and QUEUE in (queues.consume_from or {}):
        from polybot import alive

        alive.backtests_watch()


@worker_shutdown.connect(weak=False)
def drain_senders(**_: object) -> None:
    """Send what is claimed and store its answers before the process ends; everything else waits in its row."""
    from django.conf import settings

    if settings.POLYBOT_ROLE == "trader":
        from orders.services import heartbeat, ownership
        from orders.services.submission import senders

        senders.stop()
        heartbeat.stop()
        ownership.stop()
