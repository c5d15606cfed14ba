"""Limits, verdicts and halts: what the gate may allow, what it said, and what was stopped."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models

from risk.domain.verdicts import Decision

_USD = {"max_digits": 20, "decimal_places": 6}
MUST_BE_POSITIVE = (
    "account_exposure", "market_exposure", "event_exposure", "strategy_exposure", "order_size", "open_orders",
    "open_positions", "daily_loss", "drawdown_stop_bps", "drawdown_kill_bps", "orders_per_minute", "metadata_age_s",
)  # fmt: skip


class RiskProfile(models.Model):
    """A named set of limits. Amounts in dollars, ratios in basis points, times in seconds."""

    name = models.SlugField(max_length=40, unique=True)
    account_exposure = models.DecimalField(**_USD)
    market_exposure = models.DecimalField(**_USD)
    event_exposure = models.DecimalField(**_USD)
    strategy_exposure = models.DecimalField(**_USD)
    order_size = models.DecimalField(**_USD)  # dollars at most in one order
    order_minimum = models.DecimalField(**_USD, default=1)
    open_orders = models.PositiveIntegerField()
    open_positions = models.PositiveIntegerField()
    daily_loss = models.DecimalField(**_USD)
    drawdown_stop_bps = models.PositiveIntegerField()
    drawdown_kill_bps = models.PositiveIntegerField()
    slippage_bps = models.PositiveIntegerField()
    kelly_fraction_bps = models.PositiveIntegerField(default=2500)
    orders_per_minute = models.PositiveIntegerField(default=60)
    minimum_seconds_to_close = models.PositiveIntegerField(default=900)
    # The catalogue is synced each minute: 180 s lets two syncs be missed before entries stop.
    metadata_age_s = models.PositiveIntegerField(default=180)
    minimum_liquidity = models.DecimalField(**_USD, default=0)  # dollars resting in a market; 0: any
    minimum_volume_24h = models.DecimalField(**_USD, default=0)  # dollars traded within a day; 0: any

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(**{f"{name}__gt": 0 for name in MUST_BE_POSITIVE}), name="profile_limits_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(minimum_liquidity__gte=0, minimum_volume_24h__gte=0, order_minimum__gte=0),
                name="profile_floors_not_negative",
            ),
        ]

    def clean(self) -> None:
        """Refuse zero: the gate would refuse every order, while a watch at zero would never look."""
        wrong = {
            name: "must be above 0: a limit of 0 refuses every order; to stop an account, halt it"
            for name in MUST_BE_POSITIVE
            if (getattr(self, name) or 0) <= 0
        }
        if wrong:
            raise ValidationError(wrong)

    def __str__(self) -> str:
        return self.name


class AccountLimits(models.Model):
    """Which profile an account uses. No row: the gate refuses everything on that account."""

    account_id = models.BigIntegerField(unique=True)
    profile = models.ForeignKey(RiskProfile, on_delete=models.PROTECT)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "account limits"

    def __str__(self) -> str:
        return f"account {self.account_id}: {self.profile}"


class OriginLimits(models.Model):
    """Tighter limits for one strategy; a looser value than the account's profile has no effect."""

    origin_kind = models.CharField(max_length=10)
    origin_id = models.BigIntegerField()
    exposure = models.DecimalField(**_USD, null=True, blank=True)
    order_size = models.DecimalField(**_USD, null=True, blank=True)
    open_orders = models.PositiveIntegerField(null=True, blank=True)
    daily_loss = models.DecimalField(**_USD, null=True, blank=True)

    class Meta:
        verbose_name_plural = "origin limits"
        constraints = [models.UniqueConstraint(fields=["origin_kind", "origin_id"], name="origin_limits_once")]

    def __str__(self) -> str:
        return f"{self.origin_kind} {self.origin_id}"


class RiskVerdict(models.Model):
    """What the gate said about one placement, with every rule's numbers.

    A refusal (or an observed wish) that only repeats the last one of its origin, outcome and side,
    with the same rule, price and size, is not stored again within a minute: `repeats` counts it.
    """

    Decision = Decision

    client_key = models.UUIDField(unique=True)
    account_id = models.BigIntegerField()
    environment = models.CharField(max_length=8)
    at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=[(d, d) for d in Decision])
    rule = models.CharField(max_length=40, blank=True)  # the first rule that refused, or the one that shrank
    message = models.CharField(max_length=300, blank=True)
    market_id = models.BigIntegerField()
    outcome_id = models.BigIntegerField()
    side = models.CharField(max_length=4)
    level = models.SmallIntegerField(default=0)
    price = models.DecimalField(max_digits=8, decimal_places=6)
    asked_size = models.DecimalField(**_USD)
    allowed_size = models.DecimalField(**_USD)
    origin_kind = models.CharField(max_length=10)
    origin_id = models.BigIntegerField()
    origin_label = models.CharField(max_length=120)
    decision_id = models.BigIntegerField(default=0)
    order_id = models.BigIntegerField(null=True, blank=True)
    by = models.CharField(max_length=120, blank=True)  # the person, for a manual order
    checks = models.JSONField(default=list)  # [{rule, passed, value, limit, unit, note, allowed_size}], millionths
    repeats = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()  # when it was said last, repeats included

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "-id"]),
            models.Index(fields=["origin_kind", "origin_id", "-id"]),
            models.Index(fields=["rule", "-id"]),
            models.Index(fields=["order_id"]),
        ]

    def __str__(self) -> str:
        return f"{self.decision} {self.side} {self.asked_size} at {self.price}"


class Halt(models.Model):
    """A stop that somebody or something ordered, until it is lifted.

    An account's trading state is the strictest of its open halts. `cause` tells halts apart, so that
    a recovery lifts its own and leaves the others.
    """

    class Kind(models.TextChoices):
        REDUCE_ONLY = "reduce_only"
        HALTED = "halted"
        KILL = "kill"

    account_id = models.BigIntegerField(null=True, blank=True)  # null: the whole installation
    kind = models.CharField(max_length=12, choices=Kind.choices)
    cause = models.CharField(max_length=20, default="manual")  # risk.domain.watch.Cause
    reason = models.CharField(max_length=240)
    by = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "cause", "kind"],
                condition=models.Q(lifted_at__isnull=True),
                nulls_distinct=False,
                name="halt_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.cause}): {self.reason}"
