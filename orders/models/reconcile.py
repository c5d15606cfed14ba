"""Reconciliations and what they found."""

from __future__ import annotations

from django.db import models

from orders.models.account import Account


class ReconcileRun(models.Model):
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="reconciliations")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    clean = models.BooleanField(default=False)
    orders_compared = models.IntegerField(default=0)
    fills_compared = models.IntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    # The ledger against the venue's balances. Quiescent: nothing was in flight for 30 s, so they must be equal.
    quiescent = models.BooleanField(default=False)
    cash_ours = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    cash_theirs = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    open_items = models.JSONField(default=list)  # what explains a difference while something is in flight

    class Meta:
        indexes = [models.Index(fields=["account", "-id"])]


class Discrepancy(models.Model):
    """One difference between our records and the venue's, and what was done about it."""

    run = models.ForeignKey(ReconcileRun, on_delete=models.PROTECT, related_name="discrepancies")
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=120)
    ours = models.CharField(max_length=200, blank=True)
    theirs = models.CharField(max_length=200, blank=True)
    repaired = models.BooleanField(default=False)
    repair = models.CharField(max_length=240, blank=True)
    cause = models.CharField(max_length=240, blank=True)  # our best explanation, in words
    closed_at = models.DateTimeField(null=True, blank=True)  # a person dealt with it
    closed_by = models.CharField(max_length=120, blank=True)
