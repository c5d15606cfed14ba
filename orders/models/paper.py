"""The simulated venue's own records: its truth, not ours.

The fills process owns these rows. Our orders, fills and ledger are reconciled
against them exactly as they are against a real venue.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from orders.models.account import Account

_AMOUNT = {"max_digits": 20, "decimal_places": 6}
_PRICE = {"max_digits": 8, "decimal_places": 6}


class PaperOrder(models.Model):
    """An order as the simulated venue holds it, with its place in the queue."""

    class State(models.TextChoices):
        LIVE = "live"
        FILLED = "filled"
        CANCELED = "canceled"
        EXPIRED = "expired"
        REJECTED = "rejected"

    venue_order_id = models.CharField(max_length=80, primary_key=True)  # "paper-" + client key
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    outcome = models.ForeignKey("markets.Outcome", on_delete=models.PROTECT, related_name="+")
    side = models.CharField(max_length=4)
    price = models.DecimalField(**_PRICE)
    size = models.DecimalField(**_AMOUNT)
    filled = models.DecimalField(**_AMOUNT, default=Decimal(0))
    order_type = models.CharField(max_length=3)
    post_only = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State.choices)
    reason = models.CharField(max_length=300, blank=True)
    queue_ahead = models.DecimalField(**_AMOUNT, default=Decimal(0))  # shares that trade before ours at this price
    slack = models.DecimalField(
        **_AMOUNT, default=Decimal(0)
    )  # a shrinkage that moved us and that no trade explained yet
    slack_ms = models.BigIntegerField(default=0)
    placed_at = models.DateTimeField()
    cursor = models.CharField(max_length=40)  # stream position at which it was last touched

    class Meta:
        indexes = [models.Index(fields=["state", "outcome"]), models.Index(fields=["account", "state"])]
        constraints = [models.CheckConstraint(condition=Q(filled__gte=0), name="paper_filled_not_negative")]


class PaperTrade(models.Model):
    """A fill the simulated venue made. The id is derived from order, cursor and number: a replay repeats it."""

    trade_id = models.CharField(max_length=120, primary_key=True)
    order = models.ForeignKey(PaperOrder, on_delete=models.PROTECT, related_name="trades")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=5)
    price = models.DecimalField(**_PRICE)
    size = models.DecimalField(**_AMOUNT)
    fee = models.DecimalField(**_AMOUNT)
    at = models.DateTimeField()
    inferred = models.BooleanField(default=False)  # filled against a trade that a replay deduced
    ingested = models.BooleanField(default=False)  # our side has booked it; a sweep finds what is not

    class Meta:
        indexes = [models.Index(fields=["ingested", "at"]), models.Index(fields=["account", "at"])]


class PaperCursor(models.Model):
    """How far the fills process has read the feed's ordered stream; moves in the transaction of its effects."""

    name = models.CharField(max_length=40, primary_key=True)
    cursor = models.CharField(max_length=40)
    epoch = models.CharField(max_length=40, blank=True)  # feed's stream identity; another one means a gap
    updated_at = models.DateTimeField()
