"""The kill switch: one row, read FOR SHARE before every send (I13). Only `risk.services.halts` sets or releases it."""

from __future__ import annotations

from datetime import datetime

from django.db import DatabaseError, connection, transaction

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from orders.models import KillSwitch

_TABLE = KillSwitch._meta.db_table


def kill_install() -> None:
    """Create the switch, released, where it does not exist yet. Runs after every migration; changes no set switch."""
    KillSwitch.objects.get_or_create(pk=1)


def killed() -> bool:
    """Whether nothing may be sent. A switch that cannot be read, or is missing, counts as set."""
    try:
        value = KillSwitch.objects.filter(pk=1).values_list("killed", flat=True).first()
    except DatabaseError:
        return True
    return value is None or value


def killed_for_share() -> bool:
    """Read the switch and hold it still until the transaction ends.

    Its own statement, on purpose: it waits for a concurrent kill and then sees it, so
    every send commits before the kill or does not happen.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT killed FROM {_TABLE} WHERE id = 1 FOR SHARE")  # noqa: S608  (a constant)
        row = cursor.fetchone()
    return row is None or bool(row[0])


@transaction.atomic
def kill_set(reason: str, by: str, now: datetime) -> bool:
    """Stop every send from this commit on; return whether the switch was released before."""
    kill_install()
    switch = KillSwitch.objects.select_for_update().get(pk=1)
    if switch.killed:
        return False
    switch.killed, switch.reason, switch.by, switch.at, switch.empty_reads = True, reason[:240], by[:120], now, 0
    switch.save()
    event_record(
        "risk.killed",
        f"kill switch set by {by}: {reason}",
        severity=Severity.CRITICAL,
        subject_kind="kill_switch",
        subject_id="1",
        actor=by,
        payload={"reason": reason},
        now=now,
    )
    return True


@transaction.atomic
def kill_release(reason: str, by: str, now: datetime) -> bool:
    """Allow sends again; return whether the switch was set."""
    switch = KillSwitch.objects.select_for_update().get(pk=1)
    if not switch.killed:
        return False
    switch.killed, switch.reason, switch.by, switch.at, switch.empty_reads = False, reason[:240], by[:120], now, 0
    switch.save()
    event_record(
        "risk.released",
        f"kill switch released by {by}: {reason}",
        severity=Severity.WARNING,
        subject_kind="kill_switch",
        subject_id="1",
        actor=by,
        payload={"reason": reason},
        now=now,
    )
    return True


def empty_read_record(*, empty: bool) -> int:
    """Count consecutive reads that saw no open order at the venue; any open order starts over."""
    with transaction.atomic():
        switch = KillSwitch.objects.select_for_update().get(pk=1)
        switch.empty_reads = switch.empty_reads + 1 if empty else 0
        switch.save(update_fields=["empty_reads"])
        return switch.empty_reads
