"""Sealed secrets, who they belong to, and the permits that live trading needs.

A secret is sealed with a public key whose private half is a file of one process: `trader`
keys sign, `stream` keys only listen. Nothing here can be read back by a process without its file (I17).
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from orders.models.account import Account


class SealingKey(models.Model):
    """The public half of a sealing key. `id` is the fingerprint that sealed secrets name."""

    class Purpose(models.TextChoices):
        TRADER = "trader"  # opens private keys; held by the trader alone
        STREAM = "stream"  # opens API credentials; held by the trader and the fills process

    id = models.CharField(primary_key=True, max_length=16)
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    public_key = models.CharField(max_length=64)  # 32 bytes, hexadecimal
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["purpose"], condition=Q(retired_at=None), name="sealing_key_one_current")
        ]


class Secret(models.Model):
    """One sealed secret of an account. `public` is what may be shown of it: an address, a key id."""

    class Kind(models.TextChoices):
        PRIVATE_KEY = "private_key"
        SESSION_KEY = "session_key"  # of a deposit wallet; unverified against the venue
        API_CREDENTIALS = "api_credentials"
        RELAYER_KEY = "relayer_key"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="secrets")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    sealed = models.BinaryField()
    sealing_key = models.ForeignKey(SealingKey, on_delete=models.PROTECT, related_name="+")
    public = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=120, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind"], condition=Q(retired_at=None), name="secret_one_of_a_kind"
            )
        ]


class LivePermit(models.Model):
    """One link of the live approval chain (I11). All three must stand before an order leaves with real money."""

    class Scope(models.TextChoices):
        INSTALLATION = "installation"  # subject 0
        ACCOUNT = "account"
        STRATEGY = "strategy"

    scope = models.CharField(max_length=12, choices=Scope.choices)
    subject_id = models.BigIntegerField(default=0)
    subject_label = models.CharField(max_length=120, blank=True)
    reason = models.CharField(max_length=240)
    granted_by = models.CharField(max_length=120)
    granted_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "subject_id"], condition=Q(revoked_at=None), name="live_permit_once"
            )
        ]
