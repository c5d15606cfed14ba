"""Checks that a person asked for: the doctor's examination of an account, and the rehearsal of a kill."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from orders.models.account import Account
from orders.models.order import Order


class DoctorRun(models.Model):
    """One examination. What needs the trader's keys is done there; `findings` never hold a secret."""

    class State(models.TextChoices):
        WANTED = "wanted"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="examinations")
    deep = models.BooleanField(default=False)  # with one post-only order far from the market, cancelled at once
    state = models.CharField(max_length=8, choices=State.choices, default=State.WANTED)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    requested_by = models.CharField(max_length=120)
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    findings = models.JSONField(default=list)  # orders.domain.checkup.Finding, in order
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    story = models.JSONField(default=list)  # of the deep order: what happened when
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(state__in=["wanted", "running"]), name="doctor_run_one_at_a_time"
            )
        ]
        indexes = [models.Index(fields=["account", "-id"])]


class KillRehearsal(models.Model):
    """The kill path walked on one account, and how long it took. Real money is only counted, never touched."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="rehearsals")
    dry_run = models.BooleanField()  # live accounts: what would be cancelled is read, nothing is asked
    by = models.CharField(max_length=120)
    started_at = models.DateTimeField()
    committed_at = models.DateTimeField(null=True, blank=True)  # the stop was durable
    empty_at = models.DateTimeField(null=True, blank=True)  # first read without an open order
    finished_at = models.DateTimeField(null=True, blank=True)
    open_before = models.IntegerField(default=0)
    open_after = models.IntegerField(default=0)
    sent_after = models.IntegerField(default=0)  # orders that left after the commit: must be 0
    passed = models.BooleanField(null=True, blank=True)
    steps = models.JSONField(default=list)  # [{"ms", "what"}]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(finished_at=None), name="kill_rehearsal_one_at_a_time"
            )
        ]
        indexes = [models.Index(fields=["account", "-id"])]
