"""Facts that cannot be true: the venue contradicts itself, or our books cannot hold what it did.

The account stops at once and somebody is paged. Nothing is repaired on a guess.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from alerts.domain.events import Severity
from orders.domain.lifecycle import TradingState
from orders.models import Account
from orders.services.account_events import account_event
from orders.services.accounts import account_lock, trading_state_set

log = logging.getLogger(__name__)

_MOST_TOLD = 1_000
_told: set[tuple[int, str, str]] = set()  # by this process: the same rows are read again every half minute


def conflict_record(account_id: int, *, subject: str, problem: str, now: datetime) -> bool:
    """Halt the account and page; return whether this is news. Call it outside the transaction that failed."""
    key = (account_id, subject, problem)
    if key in _told and Account.objects.filter(pk=account_id, trading_state=TradingState.HALTED).exists():
        return False
    log.error("a fact that cannot be true", extra={"account": account_id, "subject": subject, "problem": problem})
    with transaction.atomic():
        account = account_lock(account_id)
        if account.trading_state != TradingState.HALTED:
            trading_state_set(
                account_id=account_id,
                state=TradingState.HALTED,
                reason=f"{subject}: {problem}",
                by="reconciliation",
                now=now,
            )
        account_event(
            account,
            "reconcile.difference",
            f"{subject}: {problem}",
            now=now,
            by="reconciliation",
            severity=Severity.CRITICAL,
            payload={"subject": subject, "problem": problem},
        )
    if len(_told) >= _MOST_TOLD:
        _told.clear()
    _told.add(key)
    return True
