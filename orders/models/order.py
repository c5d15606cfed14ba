"""Orders and their fills."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from markets.domain.instruments import Side
from orders.domain.intents import OrderType, OriginKind
from orders.domain.lifecycle import OrderState
from orders.models.account import Account

_PRICE = {"max_digits": 8, "decimal_places": 6}
_AMOUNT = {"max_digits": 20, "decimal_places": 6}


class Order(models.Model):
    """One wanted order, from approval to its end. `client_key` is its identity (I1)."""

    client_key = models.UUIDField(unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="orders")
    market = models.ForeignKey("markets.Market", on_delete=models.PROTECT, related_name="+")
    outcome = models.ForeignKey("markets.Outcome", on_delete=models.PROTECT, related_name="+")
    side = models.CharField(max_length=4, choices=[(s, s) for s in Side])
    price = models.DecimalField(**_PRICE)
    size = models.DecimalField(**_AMOUNT)
    filled_size = models.DecimalField(**_AMOUNT, default=Decimal(0))
    order_type = models.CharField(max_length=3, choices=[(t, t) for t in OrderType])
    post_only = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=12, choices=[(s, s) for s in OrderState], default=OrderState.NEW)
    state_reason = models.CharField(max_length=300, blank=True)
    venue_order_id = models.CharField(max_length=80, null=True, blank=True, unique=True)
    reserved = models.DecimalField(**_AMOUNT, default=Decimal(0))  # dollars for a buy, shares for a sell
    # Who wanted it, as values; nothing here points to a table of a higher stage.
    origin_kind = models.CharField(max_length=10, choices=[(k, k) for k in OriginKind])
    origin_id = models.BigIntegerField()
    origin_label = models.CharField(max_length=120)
    origin_run_id = models.BigIntegerField(default=0)
    decision_id = models.BigIntegerField(default=0)
    verdict_id = models.BigIntegerField(default=0)
    level = models.SmallIntegerField(default=0)
    fair_value = models.DecimalField(**_PRICE, null=True, blank=True)
    reason = models.CharField(max_length=240, blank=True)
    replaces = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaced_by")
    plan = models.ForeignKey(
        "orders.ExecutionPlan", on_delete=models.PROTECT, null=True, blank=True, related_name="orders"
    )
    plan_leg = models.ForeignKey("orders.PlanLeg", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_reason = models.CharField(max_length=120, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    attempts = models.IntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    max_age_s = models.IntegerField(default=60)  # not sent later than this after created_at

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(price__gt=0) & Q(price__lt=1), name="order_price_range"),
            models.CheckConstraint(condition=Q(size__gt=0), name="order_size_positive"),
            models.CheckConstraint(
                condition=Q(filled_size__gte=0) & Q(filled_size__lte=F("size") + 0.01), name="order_filled_within_size"
            ),
            models.CheckConstraint(condition=Q(reserved__gte=0), name="order_reserved_not_negative"),
        ]
        indexes = [
            models.Index(fields=["account", "state"]),
            models.Index(fields=["outcome", "state"]),
            models.Index(fields=["origin_kind", "origin_id", "-id"]),
            models.Index(fields=["state", "created_at"]),
        ]


class Fill(models.Model):
    """Our leg of one venue trade. Unique on (trade, order, role); a failed one is voided once, never deleted."""

    class Settlement(models.TextChoices):
        MATCHED = "matched"
        MINED = "mined"
        CONFIRMED = "confirmed"
        RETRYING = "retrying"
        FAILED = "failed"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="fills")
    outcome = models.ForeignKey("markets.Outcome", on_delete=models.PROTECT, related_name="+")
    venue_trade_id = models.CharField(max_length=80)
    role = models.CharField(max_length=5, choices=[("maker", "maker"), ("taker", "taker")])
    side = models.CharField(max_length=4, choices=[(s, s) for s in Side])
    price = models.DecimalField(**_PRICE)
    size = models.DecimalField(**_AMOUNT)
    fee = models.DecimalField(**_AMOUNT, default=Decimal(0))
    dollars = models.DecimalField(**_AMOUNT, null=True, blank=True)  # as the venue cleared it; null: price times size
    settlement = models.CharField(max_length=10, choices=Settlement.choices, default=Settlement.MATCHED)
    voided = models.BooleanField(default=False)
    venue_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    transaction_hash = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["venue_trade_id", "order", "role"], name="fill_once"),
            models.CheckConstraint(condition=Q(size__gt=0), name="fill_size_positive"),
            models.CheckConstraint(condition=Q(fee__gte=0), name="fill_fee_not_negative"),
        ]
        indexes = [models.Index(fields=["account", "-id"]), models.Index(fields=["outcome", "-id"])]
