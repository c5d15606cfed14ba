"""Execution plans: what the gate approved once, for several orders (chase, slices, legs, unwinding, flattening)."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from markets.domain.instruments import Side
from orders.domain.intents import OriginKind
from orders.models.account import Account

_PRICE = {"max_digits": 8, "decimal_places": 6}
_AMOUNT = {"max_digits": 20, "decimal_places": 6}


class ExecutionPlan(models.Model):
    """The envelope of a plan. `orders.services.children` makes orders inside it and refuses any outside."""

    class Kind(models.TextChoices):
        CHASE = "chase"
        TWAP = "twap"
        BASKET = "basket"
        UNWIND = "unwind"
        EXIT = "exit"
        FLATTEN = "flatten"
        REPLACE = "replace"

    class State(models.TextChoices):
        ACTIVE = "active"
        UNWINDING = "unwinding"
        DONE = "done"
        CANCELED = "canceled"
        EXPIRED = "expired"
        FAILED = "failed"

    key = models.UUIDField(unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="plans")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    state_reason = models.CharField(max_length=240, blank=True)
    max_cost = models.DecimalField(**_AMOUNT)  # dollars that all its buys may cost together, fees included
    committed = models.DecimalField(**_AMOUNT, default=Decimal(0))  # of `max_cost`: filled, open and unknown
    max_loss = models.DecimalField(**_AMOUNT)
    unwind_bound = models.DecimalField(**_AMOUNT, default=Decimal(0))  # dollars that undoing filled legs may lose
    expires_at = models.DateTimeField()
    next_due_at = models.DateTimeField(null=True, blank=True)
    parameters = models.JSONField(default=dict)
    progress = models.JSONField(default=dict)
    origin_kind = models.CharField(max_length=10, choices=[(k, k) for k in OriginKind])
    origin_id = models.BigIntegerField()
    origin_label = models.CharField(max_length=120)
    origin_run_id = models.BigIntegerField(default=0)
    decision_id = models.BigIntegerField(default=0)
    verdict_id = models.BigIntegerField(default=0)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    reason = models.CharField(max_length=240, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(committed__gte=0) & Q(committed__lte=F("max_cost")), name="plan_within_cost"
            ),
        ]
        indexes = [models.Index(fields=["state", "next_due_at"]), models.Index(fields=["account", "state"])]


class PlanLeg(models.Model):
    """One outcome and side of a plan. `ordered` counts filled, open and unknown size; it never passes `size`."""

    plan = models.ForeignKey(ExecutionPlan, on_delete=models.PROTECT, related_name="legs")
    number = models.SmallIntegerField(default=0)
    market = models.ForeignKey("markets.Market", on_delete=models.PROTECT, related_name="+")
    outcome = models.ForeignKey("markets.Outcome", on_delete=models.PROTECT, related_name="+")
    side = models.CharField(max_length=4, choices=[(s, s) for s in Side])
    size = models.DecimalField(**_AMOUNT)
    worst_price = models.DecimalField(**_PRICE)
    ordered = models.DecimalField(**_AMOUNT, default=Decimal(0))
    filled = models.DecimalField(**_AMOUNT, default=Decimal(0))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "number"], name="plan_leg_once"),
            models.CheckConstraint(condition=Q(size__gt=0), name="plan_leg_size_positive"),
            models.CheckConstraint(condition=Q(ordered__gte=0) & Q(ordered__lte=F("size")), name="plan_leg_within"),
        ]
