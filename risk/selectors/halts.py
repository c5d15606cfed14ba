"""Reads of halts."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from alerts.selectors.statements import rows_read
from orders.domain.lifecycle import Environment, TradingState
from orders.selectors.portfolio import account_list
from risk.models import Halt

_KINDS = "SELECT kind FROM risk_halt WHERE lifted_at IS NULL AND (account_id = %s OR account_id IS NULL)"


def halt_rows(*, open_only: bool = True, account_id: int | None = None) -> QuerySet[Halt]:
    """Return halts, newest first; with `account_id`, those of the account and those of the whole installation."""
    rows = Halt.objects.order_by("-id")
    if open_only:
        rows = rows.filter(lifted_at=None)
    if account_id is not None:
        rows = rows.filter(Q(account_id=account_id) | Q(account_id=None))
    return rows


def halted_state(account_id: int) -> TradingState:
    """Return the trading state that the open halts impose on the account. A kill has its own switch."""
    kinds = {kind for (kind,) in rows_read(_KINDS, account_id)}
    if Halt.Kind.HALTED in kinds:
        return TradingState.HALTED
    return TradingState.REDUCE_ONLY if Halt.Kind.REDUCE_ONLY in kinds else TradingState.ACTIVE


def halt_reason(account_id: int) -> str:
    """Return why the account is halted: the reason of its strictest open halt, or nothing."""
    rows = list(halt_rows(account_id=account_id).exclude(kind=Halt.Kind.KILL))
    rows.sort(key=lambda row: row.kind != Halt.Kind.HALTED)
    return rows[0].reason if rows else ""


def lift_is_grave(halt_id: int) -> bool:
    """Whether lifting this halt lets real money move again: a person then gives the password again."""
    halt = Halt.objects.filter(pk=halt_id, lifted_at=None).first()
    if halt is None:
        return False
    live = {account.id for account in account_list(environment=Environment.LIVE)}
    return bool(live) if halt.account_id is None else halt.account_id in live
