"""Wishes for transactions outside the book: previewed, agreed to, set aside for, and moved through their states.

Runs in every process; the trader alone signs and sends (`chain_send`). Money and shares that a wish will use are
set aside from the moment it is wanted until it ends, so that no order can promise them too (I10, I12).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from markets.domain.units import decimal_from_micro
from markets.venues.polymarket.call_permits import permit
from markets.venues.polymarket.calls import Call, CallError
from markets.venues.polymarket.wallets import AddressError, wallets_of
from orders.domain.chain import ENDED, NEVER_SENT, OPEN, ChainState, check_step
from orders.domain.lifecycle import Environment
from orders.models import Account, ChainAction, Position
from orders.services.accounts import account_lock

_SEVERITY = {
    ChainState.UNKNOWN: Severity.WARNING,
    ChainState.FAILED: Severity.WARNING,
}
_WORDS = {
    ChainState.PREVIEW: "is previewed",
    ChainState.WANTED: "is wanted",
    ChainState.SIGNED: "waits to be sent",
    ChainState.SENDING: "is sent",
    ChainState.UNKNOWN: "has an unknown outcome",
    ChainState.PENDING: "is on its way",
    ChainState.CONFIRMED: "is confirmed",
    ChainState.FAILED: "failed",
    ChainState.CANCELED: "was called off",
}


class ChainError(ValueError):
    """A transaction that cannot be wanted as asked; the message says why and what to do."""


@transaction.atomic
def action_create(
    *,
    account_id: int,
    kind: str,
    key: str,
    calls: Sequence[Call],
    now: datetime,
    by: str,
    preview: bool,
    market_id: int | None = None,
    amount: int = 0,
    hold_cash: int = 0,
    hold_shares: Mapping[int, int] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> ChainAction:
    """Store one wish; the same `key` again is the same row. Amounts are millionths.

    Raises ChainError for a call that is not permitted, and when money or shares are not free.
    """
    account = account_lock(account_id)
    if (known := ChainAction.objects.filter(key=key).first()) is not None:
        return known
    if account.environment == Environment.PAPER or account.connection != "ready":
        raise ChainError(f"{account.name} is not connected to a chain: only ready sandbox and live accounts are")
    action = ChainAction(
        key=key,
        account=account,
        kind=kind,
        route=ChainAction.Route.TRANSACTION if account.wallet_kind == "eoa" else ChainAction.Route.RELAYER,
        state=ChainState.PREVIEW if preview else ChainState.WANTED,
        market_id=market_id,
        amount=decimal_from_micro(amount),
        calls=[{"to": call.to, "data": "0x" + call.data.hex()} for call in calls],
        expected={
            "says": words_of(account, calls),
            "hold_cash": str(decimal_from_micro(hold_cash)),
            "hold_shares": {str(o): str(decimal_from_micro(s)) for o, s in (hold_shares or {}).items()},
        }
        | dict(facts or {}),
        requested_by=by[:120],
        created_at=now,
    )
    if action.route == ChainAction.Route.TRANSACTION and len(calls) != 1:
        raise ChainError("the key's own account sends one call at a time")
    if not preview:
        _hold(action)
    action.save()
    action_event(action, now=now, actor=by)
    return action


@transaction.atomic
def action_confirm(action_id: int, *, by: str, now: datetime) -> ChainAction:
    """A person agrees to a preview: it is wanted now, exactly as it was shown."""
    action = action_lock(action_id)
    if action.state != ChainState.PREVIEW:
        return action
    if words_of(action.account, calls_of(action)) != action.expected["says"]:
        raise ChainError("the stored calls are not the ones that were shown: make a new preview")
    _hold(action)
    action_advance(action, ChainState.WANTED, now=now, actor=by, requested_by=by[:120])
    return action


@transaction.atomic
def action_cancel(action_id: int, *, by: str, now: datetime, reason: str = "") -> bool:
    """Call off what was never signed; return whether it was."""
    action = action_lock(action_id)
    if action.state not in NEVER_SENT:
        return False
    action_advance(action, ChainState.CANCELED, now=now, actor=by, reason=reason or "called off")
    return True


def action_lock(action_id: int) -> ChainAction:
    """Return the action, locked after its account; `action.account` is the locked account."""
    account_id = ChainAction.objects.values_list("account_id", flat=True).get(pk=action_id)
    account = account_lock(account_id)
    action = ChainAction.objects.select_for_update(of=("self",), no_key=True).get(pk=action_id)
    action.account = account
    return action


def action_advance(
    action: ChainAction,
    to: ChainState,
    *,
    now: datetime,
    reason: str = "",
    actor: str = "",
    journal: bool = True,
    **fields: Any,
) -> None:
    """Move a locked action, give back at its end what it held, and say so. Raises ChainStateError."""
    before = ChainState(action.state)
    check_step(before, to)
    changes: dict[str, Any] = {"state": to, "state_reason": reason[:300], **fields}
    if to in ENDED:
        changes |= {"ended_at": now, "lease_until": None}
        if before in OPEN:
            _release(action)
    if not ChainAction.objects.filter(pk=action.pk, state=before).update(**changes):
        raise ChainError(f"transaction {action.pk} is no longer {before}")
    for name, value in changes.items():
        setattr(action, name, value)
    if journal:
        action_event(action, now=now, actor=actor)


def calls_of(action: ChainAction) -> list[Call]:
    return [Call(to=call["to"], data=bytes.fromhex(call["data"].removeprefix("0x"))) for call in action.calls]


def words_of(account: Account, calls: Sequence[Call]) -> list[str]:
    """Return what the calls do, in words. Raises ChainError for one that is never made."""
    try:
        own = tuple(wallets_of(account.signer_address).values())
        return [permit(call, own=own) for call in calls]
    except (CallError, AddressError) as error:
        raise ChainError(str(error)) from None


def _hold(action: ChainAction) -> None:
    """Set aside what the action will use; all of it or ChainError."""
    cash = Decimal(action.expected["hold_cash"])
    if cash and not Account.objects.filter(pk=action.account_id, cash__gte=F("reserved_cash") + cash).update(
        reserved_cash=F("reserved_cash") + cash
    ):
        raise ChainError(f"${cash:f} are not free: cancel orders that set money aside, or take less")
    for outcome_id, size in _shares(action):
        if not Position.objects.filter(
            account_id=action.account_id, outcome_id=outcome_id, confirmed_size__gte=F("reserved_size") + size
        ).update(reserved_size=F("reserved_size") + size):
            raise ChainError(
                f"{size:f} settled shares of outcome {outcome_id} are not free: cancel sells, or take less"
            )


def _release(action: ChainAction) -> None:
    if cash := Decimal(action.expected["hold_cash"]):
        Account.objects.filter(pk=action.account_id).update(reserved_cash=F("reserved_cash") - cash)
    for outcome_id, size in _shares(action):
        Position.objects.filter(account_id=action.account_id, outcome_id=outcome_id).update(
            reserved_size=F("reserved_size") - size
        )


def _shares(action: ChainAction) -> list[tuple[int, Decimal]]:
    return [(int(o), Decimal(s)) for o, s in sorted(action.expected["hold_shares"].items()) if Decimal(s)]


def action_event(
    action: ChainAction, *, now: datetime, actor: str = "", payload: Mapping[str, Any] | None = None
) -> None:
    """Write one event about the action's state to its account's stream."""
    state = ChainState(action.state)
    says = "; ".join(action.expected["says"])
    reason = f": {action.state_reason}" if action.state_reason else ""
    event_record(
        f"chain.{state.value}",
        f"{action.account.name}: {action.kind} {_WORDS[state]}{reason} ({says})",
        severity=_SEVERITY.get(state, Severity.INFO),
        stream=f"account:{action.account_id}",
        account_id=action.account_id,
        subject_kind="chain_action",
        subject_id=str(action.pk),
        subject_label=f"{action.kind} {action.pk}",
        actor=actor,
        payload={
            "action_id": action.pk,
            "kind": action.kind,
            "environment": action.account.environment,
            "market_id": action.market_id,
            "amount": str(action.amount),
            "after": state.value,
            "reason": action.state_reason,
            "transaction_hash": action.transaction_hash or "",
            "calls": action.expected["says"],
        }
        | dict(payload or {}),
        now=now,
    )
