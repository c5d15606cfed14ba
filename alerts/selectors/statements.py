"""Reads whose SQL is made once per process instead of once per call.

The ORM builds a query anew each time, which costs several times what the database needs to answer it. On the way
from a decision to its first byte that was most of the time. Elsewhere a queryset reads better: use one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model
from psycopg import Cursor

M = TypeVar("M", bound=Model)

Convert = Callable[[Any, Any, Any], Any]


class Select(Generic[M]):
    """The rows of one model that meet a fixed condition.

    `rest` is what follows FROM <table>, with one %s for each value; the columns are all of the model's own.
    """

    def __init__(self, model: type[M], rest: str) -> None:
        self._model, self._rest = model, rest

    def rows(self, *values: Any) -> list[M]:
        alias = connection.alias
        return [self._model.from_db(alias, self._names, self._converted(row)) for row in rows_read(self._sql, *values)]

    def first(self, *values: Any) -> M | None:
        found = self.rows(*values)
        return found[0] if found else None

    @cached_property
    def _names(self) -> list[str]:
        return [field.attname for field in self._model._meta.concrete_fields]

    @cached_property
    def _sql(self) -> str:
        meta = self._model._meta
        columns = ", ".join(f'"{meta.db_table}"."{field.column}"' for field in meta.concrete_fields)
        return f'SELECT {columns} FROM "{meta.db_table}" {self._rest}'  # noqa: S608  (names of our own models)

    @cached_property
    def _converters(self) -> list[tuple[int, Any, list[Convert]]]:
        found = []
        for place, field in enumerate(self._model._meta.concrete_fields):
            column = field.get_col(self._model._meta.db_table)
            made = [*connection.ops.get_db_converters(column), *field.get_db_converters(connection)]
            if made:
                found.append((place, column, made))
        return found

    def _converted(self, row: Sequence[Any]) -> Sequence[Any]:
        if not self._converters:
            return row
        values = list(row)
        for place, column, made in self._converters:
            for convert in made:
                values[place] = convert(values[place], column, connection)
        return values


def rows_read(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return what the statement finds; %s stands for each value."""
    with statement_cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def statement_cursor() -> CursorWrapper:
    """Return a cursor that hands its values to the server apart, so that Postgres plans a statement once and keeps it.

    The ORM's own cursors write values into the text. Everything else is the same: errors, wrappers, the log.
    """
    connection.ensure_connection()
    plain = Cursor(connection.connection)
    return connection.make_debug_cursor(plain) if connection.queries_logged else connection.make_cursor(plain)
