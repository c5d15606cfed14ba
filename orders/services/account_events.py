"""What happened to an account as a whole, written to the account's own stream of the journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from orders.models import Account


def account_event(
    account: Account,
    kind: str,
    message: str,
    *,
    now: datetime | None,
    by: str = "",
    severity: Severity = Severity.INFO,
    payload: Mapping[str, Any] | None = None,
) -> int:
    """Write one event whose subject is the account, in the caller's transaction; return its row's id."""
    return event_record(
        kind,
        message,
        severity=severity,
        stream=f"account:{account.pk}",
        account_id=account.pk,
        subject_kind="account",
        subject_id=str(account.pk),
        subject_label=account.name,
        actor=by,
        payload=payload,
        now=now,
    )
