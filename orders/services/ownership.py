"""One trader trades an account: a lease per account, renewed by its owner, taken over when it runs out.

Two traders started at once are harmless: the first to take an account sends its orders, the other leaves them
alone. A new owner sends nothing before its own first clean reconciliation. Times are the database's.

`owns` is what the claim of an order asks inside its transaction: one indexed read. A claim made right before a
lease ran out is ended by its own deadline (`orders.domain.submission.may_send`), which is shorter.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading

from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from alerts.selectors.statements import rows_read
from orders.domain.lifecycle import Environment
from orders.models import Account, AccountLease

log = logging.getLogger(__name__)

LEASE_S = 20
RENEW_S = 5.0

_HOST = socket.gethostname()
_ME = f"{_HOST}:{os.getpid()}:{secrets.token_hex(4)}"


def owns(account_id: int) -> bool:
    """Whether this process may send the account's orders now: its lease runs, and it found the books clean since.

    An account that was never reconciled at all is refused by its conditions (I14), with that reason.
    """
    return bool(rows_read(_OWNS, account_id, _ME))


def take(account_id: int) -> bool:
    """Take or renew the account's lease; return whether it is ours. Paper accounts need none."""
    if Account.objects.filter(pk=account_id, environment=Environment.PAPER).exists():
        return True
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE, {"account": account_id, "me": _ME, "lease": LEASE_S, "dead": _dead_owner(account_id)})
        row = cursor.fetchone()
    return row is not None


def renew() -> int:
    """Renew every lease of this process that still runs; return how many. One that ran out is taken anew."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_accountlease SET lease_until = clock_timestamp() + %s * interval '1 second'"
            " WHERE owner = %s AND lease_until > clock_timestamp()",
            [LEASE_S, _ME],
        )
        return cursor.rowcount


def release() -> int:
    """Give every account back, at a clean stop; return how many."""
    return AccountLease.objects.filter(owner=_ME).update(lease_until=Now())


def owner_of(account_id: int) -> str:
    """Return who holds a running lease of the account, for people; empty when nobody does."""
    rows = AccountLease.objects.filter(account_id=account_id, lease_until__gt=Now())
    return rows.values_list("owner", flat=True).first() or ""


class _Keeper:
    stop: threading.Event | None = None
    thread: threading.Thread | None = None


def start() -> None:
    """Renew leases in the background from now on; the trader calls this once. Without it a lease runs out."""
    stop()
    _Keeper.stop = threading.Event()
    _Keeper.thread = threading.Thread(target=_keep, args=(_Keeper.stop,), name="account leases", daemon=True)
    _Keeper.thread.start()


def stop() -> None:
    """End the renewing and give every account back."""
    if _Keeper.stop is not None and _Keeper.thread is not None:
        _Keeper.stop.set()
        _Keeper.thread.join(timeout=5)
    _Keeper.stop = _Keeper.thread = None


def _keep(stop: threading.Event) -> None:
    while not stop.wait(RENEW_S):
        try:
            renew()
        except DatabaseError as error:  # it runs out by itself; the next look asks again
            log.warning("leases were not renewed: %s", str(error)[:200])
            connection.close()
    try:
        release()
    except DatabaseError as error:
        log.warning("leases run out by themselves: %s", str(error)[:200])
    connection.close()


def _dead_owner(account_id: int) -> str:
    """Return an owner that was a process of this machine and is gone: its lease need not be waited for."""
    owner = AccountLease.objects.filter(account_id=account_id).values_list("owner", flat=True).first() or ""
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != _HOST or not pid.isdecimal() or owner == _ME:
        return ""
    if int(pid) == os.getpid():
        return owner  # an earlier life of this process id
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return owner
    except OSError:
        return ""
    return ""


_OWNS = """
SELECT 1 FROM orders_accountlease AS l JOIN orders_account AS a ON a.id = l.account_id
WHERE l.account_id = %s AND l.owner = %s AND l.lease_until > statement_timestamp()
  AND (a.reconciled_at >= l.taken_at OR a.reconciled_at IS NULL)
"""

# `taken_at` moves only when the owner changes or the lease had run out: then the books are looked at anew.
_TAKE = """
INSERT INTO orders_accountlease AS l (account_id, owner, taken_at, lease_until)
VALUES (%(account)s, %(me)s, clock_timestamp(), clock_timestamp() + %(lease)s * interval '1 second')
ON CONFLICT (account_id) DO UPDATE SET
    taken_at = CASE WHEN l.owner = %(me)s AND l.lease_until > clock_timestamp()
        THEN l.taken_at ELSE clock_timestamp() END,
    owner = %(me)s,
    lease_until = clock_timestamp() + %(lease)s * interval '1 second'
WHERE l.owner = %(me)s OR l.lease_until <= clock_timestamp() OR l.owner = %(dead)s
RETURNING account_id
"""
