"""A recorded run held against its replay: the question, and what came of it as plain values."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class ParityRun(models.Model):
    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    strategy_run_id = models.BigIntegerField()  # of strategies; no foreign key spans the apps' tables
    strategy_label = models.CharField(max_length=120)
    account_id = models.BigIntegerField()
    by = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    holds = models.BooleanField(null=True, blank=True)  # every decision and every fill was the same
    error = models.TextField(blank=True)
    result = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], ended_at__isnull=True)
                | Q(state__in=["done", "failed"], ended_at__isnull=False),
                name="parity_ended_when_over",
            )
        ]

    def __str__(self) -> str:
        return f"parity of run {self.strategy_run_id}"
