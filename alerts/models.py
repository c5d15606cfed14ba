"""The audit journal, which is also the alert outbox, and who is told what.

`AuditEvent` rows are append-only and hash-chained per stream; a database trigger
refuses UPDATE and DELETE. `JobRun` and `Heartbeat` are how scheduled work proves it ran once.
"""

from __future__ import annotations

from typing import Any

from django.db import models

from alerts.domain.chain import time_text
from alerts.domain.events import RepeatBy, Severity


class AuditStream(models.Model):
    """Head of one hash chain. Locked while a row is appended, so numbers have no gaps."""

    name = models.CharField(max_length=80, primary_key=True)
    head_seq = models.BigIntegerField(default=0)
    head_hash = models.CharField(max_length=64, default="0" * 64)


class AuditEvent(models.Model):
    """One thing that happened. Written in the transaction of the change it describes, never changed."""

    stream = models.CharField(max_length=80)
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=80)  # "order.filled", "risk.refused", "feed.stale" …
    severity = models.CharField(max_length=10, choices=[(s, s) for s in Severity])
    account_id = models.BigIntegerField(null=True, blank=True)
    subject_kind = models.CharField(max_length=40, blank=True)  # "order", "strategy", "market" …
    subject_id = models.CharField(max_length=80, blank=True)
    subject_label = models.CharField(max_length=240, blank=True)
    actor = models.CharField(max_length=120, blank=True)  # a user name, a process, a task
    message = models.CharField(max_length=500)
    payload = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "seq"], name="audit_stream_seq")]
        indexes = [
            models.Index(fields=["kind", "-id"]),
            models.Index(fields=["subject_kind", "subject_id", "-id"]),
            models.Index(fields=["account_id", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    def hashed_content(self) -> dict[str, Any]:
        """Return what the hash covers: everything but the row's id and the hashes themselves."""
        return {
            "stream": self.stream,
            "at": time_text(self.at),
            "kind": self.kind,
            "severity": str(self.severity),
            "account_id": self.account_id,
            "subject_kind": self.subject_kind,
            "subject_id": self.subject_id,
            "subject_label": self.subject_label,
            "actor": self.actor,
            "message": self.message,
            "payload": self.payload,
        }


class AlertChannel(models.Model):
    """Where alerts go. Secrets (bot tokens, passwords) live in settings, not here."""

    transport = models.CharField(max_length=20)  # a name in alerts.transports.registry
    label = models.CharField(max_length=80)
    target = models.CharField(max_length=200, blank=True)  # address, chat id
    enabled = models.BooleanField(default=True)
    minimum_severity = models.CharField(max_length=10, choices=[(s, s) for s in Severity], default=Severity.WARNING)

    def __str__(self) -> str:
        return f"{self.transport}: {self.label}"


class AlertRule(models.Model):
    """Which events are worth telling. The app that owns the subject evaluates thresholds; this row holds them."""

    name = models.SlugField(max_length=80, unique=True)
    description = models.CharField(max_length=240, blank=True)
    kind = models.CharField(max_length=200)  # event kinds, separated by blanks; a trailing * matches any rest
    subject_kind = models.CharField(max_length=40, blank=True)
    subject_id = models.CharField(max_length=80, blank=True)
    operator = models.CharField(max_length=4, blank=True)  # gt, lt, gte, lte or empty
    field = models.CharField(max_length=80, blank=True)  # key in the event's payload that is compared
    threshold = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    severity = models.CharField(max_length=10, choices=[(s, s) for s in Severity])
    enabled = models.BooleanField(default=True)
    channels = models.ManyToManyField(AlertChannel, blank=True)  # none: every enabled channel
    wait_s = models.PositiveIntegerField(default=0)  # told only if it still stands so much later …
    cleared_by = models.CharField(max_length=80, blank=True)  # … which an event of this kind on the same subject ends
    quiet_from = models.TimeField(null=True, blank=True)  # UTC; critical events ignore quiet hours
    quiet_until = models.TimeField(null=True, blank=True)
    repeat_after_s = models.PositiveIntegerField(default=300)  # the same thing: not told again before
    repeat_by = models.CharField(  # what counts as the same thing
        max_length=10, choices=[(r, r) for r in RepeatBy], default=RepeatBy.SUBJECT
    )

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One event to one channel: at least once, retried, with its whole history."""

    class State(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        FAILED = "failed"
        SUPPRESSED = "suppressed"

    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, related_name="deliveries")
    channel = models.ForeignKey(AlertChannel, on_delete=models.PROTECT)  # the log outlives its use: switch it off
    rule = models.ForeignKey(AlertRule, on_delete=models.SET_NULL, null=True)
    severity = models.CharField(max_length=10, choices=[(s, s) for s in Severity], default=Severity.INFO)
    same_as = models.CharField(max_length=160, blank=True)  # what counts as the same thing, in this rule's words
    repeats = models.PositiveIntegerField(default=0)  # the same thing again meanwhile: counted, not told
    state = models.CharField(max_length=12, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)  # browser notifications: when somebody dismissed it

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["event", "channel", "rule"], name="delivery_once")]
        indexes = [models.Index(fields=["state", "due_at"]), models.Index(fields=["same_as", "-id"])]

    def __str__(self) -> str:
        return f"event {self.event_id} to {self.channel}: {self.state}"


class OutboxCursor(models.Model):
    """How far a consumer (alert routing) has read each stream of the journal.

    Numbers within a stream follow the order of commits and have no gaps; row ids do not: a
    reader that remembers the last id would miss a row that was committed after a later one.
    """

    name = models.CharField(max_length=40)
    stream = models.CharField(max_length=80, blank=True)  # empty: the row that a reader locks
    seq = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "stream"], name="outbox_cursor_once")]


class JobRun(models.Model):
    """A scheduled job's claim on one slot. The unique key makes a repeated message a no-op."""

    name = models.CharField(max_length=120)
    slot = models.BigIntegerField()  # unix time divided by the job's period
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "slot"], name="job_run_once")]


class Heartbeat(models.Model):
    """A process or queue says it is alive and how it does."""

    name = models.CharField(max_length=60, primary_key=True)  # "queue:trading", "process:feed" …
    at = models.DateTimeField()
    pid = models.IntegerField(default=0)
    details = models.JSONField(default=dict)
