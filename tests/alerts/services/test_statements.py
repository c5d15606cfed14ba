"""Statements made once store and find what the ORM stores and finds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from alerts.models import AuditEvent, AuditStream
from alerts.selectors.statements import Select, rows_read
from alerts.services.statements import rows_insert, rows_update

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(seq: int, **values: object) -> AuditEvent:
    made = {"stream": "s", "seq": seq, "at": AT, "kind": "k", "severity": "info", "message": "m", "hash": f"{seq}"}
    return AuditEvent(**(made | values))


def test_inserted_rows_read_back_as_the_orm_reads_them() -> None:
    written = [event(1, payload={"a": [1, "%s"]}, account_id=7), event(2)]
    rows_insert(written)
    by_orm = list(AuditEvent.objects.order_by("seq"))
    by_statement = Select(AuditEvent, "WHERE stream = %s ORDER BY seq").rows("s")
    for orm, ours, row in zip(by_orm, by_statement, written, strict=True):
        names = [field.attname for field in AuditEvent._meta.concrete_fields]
        assert [getattr(orm, n) for n in names] == [getattr(ours, n) for n in names] == [getattr(row, n) for n in names]
        assert not ours._state.adding and not row._state.adding
    assert by_orm[0].payload == {"a": [1, "%s"]}


def test_an_update_changes_only_rows_that_are_as_held() -> None:
    AuditStream.objects.create(name="s", head_seq=3)
    assert rows_update(AuditStream, {"head_seq": 9}, name="s", head_seq=4) == 0
    assert rows_update(AuditStream, {"head_seq": 4, "head_hash": "x"}, pk="s", head_seq=3) == 1
    assert rows_read("SELECT head_seq, head_hash FROM alerts_auditstream") == [(4, "x")]


def test_nothing_is_held_by_a_null_that_is_not_there() -> None:
    row = event(1, account_id=7)
    rows_insert([row])
    assert rows_read("SELECT count(*) FROM alerts_auditevent WHERE account_id IS NULL") == [(0,)]
    assert Select(AuditEvent, "WHERE account_id IS NULL").first() is None


def test_a_statement_fails_as_the_orm_fails() -> None:
    rows_insert([event(1)])
    with pytest.raises(IntegrityError), transaction.atomic():
        rows_insert([event(1)])


def test_the_same_statement_may_run_many_times() -> None:
    for seq in range(1, 12):  # beyond the number of runs after which Postgres keeps the plan
        rows_insert([event(seq)])
        assert rows_read("SELECT max(seq) FROM alerts_auditevent WHERE stream = %s", "s") == [(seq,)]
