from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RiskConfig(AppConfig):
    name = "risk"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from alerts.api.scope import accounts_register
        from risk import checks

        assert checks.limits_of_live_accounts  # noqa: S101 - imported for its registration
        accounts_register(_accounts_of)  # alerts know no accounts, and this is the nearest stage that may tell them
        post_migrate.connect(_install, sender=self)


def _accounts_of(user_id: int) -> list[int]:
    from orders.selectors.portfolio import account_list

    return [account.id for account in account_list(owner_id=user_id)]


def _install(**_: Any) -> None:
    """Every installation starts with the three profiles; edited ones stay as they are."""
    from risk.services.profiles import install

    install()
