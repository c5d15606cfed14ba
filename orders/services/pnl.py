"""Equity over time: one row per account and minute."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Sum

from markets.domain.units import decimal_from_micro
from orders.domain.equity import HasPrices
from orders.models import Account, PnlSnapshot, Position
from orders.selectors.portfolio import portfolio_get
from orders.services.accounts import account_lock


def snapshot_create(account_id: int, now: datetime, marks: Mapping[int, HasPrices] | None = None) -> bool:
    """Store the account's equity for this minute, once; return whether it was stored now.

    Also raises the account's peak, from which the drawdown is measured: by prices only, never by an
    equity in which a position counts at cost for want of one.
    """
    minute = now.replace(second=0, microsecond=0)
    if PnlSnapshot.objects.filter(account_id=account_id, at=minute).exists():
        return False
    with transaction.atomic():
        account_lock(account_id)  # a fill between reading cash and shares would count its money twice
        portfolio = portfolio_get(account_id, marks, now=now)
        booked = Position.objects.filter(account_id=account_id).aggregate(
            realized=Sum("realized", default=0), fees=Sum("fees", default=0)
        )
        equity = decimal_from_micro(portfolio.equity)
        made = PnlSnapshot.objects.bulk_create(
            [
                PnlSnapshot(
                    account_id=account_id,
                    at=minute,
                    cash=decimal_from_micro(portfolio.cash),
                    positions_value=decimal_from_micro(portfolio.positions_value),
                    equity=equity,
                    realized=booked["realized"],
                    unrealized=decimal_from_micro(portfolio.unrealized),
                    fees=booked["fees"],
                    unmarked=portfolio.unmarked,
                )
            ],
            ignore_conflicts=True,
        )
        if not portfolio.unmarked:
            Account.objects.filter(pk=account_id, peak_equity__lt=equity).update(peak_equity=equity)
    return bool(made)
