"""What the feed should listen to, and why."""

from __future__ import annotations

from django.db import models

from markets.models.catalogue import Outcome


class Watch(models.Model):
    """A reason to listen to an outcome: "strategy:3", "position:1", "page:…". Rows expire unless renewed."""

    outcome = models.ForeignKey(Outcome, on_delete=models.CASCADE, related_name="watches")
    reason = models.CharField(max_length=80)
    until = models.DateTimeField(null=True, blank=True)  # null: until deleted

    class Meta:
        constraints = [models.UniqueConstraint(fields=["outcome", "reason"], name="watch_once")]
