from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class OrdersConfig(AppConfig):
    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(_install, sender=self)


def _install(**_: Any) -> None:
    """A missing kill switch counts as set, so a fresh installation creates it released."""
    from orders.services.kill import kill_install

    kill_install()
