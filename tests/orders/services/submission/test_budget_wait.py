"""Orders that wait for the venue's rate limits, as the sender threads meet them: outside of any transaction."""

from __future__ import annotations

import pytest

from alerts.selectors.screens import event_rows
from orders.models import Order
from orders.services.submission import stages
from tests.factories.orders import AT, venue_account_make


@pytest.mark.django_db(transaction=True)
def test_that_orders_wait_for_the_rate_budget_is_told_where_no_transaction_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = venue_account_make(signer_address="0x" + "5" * 40)
    monkeypatch.setattr(stages.rate_budget, "take", lambda *_: 2.5)
    now, later = stages._within_budget(account, [Order(pk=7), Order(pk=8)], lambda: AT)
    assert now == [] and set(later) == {7, 8}
    (event,) = event_rows(account_ids=None, kind="venue.budget")
    assert "2 orders wait 2.5 s" in event.message
