"""Asking for the password again before something grave: the same count of failures as at sign-in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate
from django.http import HttpRequest


class StepUpError(ValueError):
    """The person could not show again who they are."""


def password_confirm(request: HttpRequest, password: str) -> None:
    """Raise StepUpError unless `password` is the signed-in person's own. Too many tries lock, as at sign-in."""
    user: Any = request.user
    if not user.is_authenticated:
        raise StepUpError("sign in first")
    if not password:
        raise StepUpError("give your password again")
    found = authenticate(request, username=user.get_username(), password=password)
    if found is None or found.pk != user.pk:
        raise StepUpError("that is not your password")
