"""The live approval chain: installation, account, strategy, each permitted by a person and revocable at once (I11).

The caller has checked the person's password again; here the typed phrase and the subject are checked, and
the journal is written. Nothing with real money is sent while a link is missing, whoever asks for it.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from orders.domain.lifecycle import Environment
from orders.models import Account, LivePermit, VenueCondition
from orders.selectors.permits import INSTALLATION

PHRASE = "trade with real money"


class PermitError(ValueError):
    """A permit that is not granted; the message says what is missing."""


@transaction.atomic
def permit_grant(
    *,
    scope: str,
    subject_id: int = INSTALLATION,
    subject_label: str = "",
    reason: str,
    phrase: str,
    by: str,
    now: datetime | None = None,
) -> LivePermit:
    """Permit the subject to trade with real money. Granting what stands already changes nothing."""
    now = now or timezone.now()
    kind = _scope(scope)
    if " ".join(phrase.lower().split()) != PHRASE:
        raise PermitError(f"type {PHRASE!r} to permit it")
    if not reason.strip():
        raise PermitError("say why: the reason is kept in the journal")
    label = _subject(kind, subject_id, subject_label)
    if VenueCondition.objects.filter(environment=Environment.LIVE, blocked=True).exists():
        raise PermitError("the venue does not let this place trade: live trading is refused here")
    standing = LivePermit.objects.select_for_update().filter(scope=kind, subject_id=subject_id, revoked_at=None).first()
    if standing is not None:
        return standing
    permit = LivePermit.objects.create(
        scope=kind,
        subject_id=subject_id,
        subject_label=label[:120],
        reason=reason.strip()[:240],
        granted_by=by,
        granted_at=now,
    )
    _event("permit.granted", f"live trading permitted: {kind} {label}: {permit.reason}", permit, by=by, now=now)
    return permit


@transaction.atomic
def permit_revoke(*, scope: str, subject_id: int = INSTALLATION, by: str, now: datetime | None = None) -> bool:
    """Take the permit back, at once and without a phrase; return whether there was one."""
    now = now or timezone.now()
    kind = _scope(scope)
    permit = LivePermit.objects.select_for_update().filter(scope=kind, subject_id=subject_id, revoked_at=None).first()
    if permit is None:
        return False
    permit.revoked_at, permit.revoked_by = now, by
    permit.save(update_fields=["revoked_at", "revoked_by"])
    _event("permit.revoked", f"live trading no longer permitted: {kind} {permit.subject_label}", permit, by=by, now=now)
    return True


def _scope(word: str) -> LivePermit.Scope:
    try:
        return LivePermit.Scope(word)
    except ValueError:
        raise PermitError(f"{word!r:.30} is none of {', '.join(LivePermit.Scope.values)}") from None


def _subject(kind: LivePermit.Scope, subject_id: int, label: str) -> str:
    """Return how the subject is called, having checked that it can have a permit."""
    if kind is LivePermit.Scope.INSTALLATION:
        if subject_id != INSTALLATION:
            raise PermitError("an installation has no number")
        return "this installation"
    if subject_id < 1:
        raise PermitError(f"which {kind}?")
    if kind is LivePermit.Scope.STRATEGY:
        return label or f"strategy {subject_id}"
    account = Account.objects.filter(pk=subject_id).first()
    if account is None:
        raise PermitError(f"there is no account {subject_id}")
    if account.environment != Environment.LIVE:
        raise PermitError(f"{account.name} is a {account.environment} account: only live ones need a permit")
    return account.name


def _event(kind: str, message: str, permit: LivePermit, *, by: str, now: datetime) -> None:
    is_account = permit.scope == LivePermit.Scope.ACCOUNT
    event_record(
        kind,
        message,
        severity=Severity.CRITICAL,  # everybody who watches over the desk should hear of it
        stream="permits",
        account_id=permit.subject_id if is_account else None,
        subject_kind=str(permit.scope),
        subject_id=permit.subject_id,
        subject_label=permit.subject_label,
        actor=by,
        payload={"scope": str(permit.scope), "subject_id": permit.subject_id, "reason": permit.reason},
        now=now,
    )
