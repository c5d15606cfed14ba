"""Who lets the desk go again shows again who they are: a signed-in person with the password in the body.

An API key may stop and never release: whoever has stolen one must not be able to start trading.
"""

from __future__ import annotations

from django.contrib.auth import authenticate
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request


def person_again(request: Request, password: str) -> None:
    """Raise unless a person is signed in and gave the own password. Failures count as at sign-in, and lock alike."""
    if request.auth is not None:
        raise PermissionDenied("an API key may not release: sign in and send your password")
    if not password:
        raise ValidationError({"password": "send your password again"})
    found = authenticate(request._request, username=request.user.get_username(), password=password)
    if found is None or found.pk != request.user.pk:
        raise ValidationError({"password": "that is not your password"})
