"""Sign-ins, refused sign-ins and sign-outs go into the journal, whichever door was used."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from alerts.domain.events import Severity
from alerts.services import journal


def _address(request: HttpRequest | None) -> str:
    return (request.META.get("REMOTE_ADDR") or "") if request else ""


def _record(kind: str, message: str, *, actor: str, request: HttpRequest | None, severity: Severity) -> None:
    with transaction.atomic():
        journal.event_record(
            kind,
            message,
            severity=severity,
            stream="auth",
            subject_kind="user",
            subject_label=actor[:240],
            actor=actor[:120],
            payload={"address": _address(request)},
        )


@receiver(user_logged_in)
def signed_in(sender: object, request: HttpRequest | None = None, user: Any = None, **_: object) -> None:
    name = user.get_username()
    _record("auth.login", f"{name} signed in", actor=name, request=request, severity=Severity.INFO)


@receiver(user_logged_out)
def signed_out(sender: object, request: HttpRequest | None = None, user: Any = None, **_: object) -> None:
    if user is None:
        return
    name = user.get_username()
    _record("auth.logout", f"{name} signed out", actor=name, request=request, severity=Severity.INFO)


@receiver(user_login_failed)
def refused(
    sender: object, credentials: dict[str, Any] | None = None, request: HttpRequest | None = None, **_: object
) -> None:
    name = str((credentials or {}).get("username", ""))[:120]
    said = f"a sign-in as {name!r} was refused"
    _record("auth.login_failed", said, actor=name, request=request, severity=Severity.WARNING)
