"""What changed at a venue without notice, and the blocks that keep entries out until a person has looked."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from markets.domain.instruments import Venue
from markets.models.catalogue import Market


class Drift(models.Model):
    """One difference between what a venue sends and what we know it to send."""

    class Kind(models.TextChoices):
        UNKNOWN_FIELD = "unknown_field"
        MISSING_FIELD = "missing_field"
        RETYPED_FIELD = "retyped_field"
        CHANGED_FACT = "changed_fact"  # fee, tick or minimum size changed

    venue = models.CharField(max_length=20, choices=[(v, v) for v in Venue])
    source = models.CharField(max_length=60)  # "rest.order", "ws_user.trade" …
    field = models.CharField(max_length=120)
    kind = models.CharField(max_length=14, choices=Kind.choices)
    market = models.ForeignKey(Market, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    sample = models.CharField(max_length=500, blank=True)
    before = models.CharField(max_length=120, blank=True)
    after = models.CharField(max_length=120, blank=True)
    count = models.BigIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)  # a person says that this is fine
    accepted_by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["venue", "source", "field", "kind", "market"],
                condition=Q(accepted_at=None),
                nulls_distinct=False,
                name="drift_once",
            )
        ]


class Block(models.Model):
    """Entries are refused on a venue (no market) or one market while an open block stands. Exits stay possible."""

    venue = models.CharField(max_length=20, choices=[(v, v) for v in Venue])
    market = models.ForeignKey(Market, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    cause = models.CharField(max_length=20)  # drift, manual
    reason = models.CharField(max_length=240)
    created_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["venue", "market", "cause"],
                condition=Q(lifted_at=None),
                nulls_distinct=False,
                name="block_once",
            )
        ]
