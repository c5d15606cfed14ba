"""Configured strategies, their versions, runs, state and decisions."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class StrategyConfig(models.Model):
    """One strategy with its parameters on one account."""

    class State(models.TextChoices):
        DRAFT = "draft"
        RUNNING = "running"
        OBSERVE = "observe"  # decides and is judged, sends nothing
        PAUSED = "paused"
        STOPPED = "stopped"
        ERROR = "error"

    name = models.SlugField(max_length=80, unique=True)
    strategy_class = models.CharField(max_length=60)  # a name in strategies.library.registry
    account_id = models.BigIntegerField()
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="strategies")
    parameters = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    state_reason = models.CharField(max_length=240, blank=True)
    state_by = models.CharField(max_length=120, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    priority = models.IntegerField(default=0)
    interval_s = models.PositiveIntegerField(default=5)
    revision = models.BigIntegerField(default=1)  # counts every change: running processes reload when it moved
    # Written in batches, at most every few seconds: a tick that changed nothing writes nothing.
    ticked_at = models.DateTimeField(null=True, blank=True)
    last_outcome = models.CharField(max_length=200, blank=True)  # what the last tick came to, in words
    consecutive_errors = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["state"])]
        constraints = [
            models.CheckConstraint(condition=models.Q(interval_s__gte=1), name="strategy_interval_positive"),
        ]

    def __str__(self) -> str:
        return self.name


class StrategyVersion(models.Model):
    """Parameters as they were from one moment on."""

    strategy = models.ForeignKey(StrategyConfig, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    parameters = models.JSONField()
    by = models.CharField(max_length=120)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["strategy", "version"], name="strategy_version_once")]


class StrategyRun(models.Model):
    """From one start to one stop, with a snapshot of the parameters and counts."""

    strategy = models.ForeignKey(StrategyConfig, on_delete=models.CASCADE, related_name="runs")
    mode = models.CharField(max_length=10)  # running, observe
    version = models.PositiveIntegerField()
    parameters = models.JSONField()
    started_at = models.DateTimeField()
    started_by = models.CharField(max_length=120)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=240, blank=True)
    ticks = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    errors = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["strategy"], condition=models.Q(ended_at__isnull=True), name="strategy_one_open_run"
            ),
        ]
        indexes = [models.Index(fields=["strategy", "-id"])]


class StrategyState(models.Model):
    """What a strategy remembers between ticks."""

    strategy = models.OneToOneField(StrategyConfig, on_delete=models.CASCADE, related_name="memory")
    state = models.JSONField(default=dict)
    version = models.BigIntegerField(default=0)  # counts saves
    fill_cursor = models.BigIntegerField(default=0)  # the last own fill that `on_fill` was told
    resolved_cursor = models.DateTimeField(null=True, blank=True)  # likewise for `on_resolved`
    updated_at = models.DateTimeField()


class UniverseMember(models.Model):
    """Why a market is, or is not, watched by a strategy; refreshed at each sync."""

    strategy = models.ForeignKey(StrategyConfig, on_delete=models.CASCADE, related_name="universe")
    market_id = models.BigIntegerField()
    included = models.BooleanField()
    reason = models.CharField(max_length=160)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["strategy", "market_id"], name="universe_member_once")]


class Decision(models.Model):
    """One evaluation that changed what a strategy wants. Unchanged ones are counted on the run."""

    strategy = models.ForeignKey(StrategyConfig, on_delete=models.CASCADE, related_name="decisions")
    run = models.ForeignKey(StrategyRun, on_delete=models.CASCADE, related_name="decisions")
    at = models.DateTimeField()
    version = models.PositiveIntegerField()
    trigger = models.CharField(max_length=20)  # interval, book, trade, fill, resolution
    books = models.JSONField(default=dict)  # outcome id -> book sequence seen
    account_version = models.BigIntegerField(default=0)
    wanted_hash = models.CharField(max_length=64)
    wanted = models.JSONField(default=list)
    trace = models.JSONField(default=list)  # [{outcome_id, gate, value, threshold, passed}]
    outcome = models.CharField(max_length=200, blank=True)  # in words
    took_us = models.IntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["strategy", "-id"])]


class GateCount(models.Model):
    """How often a gate blocked, per strategy and hour: the funnel."""

    strategy = models.ForeignKey(StrategyConfig, on_delete=models.CASCADE, related_name="gate_counts")
    hour = models.DateTimeField()
    gate = models.CharField(max_length=60)
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["strategy", "hour", "gate"], name="gate_count_once")]
