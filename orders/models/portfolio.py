"""Positions (derived from ledger entries, kept for fast reads) and equity over time."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from orders.models.account import Account

_AMOUNT = {"max_digits": 20, "decimal_places": 6}


class Position(models.Model):
    """What an account holds of one outcome. Written only together with its ledger entries (I8)."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="positions")
    outcome = models.ForeignKey("markets.Outcome", on_delete=models.PROTECT, related_name="+")
    size = models.DecimalField(**_AMOUNT, default=Decimal(0))
    confirmed_size = models.DecimalField(**_AMOUNT, default=Decimal(0))  # settled: may be sold, merged, redeemed
    reserved_size = models.DecimalField(**_AMOUNT, default=Decimal(0))  # promised to open sells
    cost = models.DecimalField(**_AMOUNT, default=Decimal(0))  # what the held shares cost, without fees
    realized = models.DecimalField(**_AMOUNT, default=Decimal(0))  # profit booked so far, fees not included
    fees = models.DecimalField(**_AMOUNT, default=Decimal(0))
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "outcome"], name="position_once"),
            models.CheckConstraint(condition=Q(size__gte=0), name="position_not_negative"),
            models.CheckConstraint(
                condition=Q(reserved_size__gte=0) & Q(reserved_size__lte=F("size")),
                name="position_reserved_within_size",
            ),
        ]


class PnlSnapshot(models.Model):
    """Equity of one account (and optionally one origin) at one minute."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="pnl")
    at = models.DateTimeField()
    cash = models.DecimalField(**_AMOUNT)
    positions_value = models.DecimalField(**_AMOUNT)
    equity = models.DecimalField(**_AMOUNT)
    realized = models.DecimalField(**_AMOUNT)
    unrealized = models.DecimalField(**_AMOUNT)
    fees = models.DecimalField(**_AMOUNT)
    unmarked = models.IntegerField(default=0)  # positions valued at cost because no fresh mark existed

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "at"], name="pnl_once")]
