"""From journal to deliveries: every event is read once, in order, and matched against the rules.

One reader at a time works (a locked row); a second one finds the lock taken and leaves.
What it has read and what it wrote are stored together, so nothing is lost or told twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce

from alerts.domain import routing
from alerts.domain.events import RepeatBy, Severity
from alerts.models import AlertChannel, AlertRule, AuditEvent, AuditStream, Delivery, OutboxCursor

READER = "alerts"
BATCH = 500


@transaction.atomic
def deliveries_create(*, now: datetime, batch: int = BATCH) -> int:
    """Read up to `batch` new events of each stream and store what is to be told; return how many deliveries."""
    OutboxCursor.objects.bulk_create([OutboxCursor(name=READER, stream="")], ignore_conflicts=True)
    lock = OutboxCursor.objects.select_for_update(skip_locked=True).filter(name=READER, stream="").first()
    if lock is None:
        return 0
    streams = _streams_behind()
    if not streams:
        return 0
    rules, channels = rules_read(), channels_read()
    made: list[Delivery] = []
    for stream, seq in streams:
        events = list(AuditEvent.objects.filter(stream=stream, seq__gt=seq).order_by("seq")[:batch])
        for event in events:
            made += _deliveries(event, rules, channels, now=now)
        if events:
            OutboxCursor.objects.update_or_create(name=READER, stream=stream, defaults={"seq": events[-1].seq})
    kept = _without_repeats(made, {rule.id: rule.repeat_after_s for rule in rules}, now=now)
    Delivery.objects.bulk_create(kept, ignore_conflicts=True)
    return len(kept)


def _streams_behind() -> list[tuple[str, int]]:
    """Return (stream, number of the last row read) of each stream that has newer rows."""
    read = OutboxCursor.objects.filter(name=READER, stream=OuterRef("name")).values("seq")
    rows = AuditStream.objects.annotate(read=Coalesce(Subquery(read), 0)).filter(head_seq__gt=F("read"))
    return list(rows.order_by("name").values_list("name", "read"))


def rules_read() -> list[routing.Rule]:
    return [rule_of(row) for row in AlertRule.objects.filter(enabled=True).prefetch_related("channels")]


def rule_of(row: AlertRule) -> routing.Rule:
    return routing.Rule(
        id=row.pk,
        name=row.name,
        kind=row.kind,
        severity=Severity(row.severity),
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        operator=row.operator,
        field=row.field,
        threshold=row.threshold,
        channel_ids=frozenset(channel.pk for channel in row.channels.all()),
        wait_s=row.wait_s,
        cleared_by=row.cleared_by,
        quiet_from=row.quiet_from,
        quiet_until=row.quiet_until,
        repeat_after_s=row.repeat_after_s,
        repeat_by=RepeatBy(row.repeat_by),
    )


def channels_read() -> list[routing.Channel]:
    return [
        routing.Channel(id=row.pk, minimum_severity=Severity(row.minimum_severity))
        for row in AlertChannel.objects.filter(enabled=True).order_by("id")
    ]


def event_of(row: AuditEvent) -> routing.JournalEvent:
    return routing.JournalEvent(
        id=row.pk,
        kind=row.kind,
        severity=Severity(row.severity),
        at=row.at,
        account_id=row.account_id,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        payload=row.payload if isinstance(row.payload, dict) else {},
    )


def _deliveries(
    event: AuditEvent, rules: Sequence[routing.Rule], channels: Sequence[routing.Channel], *, now: datetime
) -> list[Delivery]:
    return [
        Delivery(
            event=event,
            channel_id=notice.channel_id,
            rule_id=notice.rule_id,
            severity=notice.severity,
            same_as=notice.same_as,
            state=Delivery.State.SUPPRESSED if notice.held else Delivery.State.PENDING,
            last_error=notice.held,
            # A rule that waits counts from the event, however late it was read.
            due_at=max(now, event.at + timedelta(seconds=notice.wait_s)) if notice.wait_s else now,
        )
        for notice in routing.route(event_of(event), rules, channels, now=now)
    ]


def _without_repeats(made: list[Delivery], repeat_after: dict[int, int], *, now: datetime) -> list[Delivery]:
    """Leave out what was told a moment ago, and count it on the delivery that told it."""
    if not made:
        return []
    since = now - timedelta(seconds=max(repeat_after.values(), default=0))
    told = {
        row.same_as: row
        for row in Delivery.objects.filter(same_as__in={d.same_as for d in made}, event__at__gt=since)
        .exclude(state=Delivery.State.SUPPRESSED)
        .select_related("event")
        .order_by("id")
    }
    kept: list[Delivery] = []
    for delivery in sorted(made, key=lambda d: (d.event.at, d.event.pk)):
        last = told.get(delivery.same_as)
        window = timedelta(seconds=repeat_after.get(delivery.rule_id or 0, 0))
        if last is not None and delivery.event.at - last.event.at < window:
            last.repeats += 1
            if last.pk is not None:
                Delivery.objects.filter(pk=last.pk).update(repeats=F("repeats") + 1)
            continue
        if delivery.state == Delivery.State.PENDING:
            told[delivery.same_as] = delivery
        kept.append(delivery)
    return kept
