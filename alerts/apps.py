from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AlertsConfig(AppConfig):
    name = "alerts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(_install, sender=self)


def _install(**_: Any) -> None:
    """Every installation starts with the default rules; edited ones stay as they are."""
    from alerts.services.defaults import install

    install()
