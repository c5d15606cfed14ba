"""One backtest that was asked for: the request, how far it is, what it came to, and what it stood on.

Money is in dollars, progress a share of 1. Postgres is the queue: a message only says that somebody should look.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

_USD = {"max_digits": 20, "decimal_places": 6, "null": True, "blank": True}


class BacktestRun(models.Model):
    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELED = "canceled"

    # What is asked. The request alone decides the result, on equal code, data and limits.
    name = models.CharField(max_length=120, blank=True)
    by = models.CharField(max_length=120)
    tags = models.JSONField(default=list, blank=True)  # lower-case words
    notes = models.TextField(blank=True)
    strategy = models.CharField(max_length=60)  # as in the request, for lists
    mode = models.CharField(max_length=10)
    seed = models.BigIntegerField()
    request = models.JSONField()
    request_digest = models.CharField(max_length=64)
    limits = models.JSONField()  # the risk profile as it was when the run was asked for
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="reruns")
    differences = models.JSONField(default=list, blank=True)  # of a rerun: what is not as it was for the parent

    # How far it is. `token` fences off a worker that was given up: only its holder may write.
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    progress = models.FloatField(default=0.0)
    words = models.CharField(max_length=200, blank=True)  # what it is doing
    beat_at = models.DateTimeField(null=True, blank=True)  # last sign of life of its worker
    sent_at = models.DateTimeField(null=True, blank=True)  # last message to the queue
    token = models.UUIDField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)  # host, process id and the process's start
    attempts = models.PositiveIntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_by = models.CharField(max_length=120, blank=True)

    # What it came to. A failed or cancelled run keeps what it had: `partial` says that the data did not end.
    partial = models.BooleanField(default=False)
    error = models.TextField(blank=True)
    data = models.JSONField(default=list, blank=True)  # the tapes replayed, with digest, rows and fidelity
    data_digest = models.CharField(max_length=64, blank=True)
    code = models.CharField(max_length=120, blank=True)  # version and commit, in words
    code_digest = models.CharField(max_length=64, blank=True)  # of every file that can change a result
    events = models.BigIntegerField(null=True, blank=True)
    replay_s = models.FloatField(null=True, blank=True)  # seconds the main replay took, without bands and report
    orders = models.IntegerField(null=True, blank=True)
    fills = models.IntegerField(null=True, blank=True)
    cash = models.DecimalField(**_USD)
    pnl = models.DecimalField(**_USD)
    fees = models.DecimalField(**_USD)
    rebates = models.DecimalField(**_USD)
    equity_end = models.DecimalField(**_USD)
    result_digest = models.CharField(max_length=64, blank=True)
    report = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state"], condition=Q(state__in=["queued", "running"]), name="backtest_unfinished"),
            models.Index(fields=["request_digest"], name="backtest_request"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(progress__gte=0, progress__lte=1), name="backtest_progress_is_a_share"),
            models.CheckConstraint(
                condition=Q(state="running", token__isnull=False) | (~Q(state="running") & Q(token__isnull=True)),
                name="backtest_token_while_running",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], ended_at__isnull=True)
                | Q(state__in=["done", "failed", "canceled"], ended_at__isnull=False),
                name="backtest_ended_when_over",
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"backtest {self.pk}"

    @property
    def is_over(self) -> bool:
        return self.state not in (self.State.QUEUED, self.State.RUNNING)
