"""What makes a sent order effectively once: its exact bytes, its hash, and every attempt (contract.md 4.3)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from orders.models.account import Account
from orders.models.order import Order


class OrderSubmission(models.Model):
    """The durable facts of one signed order; `orders.domain.submission.Submission` is made of this row and its order.

    Times are Unix milliseconds, because the rules that move them are pure. `body` is what is sent, however
    often; `order_hash` is its identity at the venue and is recomputed from `body` on every load (I1).
    """

    order = models.OneToOneField(Order, on_delete=models.PROTECT, primary_key=True, related_name="submission")
    order_hash = models.CharField(max_length=66, unique=True)
    exchange = models.CharField(max_length=12)  # standard, neg_risk, v3: the contract is part of the identity
    chain_id = models.IntegerField()
    body = models.TextField(blank=True)  # empty until signed
    salt = models.BigIntegerField()
    timestamp_ms = models.BigIntegerField()
    tick = models.DecimalField(max_digits=8, decimal_places=6)  # the amounts were made for this tick
    signed_at = models.DateTimeField(null=True, blank=True)
    attempt = models.IntegerField(default=0)
    claimed_at_ms = models.BigIntegerField(null=True, blank=True)
    last_claim_ms = models.BigIntegerField(null=True, blank=True)
    unknown_attempts = models.IntegerField(default=0)
    unknown_since_ms = models.BigIntegerField(null=True, blank=True)
    next_read_ms = models.BigIntegerField(null=True, blank=True)
    reads = models.IntegerField(default=0)
    reposts = models.IntegerField(default=0)
    busy_answers = models.IntegerField(default=0)
    not_before_ms = models.BigIntegerField(default=0)
    empty_reads = models.IntegerField(default=0)
    last_code = models.CharField(max_length=60, blank=True)  # of the last answer
    last_said = models.CharField(max_length=300, blank=True)
    matched_claim = models.DecimalField(
        max_digits=20, decimal_places=6, null=True, blank=True
    )  # what the venue says was matched; the order ends only when that much is booked
    ending = models.CharField(max_length=12, blank=True)  # the end the venue confirmed, waiting for `matched_claim`

    asked_size = models.DecimalField(
        max_digits=20, decimal_places=6, null=True, blank=True
    )  # what was asked for, where better prices bought more for the same dollars
    # Reads in a row that did not list an order which should rest, and when the first of them began.
    missing_reads = models.IntegerField(default=0)
    missing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(signed_at=None) | ~Q(body=""), name="submission_signed_has_body"),
        ]
        indexes = [models.Index(fields=["next_read_ms"])]


class SendAttempt(models.Model):
    """One request for one order: when its bytes left and what came back. A log, not a state."""

    class Kind(models.TextChoices):
        POST = "post"
        CANCEL = "cancel"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="send_attempts")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    number = models.IntegerField()
    claimed_at = models.DateTimeField()
    first_byte_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=16, blank=True)  # AnswerKind
    code = models.CharField(max_length=60, blank=True)
    said = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "kind", "number"], name="send_attempt_once")]


class ExternalOrder(models.Model):
    """An order of our wallet that we did not make (I4). Entries of the account halt until a person acknowledges it."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="external_orders")
    venue_order_id = models.CharField(max_length=80)
    facts = models.JSONField(default=dict)  # as the venue lists it
    state = models.CharField(max_length=12)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "venue_order_id"], name="external_order_once")]
