"""API keys: found by their secret only, never stored in clear, dead once revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import AuditEvent
from polybot.identity import keys
from polybot.identity.keys import KeyRefused
from polybot.identity.models import ApiKey
from tests.factories.desk import people_make


@pytest.fixture
def owner(db: None) -> Any:
    return people_make()[1]


def test_a_key_is_found_by_its_secret_and_stored_as_a_digest(owner: Any) -> None:
    key, secret = keys.key_create(owner, name="script", scopes=["trade", "read"])
    assert keys.key_find(secret) == key and key.scopes == ["read", "trade"]
    assert secret.startswith(key.prefix) and len(secret) == 43
    stored = " ".join(str(value) for value in ApiKey.objects.values_list().get())
    assert secret not in stored and secret[len(key.prefix) :] not in stored
    written = AuditEvent.objects.get(kind="auth.key_created")
    assert secret not in str(written.payload) + written.message


@pytest.mark.parametrize("wrong", ["", "pb_", "pb_nothing", "x" * 43, "pb_" + "a" * 500])
def test_any_other_text_finds_nothing(owner: Any, wrong: str) -> None:
    keys.key_create(owner, name="script", scopes=["read"])
    assert keys.key_find(wrong) is None


def test_a_revoked_key_and_a_person_who_left_find_nothing(owner: Any) -> None:
    key, secret = keys.key_create(owner, name="script", scopes=["read"])
    owner.is_active = False
    owner.save()
    assert keys.key_find(secret) is None
    owner.is_active = True
    owner.save()
    keys.key_revoke(key.pk, by=owner)
    keys.key_revoke(key.pk, by=owner)
    assert keys.key_find(secret) is None
    assert AuditEvent.objects.filter(kind="auth.key_revoked").count() == 1


def test_use_is_noted_at_most_once_a_minute(owner: Any) -> None:
    key, secret = keys.key_create(owner, name="script", scopes=["read"])
    now = timezone.now()
    keys.key_find(secret, now=now)
    keys.key_find(secret, now=now + timedelta(seconds=30))
    assert ApiKey.objects.get(pk=key.pk).last_used_at == now
    keys.key_find(secret, now=now + timedelta(seconds=90))
    assert ApiKey.objects.get(pk=key.pk).last_used_at == now + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("name", "scopes", "words"),
    [("", ["read"], "name"), ("x", [], "scope"), ("x", ["root"], "scope"), ("x", ["admin"], "only staff")],
)
def test_a_key_that_makes_no_sense_is_refused(owner: Any, name: str, scopes: list[str], words: str) -> None:
    with pytest.raises(KeyRefused, match=words):
        keys.key_create(owner, name=name, scopes=scopes)
