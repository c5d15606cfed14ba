"""Wallets belong to one exchange. A desk started at another one sets their accounts aside until it comes back.

The local exchange is another one with every seed and recording; production is one, too. An account that is
away sends, cancels and reconciles nothing: its wallet is unknown where the desk is now.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction

from alerts.domain.events import Severity
from orders.domain.lifecycle import Environment
from orders.models import Account, Secret
from orders.services.account_events import account_event
from orders.services.accounts import account_lock


def accounts_house(now: datetime) -> list[str]:
    """Set accounts of other exchanges aside, take those of this one back; return what a person should know."""
    here = settings.POLYBOT_EXCHANGE
    rows = Account.objects.exclude(environment=Environment.PAPER).exclude(home="").order_by("pk")
    words = []
    for account_id, home, connection in list(rows.values_list("pk", "home", "connection")):
        if home != here and connection in ("ready", "connecting"):
            words.append(_leave(account_id, home, here, now=now))
        elif home == here and connection == "away":
            _return(account_id, now=now)
    return words


@transaction.atomic
def _leave(account_id: int, home: str, here: str, *, now: datetime) -> str:
    account = account_lock(account_id)
    said = f"its wallet is known at {home}, and this desk trades at {here}: start it as before to use the account"
    account.connection, account.connection_note = "away", said
    account.save(update_fields=["connection", "connection_note"])
    account_event(account, "account.away", f"{account.name} is away: {said}", now=now, severity=Severity.WARNING)
    return f"{account.name} is away: {said}"


@transaction.atomic
def _return(account_id: int, *, now: datetime) -> None:
    account = account_lock(account_id)
    has_credentials = account.secrets.filter(kind=Secret.Kind.API_CREDENTIALS, retired_at=None).exists()
    account.connection, account.connection_note = "ready" if has_credentials else "connecting", ""
    account.save(update_fields=["connection", "connection_note"])
    account_event(account, "account.back", f"{account.name}: the desk trades at {account.home} again", now=now)
