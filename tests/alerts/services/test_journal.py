"""The journal: one row per change, in the transaction of the change, without gaps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from alerts.domain import chain
from alerts.domain.events import Severity
from alerts.models import AuditEvent, AuditStream
from alerts.services import journal, verification


@pytest.mark.django_db
def test_events_of_a_stream_are_numbered_and_chained() -> None:
    first = journal.event_record("order.approved", "bought 10", stream="account:1", payload={"price": Decimal("0.5")})
    second = journal.event_record("order.filled", "filled 10", stream="account:1")
    one, two = AuditEvent.objects.get(pk=first), AuditEvent.objects.get(pk=second)
    assert (one.seq, two.seq) == (1, 2)
    assert one.previous_hash == chain.GENESIS
    assert two.previous_hash == one.hash
    assert one.payload == {"price": "0.5"}
    head = AuditStream.objects.get(name="account:1")
    assert (head.head_seq, head.head_hash) == (2, two.hash)


@pytest.mark.django_db
def test_streams_are_numbered_apart() -> None:
    journal.event_record("desk.started", "up")
    event = journal.event_record("auth.login", "ann signed in", stream="auth")
    assert AuditEvent.objects.get(pk=event).seq == 1


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_a_transaction_is_refused() -> None:
    with pytest.raises(journal.NotInTransactionError, match=r"transaction.atomic"):
        journal.event_record("order.filled", "filled 10")


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_rolled_back_leaves_no_event_and_no_gap() -> None:
    journal.event_record_alone("desk.started", "up")
    with pytest.raises(RuntimeError), transaction.atomic():
        journal.event_record("order.filled", "filled 10")
        raise RuntimeError("the change failed")
    journal.event_record_alone("desk.stopped", "down")
    assert list(AuditEvent.objects.order_by("seq").values_list("seq", "kind")) == [
        (1, "desk.started"),
        (2, "desk.stopped"),
    ]


@pytest.mark.django_db
def test_recording_costs_three_queries() -> None:
    journal.event_record("desk.started", "up")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        journal.event_record("desk.stopped", "down")
    assert len(queries) == 3


@pytest.mark.django_db
def test_hostile_text_is_stored_and_still_verifies() -> None:
    journal.event_record(
        "venue.issue",
        "x\x00" * 600,
        severity=Severity.WARNING,
        subject_label="ü\ud800",
        payload={"big": 1e20, "nested": {"\x00": [float("inf")]}, "number": 10**30},
    )
    assert [r.problem for r in verification.audit_verify()] == [""]


@pytest.mark.django_db(transaction=True)
def test_eight_writers_leave_no_gap_and_a_chain_that_verifies() -> None:
    def write(writer: int) -> None:
        try:
            for number in range(15):
                with transaction.atomic():
                    journal.event_record("order.filled", f"writer {writer} number {number}", stream="account:7")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert list(AuditEvent.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 121))
    assert [(r.stream, r.rows, r.problem) for r in verification.audit_verify()] == [("account:7", 120, "")]
