"""Accounts own money; the kill switch stops all of them."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from markets.domain.instruments import Venue
from orders.domain.lifecycle import Environment, TradingState

_USD = {"max_digits": 20, "decimal_places": 6}


class Account(models.Model):
    """One pot of money at one venue in one environment.

    `cash` and `reserved_cash` are kept in the transaction of the ledger entries and
    reservations that change them; the ledger is the truth and a check compares them.
    """

    name = models.CharField(max_length=80, unique=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="accounts")
    venue = models.CharField(max_length=20, choices=[(v, v) for v in Venue])
    environment = models.CharField(max_length=8, choices=[(e, e) for e in Environment])
    wallet_address = models.CharField(max_length=42, blank=True)  # where the money is
    signer_address = models.CharField(max_length=42, blank=True)  # the key's own account
    wallet_kind = models.CharField(max_length=16, blank=True)  # eoa, proxy, safe, deposit_beacon, deposit_uups
    connection = models.CharField(
        max_length=12,
        choices=[(word, word) for word in ("none", "connecting", "ready", "failed", "away")],
        default="none",  # paper accounts stay here
    )
    home = models.CharField(max_length=40, blank=True)  # the exchange that knows the wallet; elsewhere it is away
    connection_note = models.CharField(max_length=300, blank=True)
    builder_code = models.CharField(max_length=66, blank=True)
    batch_orders = models.BooleanField(default=False)  # several orders in one request
    merge_sets = models.BooleanField(default=False)  # complete sets become dollars again by themselves
    trading_state = models.CharField(max_length=12, choices=[(s, s) for s in TradingState], default=TradingState.ACTIVE)
    trading_state_reason = models.CharField(max_length=240, blank=True)
    auto_trade = models.BooleanField(default=True)  # master switch of automatic orders
    on_stop = models.CharField(
        max_length=16,
        choices=[("cancel_all", "cancel all"), ("cancel_quotes", "cancel quotes"), ("leave", "leave orders")],
        default="cancel_all",
    )
    cash = models.DecimalField(**_USD, default=Decimal(0))
    reserved_cash = models.DecimalField(**_USD, default=Decimal(0))
    opening_cash = models.DecimalField(**_USD, default=Decimal(0))
    play_money = models.DecimalField(**_USD, default=Decimal(0))  # sandbox: what the wallet should open with
    peak_equity = models.DecimalField(**_USD, default=Decimal(0))
    reconciled_at = models.DateTimeField(null=True, blank=True)  # last clean reconciliation
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(cash__gte=0), name="account_cash_not_negative"),
            models.CheckConstraint(
                condition=Q(reserved_cash__gte=0) & Q(reserved_cash__lte=F("cash")), name="account_reserved_within_cash"
            ),
            # Two accounts on one wallet would take each other's orders for foreign ones.
            models.UniqueConstraint(
                fields=["venue", "environment", "wallet_address"],
                condition=~Q(wallet_address=""),
                name="account_one_per_wallet",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.environment})"


class KillSwitch(models.Model):
    """A single row. Set means no order leaves; read FOR SHARE before every send (I13). Sticky."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    killed = models.BooleanField(default=False)
    reason = models.CharField(max_length=240, blank=True)
    by = models.CharField(max_length=120, blank=True)
    at = models.DateTimeField(null=True, blank=True)
    empty_reads = models.IntegerField(default=0)  # consecutive reads that saw no open order at the venue
    empty_since = models.DateTimeField(null=True, blank=True)  # the first of them
    confirmed_at = models.DateTimeField(null=True, blank=True)  # nothing rests anywhere and nothing can still arrive
