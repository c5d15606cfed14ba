"""Writes whose SQL is made once per process; see `alerts.selectors.statements` for why.

Values pass through the model's fields, so what is stored is what the ORM would have stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import AutoField, Field, Model

from alerts.selectors.statements import statement_cursor


def rows_insert(rows: Sequence[Model]) -> None:
    """Insert new rows of one model in one statement; a generated key is set on each."""
    if not rows:
        return
    model = type(rows[0])
    head, fields, key = _insert_head(model)
    one = f"({', '.join(['%s'] * len(fields))})"
    values = [field.get_db_prep_save(field.pre_save(row, True), connection) for row in rows for field in fields]
    end = f' RETURNING "{key}"' if key else ""
    with statement_cursor() as cursor:
        cursor.execute(f"{head} {', '.join([one] * len(rows))}{end}", values)
        keys = cursor.fetchall() if key else []
    for row, found in zip(rows, keys, strict=False):
        row.pk = found[0]
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


def rows_update(model: type[Model], changes: Mapping[str, Any], **held: Any) -> int:
    """Set `changes` on the rows whose fields equal `held` (None: are null); return how many there were."""
    names, conditions = tuple(changes), tuple((name, value is None) for name, value in held.items())
    sql = _update(model, names, conditions)
    values = [_stored(model, name, value) for name, value in changes.items()]
    values += [_stored(model, name, value) for name, value in held.items() if value is not None]
    with statement_cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


@lru_cache(maxsize=256)
def _insert_head(model: type[Model]) -> tuple[str, list[Field[Any, Any]], str]:
    meta = model._meta
    fields = [field for field in meta.concrete_fields if not isinstance(field, AutoField)]
    key = "" if len(fields) == len(meta.concrete_fields) else meta.pk.column
    columns = ", ".join(f'"{field.column}"' for field in fields)
    return f'INSERT INTO "{meta.db_table}" ({columns}) VALUES', fields, key


@lru_cache(maxsize=1_000)
def _update(model: type[Model], names: tuple[str, ...], conditions: tuple[tuple[str, bool], ...]) -> str:
    sets = ", ".join(f'"{_field(model, name).column}" = %s' for name in names)
    which = " AND ".join(
        f'"{_field(model, name).column}" IS NULL' if is_null else f'"{_field(model, name).column}" = %s'
        for name, is_null in conditions
    )
    return f'UPDATE "{model._meta.db_table}" SET {sets} WHERE {which}'  # noqa: S608  (names of our own models)


@lru_cache(maxsize=1_000)
def _field(model: type[Model], name: str) -> Field[Any, Any]:
    if name == "pk":
        return model._meta.pk
    return next(field for field in model._meta.concrete_fields if name in (field.name, field.attname))


def _stored(model: type[Model], name: str, value: Any) -> Any:
    return _field(model, name).get_db_prep_save(value, connection)
