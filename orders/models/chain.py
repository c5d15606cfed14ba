"""Transactions of an account outside the book: redeem, split, merge, convert, approve, transfer."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from orders.models.account import Account


class ChainAction(models.Model):
    """One wish for a transaction. Its hash or its request is stored before anything is broadcast."""

    class Kind(models.TextChoices):
        REDEEM = "redeem"
        SPLIT = "split"
        MERGE = "merge"
        CONVERT = "convert"
        APPROVE = "approve"
        TRANSFER = "transfer"

    class Route(models.TextChoices):
        RELAYER = "relayer"  # proxy, Safe, deposit wallet
        TRANSACTION = "transaction"  # the key's own account, over JSON-RPC

    class State(models.TextChoices):
        PREVIEW = "preview"  # shown to a person, not yet agreed to
        WANTED = "wanted"
        SIGNED = "signed"
        SENDING = "sending"
        UNKNOWN = "unknown"
        PENDING = "pending"  # the chain or the relayer has it
        CONFIRMED = "confirmed"
        FAILED = "failed"
        CANCELED = "canceled"  # never sent

    key = models.CharField(max_length=120, unique=True)  # "redeem:3:0x…": the same wish again is the same row
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="chain_actions")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    route = models.CharField(max_length=12, choices=Route.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WANTED)
    state_reason = models.CharField(max_length=300, blank=True)
    market = models.ForeignKey("markets.Market", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    amount = models.DecimalField(max_digits=20, decimal_places=6, default=0)  # shares; dollars for a transfer
    calls = models.JSONField(default=list)  # what is called: contract, data, in order
    expected = models.JSONField(default=dict)  # what it should change, shown in the preview and booked when confirmed
    nonce = models.BigIntegerField(null=True, blank=True)
    body = models.TextField(blank=True)  # the signed request or raw transaction
    transaction_hash = models.CharField(max_length=66, null=True, blank=True, unique=True)
    relayer_id = models.CharField(max_length=80, blank=True)
    attempts = models.IntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    requested_by = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "nonce"],
                condition=Q(route="transaction") & ~Q(nonce=None),
                name="chain_nonce_once",
            )
        ]
        indexes = [models.Index(fields=["account", "state"]), models.Index(fields=["state", "created_at"])]


class AllowanceCheck(models.Model):
    """What the venue's contracts may take from a wallet, as the chain last said."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="allowances")
    found = models.JSONField(default=list)  # per grant: token, spender, is_operator, what_for, amount (millionths)
    at = models.DateTimeField()
    error = models.CharField(max_length=240, blank=True)
