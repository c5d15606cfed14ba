"""Change books that the database protects: only to prove that the damage is found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

_TABLES = ("orders_ledgertransaction", "orders_ledgerentry", "orders_fill")


@contextmanager
def books_unlocked() -> Iterator[None]:
    """Let UPDATE and DELETE through inside the block; needs a test database of one's own."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with pending checks cannot be altered
        for table in _TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            yield
        finally:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in _TABLES:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
                for (name,) in _triggers(table):
                    truncate = name.endswith("_no_truncate")
                    mode = "DISABLE" if truncate else "ENABLE ALWAYS"
                    cursor.execute(f"ALTER TABLE {table} {mode} TRIGGER {name}")


def _triggers(table: str) -> list[tuple[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal", [table])
        return [(str(name),) for (name,) in cursor.fetchall()]
