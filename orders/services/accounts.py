"""Accounts: opened with a ledger entry, locked before anything about their money is decided."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from alerts.selectors.statements import Select
from markets.domain.instruments import Venue
from markets.domain.units import Usd, decimal_from_micro, micro_from_decimal, text_from_micro
from orders.domain.ledger import entries_for_opening
from orders.domain.lifecycle import Environment, TradingState
from orders.domain.wallet_entry import WalletEntry
from orders.models import Account, Secret
from orders.services.account_events import account_event
from orders.services.books import transaction_record
from orders.services.secrets import secret_store

_LOCKED = Select(Account, "WHERE id = %s FOR NO KEY UPDATE")
_BUILDER = re.compile(r"0x[0-9a-fA-F]{64}")


class AccountError(ValueError):
    """An account that cannot be opened or changed as asked; the message says what to do."""


def account_lock(account_id: int) -> Account:
    """Return the account's row, locked until the transaction ends. Taken after the kill switch, before orders."""
    # NO KEY: inserting rows that point to the account must not wait for each other's lock.
    row = _LOCKED.first(account_id)
    if row is None:
        raise Account.DoesNotExist(f"there is no account {account_id}")
    return row


@transaction.atomic
def account_open(
    *,
    name: str,
    owner: Any,
    environment: Environment = Environment.PAPER,
    cash: Usd = Usd(0),  # noqa: B008
    wallet: WalletEntry | None = None,
    builder_code: str = "",
    venue: Venue = Venue.POLYMARKET,
    on_stop: str = "cancel_all",
    by: str = "",
    now: datetime | None = None,
) -> Account:
    """Open an account. Amounts are millionths of a dollar.

    Paper: `cash` is there at once, with its opening entry in the ledger. Sandbox and live: the key in `wallet`
    is sealed and the account waits for the trader to connect it (`orders.services.connecting`), which reads
    the money it opens with from the venue; in the sandbox `cash` is the play money it should have there.
    """
    now = now or timezone.now()
    if cash < 0:
        raise AccountError(f"an account cannot open with ${text_from_micro(cash)}: give zero or more")
    if not name.strip():
        raise AccountError("an account needs a name")
    if Account.objects.filter(name=name).exists():
        raise AccountError(f"there is an account named {name!r} already: choose another name")
    if environment is not Environment.PAPER:
        return _open_at_venue(
            name=name,
            owner=owner,
            environment=environment,
            cash=cash,
            wallet=wallet,
            builder_code=builder_code,
            venue=venue,
            on_stop=on_stop,
            by=by,
            now=now,
        )
    if wallet is not None:
        raise AccountError("a paper account has no wallet: it trades inside polybot")
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
    opening_record(account, cash, by=by, now=now)
    return account


def _open_at_venue(
    *,
    name: str,
    owner: Any,
    environment: Environment,
    cash: Usd,
    wallet: WalletEntry | None,
    builder_code: str,
    venue: Venue,
    on_stop: str,
    by: str,
    now: datetime,
) -> Account:
    if wallet is None:
        raise AccountError(f"a {environment} account needs a wallet: give its private key")
    if environment is Environment.LIVE and cash:
        raise AccountError("a live account opens with what its wallet holds: leave the cash empty")
    if builder_code and not _BUILDER.fullmatch(builder_code):
        raise AccountError("the builder code is not 0x and 64 hexadecimal digits: copy it again or leave it empty")
    known = Account.objects.filter(venue=venue, environment=environment, wallet_address=wallet.wallet)
    if other := known.values_list("name", flat=True).first():
        raise AccountError(f"{wallet.wallet} is the wallet of {other!r} already: one account per wallet")
    account = Account.objects.create(
        name=name,
        owner=owner,
        venue=venue,
        environment=environment,
        on_stop=on_stop,
        wallet_address=wallet.wallet,
        signer_address=wallet.signer,
        wallet_kind=wallet.kind.value,
        builder_code=builder_code.lower(),
        play_money=decimal_from_micro(cash),
        home=settings.POLYBOT_EXCHANGE,
        connection="connecting",
        connection_note="waits for the trader",
    )
    kind = Secret.Kind.SESSION_KEY if wallet.is_session else Secret.Kind.PRIVATE_KEY
    secret_store(account, kind, wallet.key, public=wallet.signer, by=by, now=now)
    account_event(
        account,
        "account.added",
        f"{name}: {environment} account for {wallet.wallet} added; the trader connects it",
        now=now,
        by=by,
        payload={"environment": environment.value, "wallet": wallet.wallet, "kind": wallet.kind.value},
    )
    return account


def opening_record(account: Account, cash: Usd, *, by: str = "", now: datetime) -> None:
    """Write the opening entry and its journal row, inside the caller's transaction."""
    if cash:
        transaction_record(
            account_id=account.pk, kind="opening", reference="opening", entries=entries_for_opening(cash), at=now
        )
    account_event(
        account,
        "account.opened",
        f"{account.name}: {account.environment} account opened with ${text_from_micro(cash)}",
        now=now,
        by=by,
        payload={"cash": text_from_micro(cash), "environment": str(account.environment)},
    )


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
    account_event(
        account,
        "account.trading_state",
        f"{account.name}: {before} → {state}" + (f": {reason}" if reason else ""),
        now=now,
        by=by,
        severity=Severity.INFO if state is TradingState.ACTIVE else Severity.WARNING,
        payload={"before": before, "after": state.value, "reason": reason},
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
    account_event(
        account,
        "account.auto_trade",
        f"{account.name}: automatic orders {'on' if on else 'off'}",
        now=now,
        by=by,
        payload={"on": on},
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
    account_event(
        account,
        "account.on_stop",
        f"{account.name}: a stop now means {on_stop}",
        now=now,
        by=by,
        payload={"on_stop": on_stop},
    )
    return True


def free_cash(account: Account) -> Usd:
    return Usd(micro_from_decimal(account.cash) - micro_from_decimal(account.reserved_cash))
