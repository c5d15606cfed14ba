"""Whose events a caller may read. Accounts belong to higher stages, so one of them brings the answer.

Until somebody registers, people who are not staff see only what belongs to no account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

AccountsOf = Callable[[int], Iterable[int]]  # a person's id -> ids of the accounts they own
_registered: list[AccountsOf] = []


def accounts_register(accounts_of: AccountsOf) -> None:
    """Say how a person's accounts are found. The last one counts."""
    _registered[:] = [accounts_of]


def account_ids(request: Request) -> list[int] | None:
    """Return the accounts whose events the caller may read; None means every one (staff)."""
    if request.user.is_staff:
        return None
    return [account_id for accounts_of in _registered for account_id in accounts_of(request.user.pk or 0)]


def staff_only(request: Request) -> None:
    """Raise PermissionDenied unless the caller is staff."""
    if not request.user.is_staff:
        raise PermissionDenied("rules and channels speak for the whole desk: only staff change them")
