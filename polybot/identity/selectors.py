"""Reads of people and their keys, for pages that may not load any service."""

from __future__ import annotations

from django.db.models import QuerySet

from polybot.identity.models import ApiKey, User

SCOPES = ("read", "trade", "admin")


def key_rows(user: User) -> QuerySet[ApiKey]:
    """Return a person's keys, live ones first."""
    return ApiKey.objects.filter(user=user).order_by("revoked_at", "-created_at")


def user_get(user_id: int) -> User | None:
    return User.objects.filter(pk=user_id).first()
