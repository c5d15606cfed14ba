"""What a reader may see: the accounts they own, or everything for staff."""

from __future__ import annotations

from django.http import HttpRequest

from polybot.dashboard.frame import desk_of


def account_ids(request: HttpRequest) -> list[int]:
    return [account.id for account in desk_of(request).accounts]


def account_scope(request: HttpRequest) -> list[int] | None:
    """Account ids for reads of the journal: None lets staff see everything."""
    return None if request.user.is_staff else account_ids(request)  # type: ignore[union-attr]
