"""Accounts: opened with a ledger entry, locked before anything about their money is decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from markets.domain.instruments import Venue
from markets.domain.units import Usd, decimal_from_micro, micro_from_decimal, text_from_micro
from orders.domain.ledger import entries_for_opening
from orders.domain.lifecycle import Environment, TradingState
from orders.models import Account
from orders.services.books import transaction_record


class AccountError(ValueError):
    """An account that cannot be opened or changed as asked; the message says what to do."""


def account_lock(account_id: int) -> Account:
    """Return the account's row, locked until the transaction ends. Taken after the kill switch, before orders."""
    # NO KEY: inserting rows that point to the account must not wait for each other's lock.
    return Account.objects.select_for_update(no_key=True).get(pk=account_id)


@transaction.atomic
def account_open(
    *,
    name: str,
    owner: Any,
    environment: Environment = Environment.PAPER,
    cash: Usd,
    venue: Venue = Venue.POLYMARKET,
    on_stop: str = "cancel_all",
    now: datetime | None = None,
) -> Account:
    """Open an account with `cash` (millionths of a dollar) and its opening entry in the ledger."""
    if environment is not Environment.PAPER:
        raise AccountError(f"a {environment} account needs the live path, which this version does not have: use paper")
    if cash < 0:
        raise AccountError(f"an account cannot open with ${text_from_micro(cash)}: give zero or more")
    if Account.objects.filter(name=name).exists():
        raise AccountError(f"there is an account named {name!r} already: choose another name")
    now = now or timezone.now()
    amount = decimal_from_micro(cash)
    account = Account.objects.create(
        name=name,
        owner=owner,
        venue=venue,
        environment=environment,
        on_stop=on_stop,
        cash=amount,
        opening_cash=amount,
        peak_equity=amount,
        reconciled_at=now,  # nothing to compare yet
    )
    if cash:
        transaction_record(
            account_id=account.pk, kind="opening", reference="opening", entries=entries_for_opening(cash), at=now
        )
    event_record(
        "account.opened",
        f"{name}: {environment} account opened with ${text_from_micro(cash)}",
        stream=f"account:{account.pk}",
        account_id=account.pk,
        subject_kind="account",
        subject_id=str(account.pk),
        subject_label=name,
        payload={"cash": text_from_micro(cash), "environment": environment.value},
        now=now,
    )
    return account


@transaction.atomic
def trading_state_set(
    *, account_id: int, state: TradingState, reason: str = "", by: str = "", now: datetime | None = None
) -> bool:
    """Set what the account may do; return whether that changed anything. Cancels stay possible in every state."""
    account = account_lock(account_id)
    if account.trading_state == state and account.trading_state_reason == reason[:240]:
        return False
    before = account.trading_state
    account.trading_state, account.trading_state_reason = state, reason[:240]
    account.save(update_fields=["trading_state", "trading_state_reason"])
    event_record(
        "account.trading_state",
        f"{account.name}: {before} → {state}" + (f": {reason}" if reason else ""),
        severity=Severity.INFO if state is TradingState.ACTIVE else Severity.WARNING,
        stream=f"account:{account_id}",
        account_id=account_id,
        subject_kind="account",
        subject_id=str(account_id),
        subject_label=account.name,
        actor=by,
        payload={"before": before, "after": state.value, "reason": reason},
        now=now,
    )
    return True


@transaction.atomic
def auto_trade_set(*, account_id: int, on: bool, by: str = "", now: datetime | None = None) -> bool:
    """Switch automatic orders of the account on or off; return whether that changed anything."""
    account = account_lock(account_id)
    if account.auto_trade == on:
        return False
    account.auto_trade = on
    account.save(update_fields=["auto_trade"])
    event_record(
        "account.auto_trade",
        f"{account.name}: automatic orders {'on' if on else 'off'}",
        stream=f"account:{account_id}",
        account_id=account_id,
        subject_kind="account",
        subject_id=str(account_id),
        subject_label=account.name,
        actor=by,
        payload={"on": on},
        now=now,
    )
    return True


@transaction.atomic
def on_stop_set(*, account_id: int, on_stop: str, by: str = "", now: datetime | None = None) -> bool:
    """Set what a stopping strategy leaves behind: cancel_all, cancel_quotes or leave."""
    allowed = [value for value, _ in Account._meta.get_field("on_stop").choices or []]
    if on_stop not in allowed:
        raise AccountError(f"on_stop {on_stop!r} is not one of {', '.join(allowed)}")
    account = account_lock(account_id)
    if account.on_stop == on_stop:
        return False
    account.on_stop = on_stop
    account.save(update_fields=["on_stop"])
    event_record(
        "account.on_stop",
        f"{account.name}: a stop now means {on_stop}",
        stream=f"account:{account_id}",
        account_id=account_id,
        subject_kind="account",
        subject_id=str(account_id),
        subject_label=account.name,
        actor=by,
        payload={"on_stop": on_stop},
        now=now,
    )
    return True


def free_cash(account: Account) -> Usd:
    return Usd(micro_from_decimal(account.cash) - micro_from_decimal(account.reserved_cash))
