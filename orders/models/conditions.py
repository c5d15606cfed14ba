"""What must be well before an order may leave: streams, heartbeats, clocks (I14), each with its time."""

from __future__ import annotations

from django.db import models

from markets.domain.instruments import Venue
from orders.domain.lifecycle import Environment
from orders.models.account import Account


class StreamState(models.Model):
    """The user stream of one account, as the process that listens last knew it."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="stream")
    connections = models.SmallIntegerField(default=0)  # of two
    last_alive_at = models.DateTimeField(null=True, blank=True)  # a message or an answered ping
    last_event_at = models.DateTimeField(null=True, blank=True)
    last_resync_at = models.DateTimeField(null=True, blank=True)  # REST read of open orders and trades
    note = models.CharField(max_length=240, blank=True)
    updated_at = models.DateTimeField()


class HeartbeatState(models.Model):
    """The venue's dead-man switch of one account's key: one owner, one chain of ids (V20)."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="heartbeat")
    wanted = models.BooleanField(default=False)  # asked for by a person; once armed the venue has no disarming
    owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_id = models.CharField(max_length=80, blank=True)
    armed_at = models.DateTimeField(null=True, blank=True)
    last_ok_at = models.DateTimeField(null=True, blank=True)
    failures = models.IntegerField(default=0)
    note = models.CharField(max_length=240, blank=True)


class VenueCondition(models.Model):
    """One venue in one environment as last measured: its clock against ours, where it lets us trade, its mode."""

    venue = models.CharField(max_length=20, choices=[(v, v) for v in Venue])
    environment = models.CharField(max_length=8, choices=[(e, e) for e in Environment])
    clock_offset_ms = models.BigIntegerField(null=True, blank=True)  # venue minus ours
    clock_at = models.DateTimeField(null=True, blank=True)
    blocked = models.BooleanField(null=True, blank=True)  # the geoblock answer
    country = models.CharField(max_length=8, blank=True)
    blocked_at = models.DateTimeField(null=True, blank=True)
    mode = models.CharField(max_length=20, blank=True)  # normal, restarting, post_only, cancel_only, disabled
    mode_until = models.DateTimeField(null=True, blank=True)
    round_trip_ms = models.IntegerField(null=True, blank=True)  # of the request that told the time
    version = models.CharField(max_length=60, blank=True)  # as the venue names it
    version_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=240, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["venue", "environment"], name="venue_condition_once")]
