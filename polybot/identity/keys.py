"""API keys: made, found, revoked. A key is shown once; only its SHA-256 is stored.

`pb_` + 8 characters that name it + 32 random ones; 190 bits of randomness need no slow hash.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from alerts.services import journal
from polybot.identity.models import ApiKey, User
from polybot.identity.selectors import SCOPES

MARK = "pb_"
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
_USED_EVERY = timedelta(minutes=1)


class KeyRefused(ValueError):
    """The key cannot be made like this; the message says what to change."""


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@transaction.atomic
def key_create(user: User, *, name: str, scopes: list[str]) -> tuple[ApiKey, str]:
    """Return the stored key and its secret, which is never readable again."""
    wanted = [scope for scope in SCOPES if scope in scopes]
    if not name.strip():
        raise KeyRefused("give the key a name that says what will use it")
    if not wanted or set(scopes) - set(SCOPES):
        raise KeyRefused(f"choose at least one scope of {', '.join(SCOPES)}")
    if "admin" in wanted and not user.is_staff:
        raise KeyRefused("only staff can make a key with the admin scope")
    prefix = MARK + "".join(secrets.choice(_ALPHABET) for _ in range(8))
    secret = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(32))
    key = ApiKey.objects.create(
        user=user, name=name.strip()[:80], prefix=prefix, key_hash=_digest(secret), scopes=wanted
    )
    journal.event_record(
        "auth.key_created",
        f"{user.username} made the API key {key.prefix}… ({', '.join(wanted)})",
        stream="auth",
        subject_kind="api_key",
        subject_id=str(key.pk),
        subject_label=key.name,
        actor=user.username,
        payload={"prefix": key.prefix, "scopes": wanted},
    )
    return key, secret


@transaction.atomic
def key_revoke(key_id: int, *, by: User) -> ApiKey:
    """End a key at once. Revoking twice changes nothing. Raises ApiKey.DoesNotExist for a stranger's key."""
    keys = ApiKey.objects.select_for_update().filter(pk=key_id)
    key = keys.get() if by.is_staff else keys.get(user=by)
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
        journal.event_record(
            "auth.key_revoked",
            f"{by.username} revoked the API key {key.prefix}…",
            stream="auth",
            subject_kind="api_key",
            subject_id=str(key.pk),
            subject_label=key.name,
            actor=by.username,
            payload={"prefix": key.prefix},
        )
    return key


def key_find(secret: str, *, now: datetime | None = None) -> ApiKey | None:
    """Return the live key behind a secret, or None. Its last use is noted at most once a minute."""
    if not secret.startswith(MARK) or len(secret) > 100:
        return None
    key = (
        ApiKey.objects.select_related("user")
        .filter(key_hash=_digest(secret), revoked_at__isnull=True, user__is_active=True)
        .first()
    )
    if key is None:
        return None
    now = now or timezone.now()
    if key.last_used_at is None or now - key.last_used_at > _USED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key
