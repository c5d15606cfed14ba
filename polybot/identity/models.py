"""People and their API keys. A custom user from the first migration, so that it can grow."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """Somebody who may sign in. Owns accounts; `time_zone` only changes how times are shown."""

    time_zone = models.CharField(max_length=64, default="UTC")


class ApiKey(models.Model):
    """A revocable key for the REST API. Only the hash is stored; the key is shown once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, unique=True)
    key_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)  # of: read, trade, admin
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class IdempotentRequest(models.Model):
    """One write that came with an Idempotency-Key: the first answer is kept and repeated, the work is not."""

    caller = models.CharField(max_length=64)  # digest of the credential that sent it
    key = models.CharField(max_length=100)
    fingerprint = models.CharField(max_length=64)  # digest of method, address and body
    started_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)  # null: not answered yet
    body = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="idempotent_request_once")]
        indexes = [models.Index(fields=["started_at"])]
