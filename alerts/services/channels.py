"""Changing channels and rules, and trying a channel out. Every change is an event of the journal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from alerts.domain.routing import OPERATORS
from alerts.models import AlertChannel, AlertRule, Delivery
from alerts.services import dispatch
from alerts.services.journal import event_record
from alerts.transports.registry import TRANSPORTS


def channel_test(channel_id: int, *, by: str, now: datetime | None = None) -> Delivery:
    """Send one test message over the channel now, whether it is switched on or not; return how it went.

    A failure is on the returned delivery (`state`, `last_error`); one worth another try is tried again.
    """
    now = now or timezone.now()
    with transaction.atomic():
        channel = AlertChannel.objects.get(pk=channel_id)
        event_id = event_record(
            "alerts.test",
            f"test of {channel} by {by}: if you read this, it works",
            subject_kind="channel",
            subject_id=channel.pk,
            subject_label=str(channel),
            actor=by,
            now=now,
        )
        # Claimed from the start, so that the periodic sender does not send it as well.
        delivery = Delivery.objects.create(
            event_id=event_id,
            channel=channel,
            severity=Severity.INFO,
            same_as=f"test:{channel.pk}",
            due_at=now + dispatch.LEASE,
            attempts=1,
        )
    dispatch.delivery_send(delivery, now=now)
    return Delivery.objects.select_related("event", "channel").get(pk=delivery.pk)


@transaction.atomic
def channel_save(channel: AlertChannel, *, by: str) -> None:
    """Store a new or edited channel. Raises ValidationError for an unknown transport."""
    if channel.transport not in TRANSPORTS:
        raise ValidationError({"transport": f"choose one of {', '.join(TRANSPORTS)}"})
    created = channel.pk is None
    channel.save()
    event_record(
        "alerts.channel",
        f"alert channel {channel} was {'added' if created else 'changed'}",
        subject_kind="channel",
        subject_id=channel.pk,
        subject_label=str(channel),
        actor=by,
        payload={"enabled": channel.enabled, "minimum_severity": channel.minimum_severity},
    )


@transaction.atomic
def channel_delete(channel: AlertChannel, *, by: str) -> None:
    """Remove a channel that never sent anything. Raises ValidationError for one whose log must stay."""
    if Delivery.objects.filter(channel=channel).exists():
        raise ValidationError(f"{channel} has a delivery log, which is kept: switch the channel off instead")
    name, identity = str(channel), channel.pk
    channel.delete()
    event_record(
        "alerts.channel",
        f"alert channel {name} was removed",
        subject_kind="channel",
        subject_id=identity,
        subject_label=name,
        actor=by,
    )


def rule_check(rule: AlertRule) -> None:
    """Raise ValidationError, with the field, when the rule could never match or cannot be read."""
    problems: dict[str, str] = {}
    if not rule.kind.split():
        problems["kind"] = "name at least one event kind, for example order.filled or order.*"
    if rule.operator and rule.operator not in OPERATORS:
        problems["operator"] = f"choose one of {', '.join(OPERATORS)}, or leave it empty"
    if rule.operator and (not rule.field or rule.threshold is None):
        problems["threshold"] = "a comparison needs the payload's field and a threshold"
    if (rule.field or rule.threshold is not None) and not rule.operator:
        problems["operator"] = "say how the field is compared, or leave field and threshold empty"
    if (rule.quiet_from is None) != (rule.quiet_until is None):
        problems["quiet_until"] = "quiet hours need both ends, or none"
    if rule.cleared_by and not rule.wait_s:
        problems["wait_s"] = "say how long to wait for the clearing event"
    if rule.subject_id and not rule.subject_kind:
        problems["subject_kind"] = "an id needs its kind, for example strategy"
    if problems:
        raise ValidationError(problems)


@transaction.atomic
def rule_save(rule: AlertRule, *, by: str, channels: list[AlertChannel] | None = None) -> None:
    """Store a new or edited rule; `channels` None leaves them as they are, empty means all."""
    rule_check(rule)
    created = rule.pk is None
    rule.save()
    if channels is not None:
        rule.channels.set(channels)
    _rule_event(rule, "added" if created else "changed", by=by)


@transaction.atomic
def rule_delete(rule: AlertRule, *, by: str) -> None:
    """Remove a rule. A default rule comes back with the next migration: switch it off instead."""
    _rule_event(rule, "removed", by=by)
    rule.delete()


@transaction.atomic
def notifications_seen(delivery_ids: list[int], *, now: datetime) -> int:
    """Mark browser notifications as seen; return how many were not yet."""
    rows = Delivery.objects.filter(pk__in=delivery_ids, channel__transport="browser", seen_at=None)
    return rows.update(seen_at=now)


def _rule_event(rule: AlertRule, what: str, *, by: str) -> None:
    fields: dict[str, Any] = {
        name: getattr(rule, name)
        for name in ("kind", "severity", "enabled", "operator", "field", "threshold", "repeat_after_s", "repeat_by")
    }
    event_record(
        "alerts.rule",
        f"alert rule {rule.name} was {what}",
        subject_kind="rule",
        subject_id=rule.pk,
        subject_label=rule.name,
        actor=by,
        payload=fields,
    )
