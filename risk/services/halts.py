"""Halts: stopping an account or the whole desk, and letting it go again.

Below the gate every stage can stop; only this module releases. An account's trading state
is the strictest of its open halts. The kill switch is apart: it stops every send at once,
stays set over restarts, and only a person releases it, by typing a phrase.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from orders.domain.lifecycle import TradingState
from orders.selectors.portfolio import account_list
from orders.services import accounts, execution
from orders.services import kill as switch
from risk.domain.watch import Cause
from risk.models import Halt
from risk.selectors.halts import halt_reason, halted_state

RELEASE_PHRASE = "trade again"
MANUAL = Cause.MANUAL
_STRICTNESS = {TradingState.ACTIVE: 0, TradingState.REDUCE_ONLY: 1, TradingState.HALTED: 2}


class HaltError(ValueError):
    """A halt or release that is not possible as asked; the message says what to do."""


@transaction.atomic
def halt_create(
    account_id: int | None,
    kind: str,
    reason: str,
    by: str,
    *,
    cause: str = MANUAL,
    now: datetime | None = None,
) -> Halt:
    """Stop entries (reduce_only) or everything (halted) on one account, or on all with None. Cancels stay possible.

    An open halt of the same account, kind and cause is returned as it is: halting twice is halting once.
    """
    if kind not in (Halt.Kind.REDUCE_ONLY, Halt.Kind.HALTED):
        raise HaltError(f"a halt is reduce_only or halted, not {kind!r}; for everything at once use kill")
    if not reason.strip():
        raise HaltError("a halt needs a reason: whoever finds the desk stopped wants to know why")
    if account_id is not None and account_id not in {a.id for a in account_list()}:
        raise HaltError(f"there is no account {account_id}")
    now = now or timezone.now()
    _adopt(account_id, now=now)
    halt, created = Halt.objects.get_or_create(
        account_id=account_id,
        kind=kind,
        cause=cause,
        lifted_at=None,
        defaults={"reason": reason[:240], "by": by[:120], "created_at": now},
    )
    if created:
        _states_apply(account_id, by=by, now=now)
        _event(halt, "risk.halted", f"{_whom(account_id)}: {_WORDS[kind]}: {reason}", by=by, now=now)
    return halt


@transaction.atomic
def halt_lift(halt_id: int, *, by: str, reason: str = "", now: datetime | None = None) -> bool:
    """Lift one halt; return whether it was open. Others may still hold the account."""
    now = now or timezone.now()
    halt = Halt.objects.filter(pk=halt_id).first()
    if halt is None:
        raise HaltError(f"there is no halt {halt_id}")
    if halt.kind == Halt.Kind.KILL:
        raise HaltError(f"the kill switch is released, not lifted: type {RELEASE_PHRASE!r} to release it")
    _adopt(halt.account_id, now=now)
    if not Halt.objects.filter(pk=halt_id, lifted_at=None).update(lifted_at=now, lifted_by=by[:120]):
        return False
    _states_apply(halt.account_id, by=by, now=now)
    said = f": {reason}" if reason else ""
    _event(halt, "risk.released", f"{_whom(halt.account_id)}: halt lifted ({halt.reason}){said}", by=by, now=now)
    return True


def halts_lift(account_id: int | None, *, by: str, cause: str = MANUAL, now: datetime | None = None) -> int:
    """Lift the open halts of one account (or of the installation, with None) that have this cause; return how many."""
    rows = Halt.objects.filter(account_id=account_id, cause=cause, lifted_at=None).exclude(kind=Halt.Kind.KILL)
    return sum(halt_lift(pk, by=by, now=now) for pk in rows.values_list("pk", flat=True))


def kill(reason: str, by: str, *, now: datetime | None = None) -> int:
    """Stop every send from this commit on, then ask for the end of all open orders; return how many were asked.

    The sweep repeats the cancels until three reads in a row see no open order. Killing twice is killing once.
    """
    now = now or timezone.now()
    if not reason.strip():
        raise HaltError("the kill switch needs a reason")
    kill_only(reason, by, now=now)
    return sum(execution.cancel_all(account.id, f"kill switch: {reason}"[:120], by, now) for account in account_list())


@transaction.atomic
def kill_only(reason: str, by: str, *, now: datetime) -> bool:
    """Stop every send, without the cancels that `kill` asks for too; return whether the switch was off."""
    was_off = switch.kill_set(reason, by, now)
    if was_off:
        Halt.objects.create(kind=Halt.Kind.KILL, cause="kill", reason=reason[:240], by=by[:120], created_at=now)
    return was_off


@transaction.atomic
def release(by: str, phrase: str, *, reason: str = "released by hand", now: datetime | None = None) -> bool:
    """Allow sends again; return whether the switch was set. Raises HaltError unless `phrase` is the release phrase."""
    if phrase.strip().lower() != RELEASE_PHRASE:
        raise HaltError(f"type {RELEASE_PHRASE!r} to release the kill switch")
    if not by.strip():
        raise HaltError("a release needs a person's name")
    now = now or timezone.now()
    released = switch.kill_release(reason, by, now)
    Halt.objects.filter(kind=Halt.Kind.KILL, lifted_at=None).update(lifted_at=now, lifted_by=by[:120])
    return released


@transaction.atomic
def halt_adopt(account_id: int, *, now: datetime) -> Halt | None:
    """Give a stop that a stage below the gate ordered (its books do not agree) a halt of its own; return a new one.

    Without one no other halt could come or go without letting the account trade again, and nobody could lift it.
    """
    account = accounts.account_lock(account_id)
    if _STRICTNESS[account.trading_state] <= _STRICTNESS[halted_state(account_id)]:
        return None
    halt, created = Halt.objects.get_or_create(
        account_id=account_id,
        kind=account.trading_state,
        cause=Cause.BOOKS,
        lifted_at=None,
        defaults={"reason": account.trading_state_reason or "stopped", "by": "desk", "created_at": now},
    )
    if created:
        said = f"{_whom(account_id)}: {_WORDS[Halt.Kind(halt.kind)]}: {halt.reason}"
        _event(halt, "risk.halted", said, by="desk", now=now)
    return halt if created else None


def _adopt(account_id: int | None, *, now: datetime) -> None:
    for identity in _ids(account_id):
        halt_adopt(identity, now=now)


def _ids(account_id: int | None) -> list[int]:
    return sorted(account.id for account in account_list()) if account_id is None else [account_id]


def _states_apply(account_id: int | None, *, by: str, now: datetime) -> None:
    """Give the account (or every account) the strictest state that its open halts ask for."""
    for identity in _ids(account_id):
        state = halted_state(identity)
        reason = halt_reason(identity) if state is not TradingState.ACTIVE else ""
        accounts.trading_state_set(account_id=identity, state=state, reason=reason, by=by, now=now)


def _event(halt: Halt, kind: str, message: str, *, by: str, now: datetime) -> None:
    event_record(
        kind,
        message,
        severity=Severity.WARNING if kind == "risk.halted" else Severity.INFO,
        stream="desk" if halt.account_id is None else f"account:{halt.account_id}",
        account_id=halt.account_id,
        subject_kind="halt",
        subject_id=halt.pk,
        subject_label=f"{halt.kind} ({halt.cause})",
        actor=by,
        payload={"kind": halt.kind, "cause": halt.cause, "reason": halt.reason},
        now=now,
    )


def _whom(account_id: int | None) -> str:
    return "all accounts" if account_id is None else f"account {account_id}"


_WORDS = {Halt.Kind.REDUCE_ONLY: "only reduces positions", Halt.Kind.HALTED: "halted"}
