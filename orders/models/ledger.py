"""The double-entry ledger. Every transaction's entries sum to zero per asset (I9)."""

from __future__ import annotations

from decimal import Decimal

from django.db import models

from orders.models.account import Account


class LedgerTransaction(models.Model):
    """One economic fact: a deposit, a fill, a void, a resolution. `reference` makes it happen once."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="ledger")
    kind = models.CharField(max_length=20)  # opening, fill, void, fee, redeem, split, merge, rebate, reward, transfer
    reference = models.CharField(max_length=120)  # "fill:12", "resolution:7" …
    at = models.DateTimeField()
    memo = models.CharField(max_length=240, blank=True)
    realized = models.DecimalField(
        max_digits=20, decimal_places=6, default=Decimal(0)
    )  # profit this fact booked, fees apart

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "kind", "reference"], name="ledger_fact_once")]
        indexes = [models.Index(fields=["account", "-id"]), models.Index(fields=["account", "at"])]


class LedgerEntry(models.Model):
    """One leg. `asset` is "usd" or "outcome:<id>"; `book` says whose pocket: ours, or the counter side."""

    class Book(models.TextChoices):
        OWN = "own"  # what the account holds
        MARKET = "market"  # the other side of trades
        FEES = "fees"
        CAPITAL = "capital"  # deposits and withdrawals
        SETTLEMENT = "settlement"  # resolutions, splits, merges
        REWARDS = "rewards"

    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="entries")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    asset = models.CharField(max_length=30)
    book = models.CharField(max_length=12, choices=Book.choices)
    amount = models.DecimalField(max_digits=20, decimal_places=6)

    class Meta:
        indexes = [models.Index(fields=["account", "asset", "book"])]
