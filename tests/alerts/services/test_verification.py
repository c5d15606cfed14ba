"""The database refuses changes of the journal, and the verifier finds those made past it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction

from alerts.models import AuditEvent, AuditStream
from alerts.services import journal, verification

pytestmark = pytest.mark.django_db


@pytest.fixture
def events() -> list[int]:
    return [journal.event_record("order.filled", f"fill {n}", payload={"n": n}) for n in range(1, 6)]


@contextmanager
def triggers_off() -> Iterator[None]:
    """What somebody who owns the database can do, and the verifier must find."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE alerts_auditevent DISABLE TRIGGER alerts_audit_no_change")
        yield
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE alerts_auditevent ENABLE ALWAYS TRIGGER alerts_audit_no_change")


def problems() -> list[str]:
    return [report.problem for report in verification.audit_verify()]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alerts_auditevent SET message = 'forged'",
        "DELETE FROM alerts_auditevent",
        "TRUNCATE alerts_auditevent CASCADE",
        "SET LOCAL session_replication_role = replica; DELETE FROM alerts_auditevent",
    ],
)
def test_the_database_refuses_to_change_the_journal(events: list[int], statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE alerts_auditevent ENABLE ALWAYS TRIGGER alerts_audit_no_truncate")
        with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
            cursor.execute(statement)
    assert AuditEvent.objects.count() == 5


def test_an_untouched_journal_is_intact(events: list[int]) -> None:
    assert problems() == [""]


@pytest.mark.parametrize(
    "change",
    [
        {"message": "forged"},
        {"payload": {"n": 99}},
        {"kind": "order.refused"},
        {"actor": "somebody else"},
        {"account_id": 3},
        {"at": "2020-01-01T00:00:00Z"},
    ],
)
def test_any_changed_column_is_found(events: list[int], change: dict[str, object]) -> None:
    with triggers_off():
        AuditEvent.objects.filter(pk=events[2]).update(**change)
    assert problems() == ["row 3 was changed after it was written"]


def test_a_removed_row_is_found(events: list[int]) -> None:
    with triggers_off():
        AuditEvent.objects.filter(pk=events[1]).delete()
    assert problems() == ["row 2 is missing, the next one is 3"]


def test_a_removed_last_row_is_found(events: list[int]) -> None:
    with triggers_off():
        AuditEvent.objects.filter(pk=events[-1]).delete()
    assert problems() == ["row 5, the head, is missing or is not the one that was written"]


def test_a_row_inserted_behind_the_head_is_found(events: list[int]) -> None:
    forged = AuditEvent.objects.get(pk=events[-1])
    forged.pk, forged.seq = None, 6
    forged.save(force_insert=True)
    assert problems() == ["rows were inserted behind the head, row 5"]


def test_a_removed_head_is_found(events: list[int]) -> None:
    AuditStream.objects.all().delete()
    assert problems() == ["the head of the stream is missing, 5 rows stand without it"]


def test_a_tail_cut_together_with_its_head_is_found_against_a_noted_head(events: list[int], tmp_path: Path) -> None:
    noted = tmp_path / "heads.json"
    noted.write_text(verify("--json"))
    with triggers_off():
        AuditEvent.objects.filter(pk__in=events[3:]).delete()
    third = AuditEvent.objects.get(pk=events[2])
    AuditStream.objects.update(head_seq=3, head_hash=third.hash)
    assert problems() == [""]
    with pytest.raises(CommandError, match="the journal was changed in: desk"):
        verify("--against", str(noted))


def test_the_command_reports_each_stream(events: list[int]) -> None:
    assert "desk: 5 rows" in verify()
    assert json.loads(verify("--json"))["desk"]["seq"] == 5


def test_a_file_that_is_not_a_note_of_heads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("[]")
    with pytest.raises(CommandError, match="verify_audit --json"):
        verify("--against", str(tmp_path / "x"))


def test_the_periodic_check_goes_round_in_parts_and_finds_a_change_once_a_day(events: list[int]) -> None:
    with triggers_off():
        AuditEvent.objects.filter(pk=events[3]).update(message="forged")
    assert verification.audit_verify_part(rows=2) == []  # rows 1 and 2
    (report,) = verification.audit_verify_part(rows=2)
    assert report.problem == "row 4 was changed after it was written"
    now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    for _ in range(3):
        assert [r.stream for r in verification.audit_watch(now=now)] == ["desk"]
    assert AuditEvent.objects.filter(kind="audit.changed", severity="critical").count() == 1


def test_the_periodic_check_starts_again_after_the_head(events: list[int]) -> None:
    for _ in range(3):  # rows 1-2, 3-4, 5 and the head
        assert verification.audit_verify_part(rows=2) == []
    with triggers_off():
        AuditEvent.objects.filter(pk=events[0]).update(message="forged")
    assert [r.problem for r in verification.audit_verify_part(rows=2)] == ["row 1 was changed after it was written"]


def verify(*arguments: str) -> str:
    out = io.StringIO()
    call_command("verify_audit", *arguments, stdout=out)
    return out.getvalue()
