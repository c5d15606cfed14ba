"""System checks of the gate: a live account without limits is an error before it is a loss."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from orders.domain.lifecycle import Environment
from orders.selectors.portfolio import account_list
from risk.selectors.limits import limits_get


@register(Tags.database)
def limits_of_live_accounts(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Every account needs a profile; without one the gate refuses all its orders."""
    if not databases:
        return []
    try:
        bare = [account for account in account_list() if limits_get(account.id) is None]
    except DatabaseError:
        return []  # not migrated yet
    return [
        (Error if account.environment is Environment.LIVE else Warning)(
            f"account {account.name!r} ({account.environment}) has no risk profile: every order on it is refused",
            hint="Choose a profile for it in the admin under Risk, Account limits.",
            id="risk.E001" if account.environment is Environment.LIVE else "risk.W001",
        )
        for account in bare
    ]
