"""Keeping the venue's dead-man switch: one owner per API key, one chain of ids, a beat every four seconds (V20).

The first accepted heartbeat arms it for every order of the key; there is no disarming, only falling silent,
after which the venue cancels everything. A lost answer may have armed it or moved the chain on, so the next
beat may be refused with the id that the venue expects: that id is taken over once. While no heartbeat is
accepted, new orders are denied (`orders.selectors.heartbeat`); cancels always go.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from alerts.domain.events import Severity
from markets.venues.base import VenueError
from markets.venues.trading import HeartbeatRefused
from orders.domain.lifecycle import Environment
from orders.models import Account, HeartbeatState
from orders.services import keyholder
from orders.services.account_events import account_event
from orders.services.accounts import account_lock

log = logging.getLogger(__name__)

EVERY_S = 4.0
LEASE_S = 10  # as long as the venue waits: a new owner comes when the old one's orders are cancelled anyway
THREADS = 8
_ME = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


class HeartbeatError(ValueError):
    """The heartbeat cannot be switched as asked; the message says why."""


@transaction.atomic
def heartbeat_set(account_id: int, *, wanted: bool, by: str, now: datetime, reason: str = "") -> bool:
    """Ask for the account's heartbeat, or let it fall silent; return whether that changes anything.

    Falling silent makes the venue cancel every open order of the key about ten seconds later.
    """
    account = account_lock(account_id)
    if account.environment == Environment.PAPER:
        raise HeartbeatError("a paper account has no venue that could cancel its orders")
    row, _ = HeartbeatState.objects.get_or_create(account=account)
    if row.wanted == wanted:
        return False
    row.wanted, row.failures = wanted, 0
    row.note = "" if wanted or row.armed_at is None else "falling silent: the venue cancels all orders of this key"
    row.save(update_fields=["wanted", "failures", "note"])
    words = "wanted: the venue cancels all open orders when the desk falls silent" if wanted else "no longer kept"
    why = f" ({reason[:120]})" if reason else ""
    _event(account_id, "heartbeat.wanted" if wanted else "heartbeat.dropped", f"heartbeat {words}{why}", by=by, now=now)
    return True


def heartbeats_beat(now: datetime, *, me: str = _ME) -> int:
    """Send one heartbeat for every account that wants one and that this process owns; return how many went well."""
    rows = HeartbeatState.objects.filter(wanted=True, account__connection="ready").order_by("pk")
    ids = list(rows.values_list("pk", flat=True))
    if len(ids) < 2:
        return sum(heartbeat_beat(account_id, now, me=me) for account_id in ids)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="heartbeat") as pool:  # a slow answer delays no other key
        return sum(pool.map(lambda account_id: _apart(account_id, now, me), ids))


def heartbeat_beat(account_id: int, now: datetime, *, me: str = _ME) -> bool:
    """Send the next heartbeat of one key, if it is ours to send; return whether the venue accepted it."""
    row = _claim(account_id, now, me)
    if row is None:
        return False
    try:
        following = _send(account_id, row)
    except keyholder.NotInThisProcess:
        return False
    except (VenueError, ValueError, keyholder.KeyRefused) as error:
        _failed(row, error, me, now)
        return False
    return _accepted(row, following, me, now)


def _claim(account_id: int, now: datetime, me: str) -> HeartbeatState | None:
    """Take or keep the key's lease, and note before the first byte that it may be armed; None: it is another's."""
    free = Q(owner=me) | Q(owner="") | Q(lease_until=None) | Q(lease_until__lt=now)
    mine = HeartbeatState.objects.filter(free, pk=account_id, wanted=True)
    if not mine.update(owner=me, lease_until=now + timedelta(seconds=LEASE_S)):
        return None
    HeartbeatState.objects.filter(pk=account_id, armed_at=None).update(armed_at=now)
    return HeartbeatState.objects.get(pk=account_id)


def _send(account_id: int, row: HeartbeatState) -> str:
    """Return the next id. A chain that broke is taken up once where the venue says it stands."""
    gateway = keyholder.gateway(account_id)
    try:
        return gateway.heartbeat(row.heartbeat_id)
    except HeartbeatRefused as refused:
        if row.heartbeat_id and not row.failures and refused.expected_id:
            # Nothing of ours got lost, so somebody else moved the chain: it still must not break.
            log.error("another program keeps this key's heartbeat", extra={"account": account_id})
            HeartbeatState.objects.filter(pk=account_id).update(note="another program keeps this key's heartbeat too")
        return gateway.heartbeat(refused.expected_id)


@transaction.atomic
def _accepted(row: HeartbeatState, following: str, me: str, now: datetime) -> bool:
    done = HeartbeatState.objects.filter(pk=row.pk, owner=me).update(
        heartbeat_id=following, last_ok_at=now, failures=0, note=""
    )
    if row.failures and done:
        _event(row.pk, "heartbeat.back", f"heartbeat accepted again after {row.failures} failures", now=now)
    return bool(done)


@transaction.atomic
def _failed(row: HeartbeatState, error: Exception, me: str, now: datetime) -> None:
    """Count the failure and say the first one. The text of an error names no secret (I17)."""
    words = f"{type(error).__name__}: {error}"[:200]
    HeartbeatState.objects.filter(pk=row.pk, owner=me).update(failures=row.failures + 1, note=words)
    log.warning("heartbeat failed", extra={"account": row.pk, "problem": words})
    if row.failures == 0:
        message = f"heartbeat not accepted, new orders wait: {words}"
        _event(row.pk, "heartbeat.failed", message, severity=Severity.WARNING, now=now)


def _apart(account_id: int, now: datetime, me: str) -> bool:
    try:
        return heartbeat_beat(account_id, now, me=me)
    finally:
        connection.close()


def _event(
    account_id: int, kind: str, message: str, *, now: datetime, by: str = "desk", severity: Severity = Severity.INFO
) -> None:
    account = Account.objects.get(pk=account_id)
    account_event(account, kind, f"{account.name}: {message}", severity=severity, by=by, now=now)


class _Loop:
    stop: threading.Event | None = None
    thread: threading.Thread | None = None


def start() -> None:
    """Keep heartbeats in the background from now on; the trader calls this once."""
    stop()
    _Loop.stop = threading.Event()
    _Loop.thread = threading.Thread(target=_run, args=(_Loop.stop,), name="heartbeats", daemon=True)
    _Loop.thread.start()


def stop() -> None:
    """End the loop. The venue cancels what is open where a heartbeat was armed."""
    if _Loop.stop is not None and _Loop.thread is not None:
        _Loop.stop.set()
        _Loop.thread.join(timeout=5)
    _Loop.stop = _Loop.thread = None


def _run(stop_: threading.Event) -> None:
    while not stop_.wait(EVERY_S):
        try:
            heartbeats_beat(timezone.now())
        except DatabaseError as error:
            log.warning("heartbeats were not sent: %s", str(error)[:200])
            connection.close()
        except Exception:
            log.exception("the heartbeat loop goes on")
    connection.close()
