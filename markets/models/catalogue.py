"""What the venue lists: events (groups of markets), markets, their outcomes."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from markets.domain.instruments import Category, MarketState, Venue

VENUES = [(v, v) for v in Venue]


class Tag(models.Model):
    venue = models.CharField(max_length=20, choices=VENUES)
    slug = models.CharField(max_length=120)
    label = models.CharField(max_length=160)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["venue", "slug"], name="tag_venue_slug")]

    def __str__(self) -> str:
        return self.label


class Event(models.Model):
    """A question with one or more markets. In a neg-risk event exactly one market resolves YES."""

    venue = models.CharField(max_length=20, choices=VENUES)
    venue_id = models.CharField(max_length=80)
    slug = models.CharField(max_length=240)
    title = models.CharField(max_length=400)
    category = models.CharField(max_length=20, choices=[(c, c) for c in Category])
    neg_risk = models.BooleanField(default=False)
    neg_risk_augmented = models.BooleanField(default=False)
    group_size = models.SmallIntegerField(default=0)  # questions of a neg-risk event, also those that we do not list
    group_fee_bips = models.SmallIntegerField(default=0)  # what a conversion costs, hundredths of a percent
    closes_at = models.DateTimeField(null=True, blank=True)
    tags = models.ManyToManyField(Tag, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)  # of what was last synced; equal means nothing to write
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["venue", "venue_id"], name="event_venue_id")]
        indexes = [models.Index(fields=["slug"])]

    def __str__(self) -> str:
        return self.title


class Market(models.Model):
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="markets")
    venue = models.CharField(max_length=20, choices=VENUES)
    venue_id = models.CharField(max_length=80)
    condition_id = models.CharField(max_length=80)
    slug = models.CharField(max_length=240)
    question = models.CharField(max_length=500)
    group_label = models.CharField(max_length=200, blank=True)  # short name inside its event
    rules_text = models.TextField(blank=True)
    resolution_source = models.CharField(max_length=400, blank=True)
    category = models.CharField(max_length=20, choices=[(c, c) for c in Category])
    state = models.CharField(max_length=10, choices=[(s, s) for s in MarketState])
    neg_risk = models.BooleanField(default=False)
    group_id = models.CharField(max_length=80, blank=True)  # of a neg-risk market: its group at the adapter
    group_index = models.SmallIntegerField(null=True, blank=True)  # its place there, if proven
    tick = models.DecimalField(max_digits=8, decimal_places=6)
    minimum_size = models.DecimalField(max_digits=20, decimal_places=6)
    fee_known = models.BooleanField(default=False)
    fee_rate_ppm = models.IntegerField(default=0)
    fee_exponent = models.IntegerField(default=1)
    rebate_ppm = models.IntegerField(default=0)
    seconds_delay = models.IntegerField(default=0)
    opened_at = models.DateTimeField(null=True, blank=True)
    closes_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolution_status = models.CharField(max_length=20, blank=True)  # the venue's own word
    volume = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    volume_24h = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    liquidity = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    reward_rate_per_day = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    reward_minimum_size = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    reward_maximum_spread = models.DecimalField(max_digits=8, decimal_places=6, default=0)
    blocked_reason = models.CharField(max_length=240, blank=True)  # set by the drift sentinel or an operator
    fingerprint = models.CharField(max_length=64, blank=True)
    synced_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["venue", "condition_id"], name="market_condition"),
            models.CheckConstraint(condition=Q(tick__gt=0) & Q(tick__lt=1), name="market_tick_range"),
            models.CheckConstraint(condition=Q(minimum_size__gt=0), name="market_minimum_size_positive"),
        ]
        indexes = [models.Index(fields=["state", "-volume_24h"]), models.Index(fields=["slug"])]

    def __str__(self) -> str:
        return self.question


class Outcome(models.Model):
    """One side of a market and its token. Index 0 is YES, or the first named outcome."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="outcomes")
    index = models.SmallIntegerField()
    label = models.CharField(max_length=160)
    token_id = models.CharField(max_length=80, unique=True)
    payout = models.DecimalField(max_digits=8, decimal_places=6, null=True, blank=True)  # $ a share, once resolved

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["market", "index"], name="outcome_market_index"),
            models.CheckConstraint(
                condition=Q(payout__isnull=True) | (Q(payout__gte=0) & Q(payout__lte=1)), name="outcome_payout_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.market}"


class SyncRun(models.Model):
    """One catalogue sync with its progress and result."""

    venue = models.CharField(max_length=20, choices=VENUES)
    kind = models.CharField(max_length=12)  # incremental, full
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    events_seen = models.IntegerField(default=0)
    markets_seen = models.IntegerField(default=0)
    rows_written = models.IntegerField(default=0)
    refused = models.IntegerField(default=0)
    error = models.CharField(max_length=400, blank=True)


class VenueIssue(models.Model):
    """Something the venue sent that we do not understand: recorded and reported, never guessed."""

    venue = models.CharField(max_length=20, choices=VENUES)
    source = models.CharField(max_length=60)  # "gamma.market", "ws.market" …
    field = models.CharField(max_length=120)
    problem = models.CharField(max_length=400)
    sample = models.TextField(blank=True)  # at most 2,000 characters of what was sent
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.IntegerField(default=1)
    acknowledged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["venue", "source", "field", "problem"], name="venue_issue_once")]
