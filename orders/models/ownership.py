"""Which process trades an account: one at a time, by a lease that its owner renews."""

from __future__ import annotations

from django.db import models

from orders.models.account import Account


class AccountLease(models.Model):
    """The trader that an account belongs to. Times are the database's, so that no two clocks are compared."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="lease")
    owner = models.CharField(max_length=120)  # host, process id and a random word
    taken_at = models.DateTimeField()  # what was reconciled before this was reconciled for somebody else
    lease_until = models.DateTimeField()
