"""Asking the trader to connect an account again, as it is or with new API credentials. Any process may ask.

Orders belong to the wallet and not to the API key, but a heartbeat and the user channel do: new credentials
wait until nothing of the account is open.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from orders.domain.lifecycle import Environment, OrderState
from orders.models import Account, Order, Secret
from orders.services.account_events import account_event
from orders.services.accounts import AccountError, account_lock

_OVER = (
    OrderState.DENIED,
    OrderState.ABANDONED,
    OrderState.REJECTED,
    OrderState.FILLED,
    OrderState.CANCELED,
    OrderState.EXPIRED,
)


@transaction.atomic
def connection_ask(account_id: int, *, by: str = "", now: datetime | None = None) -> None:
    """Have the trader connect the account (again). Raises AccountError for paper."""
    account = _at_a_venue(account_id)
    _wait(account, "waits for the trader")
    account_event(account, "account.connect_asked", f"{account.name}: to be connected", by=by, now=now)


@transaction.atomic
def credentials_rotation_ask(account_id: int, *, by: str = "", now: datetime | None = None) -> None:
    """Have the trader make new API credentials and end the old ones. The account trades nothing meanwhile."""
    account = _at_a_venue(account_id)
    if still := Order.objects.filter(account=account).exclude(state__in=_OVER).count():
        raise AccountError(f"{account.name} has {still} open orders: cancel them first")
    kind = Secret.Kind.API_CREDENTIALS
    Secret.objects.filter(account=account, kind=kind, retired_at=None).update(retired_at=now or timezone.now())
    _wait(account, "gets new API credentials")
    words = f"{account.name}: new API credentials asked for"
    account_event(account, "keys.credentials_rotation", words, by=by, severity=Severity.WARNING, now=now)


def _at_a_venue(account_id: int) -> Account:
    account = account_lock(account_id)
    if account.environment == Environment.PAPER:
        raise AccountError("a paper account has no connection")
    return account


def _wait(account: Account, note: str) -> None:
    account.connection, account.connection_note = "connecting", note
    account.save(update_fields=["connection", "connection_note"])
