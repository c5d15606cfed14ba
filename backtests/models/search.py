"""A parameter search and its trials. Postgres is the queue: a message only says that somebody should look.

`objective` and all statistics are floats: they rank, they are never booked. Money is in millionths where it is summed.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class SearchRun(models.Model):
    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELED = "canceled"

    class Method(models.TextChoices):
        GRID = "grid"
        RANDOM = "random"
        TPE = "tpe", "TPE"

    name = models.CharField(max_length=120, blank=True)
    by = models.CharField(max_length=120)
    tags = models.JSONField(default=list, blank=True)  # lower-case words
    notes = models.TextField(blank=True)
    strategy = models.CharField(max_length=60)
    method = models.CharField(max_length=10, choices=Method.choices)
    # Pairs of a path and [low, high, step] or the choices to try: JSON objects lose their order in Postgres, and the
    # order of the axes is that of every assignment.
    ranges = models.JSONField()
    trials_wanted = models.PositiveIntegerField()
    seed = models.BigIntegerField()
    objective = models.CharField(max_length=40)  # a name in backtests.domain.search.objectives
    holdout_ppm = models.PositiveIntegerField(default=0)  # of the time, kept out of the search
    folds = models.PositiveIntegerField(default=0)  # walk-forward; 0: none
    request = models.JSONField()  # of every trial, with the parameters that are not varied
    request_digest = models.CharField(max_length=64)
    limits = models.JSONField()  # the risk profile as it was when the search was asked for

    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    cancel_by = models.CharField(max_length=120, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)  # last message to the queue
    code_digest = models.CharField(max_length=64, blank=True)  # a search goes on with the code that it began with
    error = models.TextField(blank=True)
    summary = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], ended_at__isnull=True)
                | Q(state__in=["done", "failed", "canceled"], ended_at__isnull=False),
                name="search_ended_when_over",
            ),
            models.CheckConstraint(condition=Q(holdout_ppm__lt=1_000_000), name="search_holdout_is_a_share"),
        ]

    def __str__(self) -> str:
        return self.name or f"search {self.pk}"

    @property
    def is_over(self) -> bool:
        return self.state not in (self.State.QUEUED, self.State.RUNNING)


class SearchTrial(models.Model):
    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    class Phase(models.TextChoices):
        SEARCH = "search"
        HOLDOUT = "holdout"

    search = models.ForeignKey(SearchRun, on_delete=models.CASCADE, related_name="trials")
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.SEARCH)
    number = models.PositiveIntegerField()
    assignment = models.JSONField(null=True, blank=True)  # one text per axis; null until the sampler has chosen
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    token = models.UUIDField(null=True, blank=True)  # fences off a worker that was given up
    attempts = models.PositiveIntegerField(default=0)
    beat_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    objective = models.FloatField(null=True, blank=True)  # null: undefined for this trial, `error` says why
    figures = models.JSONField(null=True, blank=True)
    bins = models.JSONField(null=True, blank=True)  # profit per equal part of the time, millionths of a dollar
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["search_id", "phase", "number"]
        constraints = [
            models.UniqueConstraint(fields=["search", "phase", "number"], name="trial_number_is_unique"),
            models.CheckConstraint(
                condition=Q(state="running", token__isnull=False) | (~Q(state="running") & Q(token__isnull=True)),
                name="trial_token_while_running",
            ),
        ]

    def __str__(self) -> str:
        return f"trial {self.number} of search {self.search_id}"
