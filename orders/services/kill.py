"""The kill switch: one row, read FOR SHARE before every send (I13). Only `risk.services.halts` sets or releases it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, connection, transaction

from alerts.domain.events import Severity
from alerts.selectors.statements import rows_read
from alerts.services.journal import event_record
from orders.domain.submission import kill_is_complete
from orders.models import KillSwitch

_TABLE = KillSwitch._meta.db_table
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def kill_install() -> None:
    """Create the switch, released, where it does not exist yet. Runs after every migration; changes no set switch."""
    KillSwitch.objects.get_or_create(pk=1)


def killed() -> bool:
    """Whether nothing may be sent. A switch that cannot be read, or is missing, counts as set."""
    try:
        found = rows_read(f"SELECT killed FROM {_TABLE} WHERE id = 1")  # noqa: S608  (a constant)
    except DatabaseError:
        return True
    return not found or bool(found[0][0])


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
    switch.killed, switch.reason, switch.by, switch.at = True, reason[:240], by[:120], now
    _start_over(switch)
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
    switch.killed, switch.reason, switch.by, switch.at = False, reason[:240], by[:120], now
    _start_over(switch)
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


def empty_read_record(*, empty: bool, now: datetime, unresolved: int = 0) -> int:
    """Count consecutive reads that saw no open order at any venue; any open order starts over.

    `unresolved` orders may still arrive: until there are none, or reads were empty for long enough, the kill is
    not confirmed and its cancels go on. Returns the count.
    """
    with transaction.atomic():
        switch = KillSwitch.objects.select_for_update().get(pk=1)
        if not empty:
            _start_over(switch)
        else:
            switch.empty_reads += 1
            switch.empty_since = switch.empty_since or now
        since = None if switch.empty_since is None else _ms(switch.empty_since)
        complete = switch.killed and kill_is_complete(
            empty_since_ms=since, empty_reads=switch.empty_reads, now_ms=_ms(now), unresolved=unresolved
        )
        first = complete and switch.confirmed_at is None
        if first:
            switch.confirmed_at = now
        switch.save(update_fields=["empty_reads", "empty_since", "confirmed_at"])
        if first:
            event_record(
                "risk.kill_confirmed",
                f"no order rests at any venue: {switch.empty_reads} reads in a row saw none, and none is under way",
                subject_kind="kill_switch",
                subject_id="1",
                actor="sweep",
                payload={"reads": switch.empty_reads},
                now=now,
            )
        return switch.empty_reads


def kill_confirmed() -> bool:
    """Whether a set switch has done its work: nothing rests anywhere and nothing can still arrive."""
    return KillSwitch.objects.filter(pk=1, killed=True, confirmed_at__isnull=False).exists()


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _start_over(switch: KillSwitch) -> None:
    switch.empty_reads, switch.empty_since, switch.confirmed_at = 0, None, None
