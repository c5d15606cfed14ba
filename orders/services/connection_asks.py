"""Asking the trader to connect an account again, as it is or with new API credentials. Any process may ask.

Orders belong to the wallet and not to the API key, but a heartbeat and the user channel do: new credentials
wait until nothing of the account is open.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from orders.domain.lifecycle import Environment, OrderState
from orders.models import Account, Order, Secret
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
    _event(account, "account.connect_asked", f"{account.name}: to be connected", Severity.INFO, by, now)


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
    _event(account, "keys.credentials_rotation", words, Severity.WARNING, by, now)


def _at_a_venue(account_id: int) -> Account:
    account = account_lock(account_id)
    if account.environment == Environment.PAPER:
        raise AccountError("a paper account has no connection")
    return account


def _wait(account: Account, note: str) -> None:
    account.connection, account.connection_note = "connecting", note
    account.save(update_fields=["connection", "connection_note"])


def _event(  # noqa: PLR0917
    account: Account, kind: str, message: str, severity: Severity, by: str, now: datetime | None
) -> None:
    event_record(
        kind,
        message,
        severity=severity,
        stream=f"account:{account.pk}",
        account_id=account.pk,
        subject_kind="account",
        subject_id=account.pk,
        subject_label=account.name,
        actor=by,
        now=now,
    )
