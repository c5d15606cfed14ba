"""One tick at a time: a strategy is claimed with a PostgreSQL advisory lock for as long as it ticks.

The lock belongs to the database session, so it holds across processes and machines, needs no
Redis, and ends with the process that held it, however that process ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import Error, connection

TICK = 0x70620001  # first key of the lock pair: "a strategy ticks"
WAKER = 0x70620002  # "this process wakes strategies"


@contextmanager
def claimed(strategy_ids: Iterable[int]) -> Iterator[list[int]]:
    """Yield those of `strategy_ids` that nobody else ticks now, and hold them until the block ends."""
    wanted = sorted(set(strategy_ids))
    with connection.cursor() as cursor:
        # Asked for the exceptions only: hundreds of rows that say "yes" would cost more than the ticks.
        cursor.execute(
            "SELECT array_agg(id) FILTER (WHERE NOT pg_try_advisory_lock(%s, id)) FROM unnest(%s::int[]) AS id",
            [TICK, array(wanted)],
        )
        busy = set(cursor.fetchone()[0] or ())
    mine = [strategy_id for strategy_id in wanted if strategy_id not in busy] if busy else wanted
    try:
        yield mine
    finally:
        _release(TICK, mine)


def array(ids: Iterable[int]) -> str:
    """Return ids as PostgreSQL writes an array: one text is far cheaper to send than hundreds of parameters."""
    return "{" + ",".join(map(str, ids)) + "}"


def leader_claim() -> bool:
    """Become the one process that wakes strategies; the claim ends with this database session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, 0)", [WAKER])
        return bool(cursor.fetchone()[0])


def leader_is() -> bool:
    """Whether this database session still holds the waker's claim."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = 0"
            " AND pid = pg_backend_pid() AND granted",
            [WAKER],
        )
        return bool(cursor.fetchone()[0])


def leader_release() -> None:
    _release(WAKER, [0])


def _release(kind: int, ids: list[int]) -> None:
    if not ids:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(pg_advisory_unlock(%s, id)) FROM unnest(%s::int[]) AS id", [kind, array(ids)])
    except Error:
        connection.close()  # a broken session has lost its locks already; a usable one must not keep them
