"""Events written together: the same chain as one by one, or nothing."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from alerts.models import AuditEvent
from alerts.services.journal import NotInTransactionError, event_record, events_together
from alerts.services.verification import audit_verify

pytestmark = pytest.mark.django_db


def test_events_of_a_block_continue_their_streams_in_the_order_they_were_told() -> None:
    event_record("order.live", "before", stream="account:1")
    with CaptureQueriesContext(connection) as queries, transaction.atomic(), events_together():
        for n in range(5):
            assert event_record("order.live", f"order {n}", stream="account:1") == 0
        event_record("risk.halted", "apart", stream="desk")
    rows = AuditEvent.objects.filter(stream="account:1").order_by("seq").values_list("seq", "message")
    assert list(rows) == [(1, "before"), *((n + 2, f"order {n}") for n in range(5))]
    assert [report.problem for report in audit_verify()] == ["", ""]
    assert len(queries) <= 10  # two of the transaction, three for each stream, one more for a stream's first


def test_a_block_that_raises_writes_nothing() -> None:
    with pytest.raises(ValueError, match="no"), transaction.atomic(), events_together():
        event_record("order.live", "one")
        raise ValueError("no")
    assert AuditEvent.objects.count() == 0
    event_record("order.live", "alone")
    assert AuditEvent.objects.count() == 1


def test_an_inner_block_leaves_the_writing_to_the_outer_one() -> None:
    with transaction.atomic(), events_together():
        with events_together():
            event_record("order.live", "one")
        assert AuditEvent.objects.count() == 0
    assert AuditEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_together_needs_a_transaction_like_each_alone() -> None:
    with pytest.raises(NotInTransactionError), events_together():
        pass
