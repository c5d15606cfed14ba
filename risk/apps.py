from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RiskConfig(AppConfig):
    name = "risk"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import risk.checks

        assert risk.checks.limits_of_live_accounts  # noqa: S101 - imported for its registration
        post_migrate.connect(_install, sender=self)


def _install(**_: Any) -> None:
    """Every installation starts with the three profiles; edited ones stay as they are."""
    from risk.services.profiles import install

    install()
