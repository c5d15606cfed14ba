"""A few of the campaign's streams through the services on Postgres; many with LEDGER_SERVICE_STREAMS."""

from __future__ import annotations

import os
import time

import pytest
from django.db import transaction

from tests.factories.markets import outcome_make
from tests.orders.ledger import services

pytestmark = pytest.mark.django_db
STREAMS = int(os.environ.get("LEDGER_SERVICE_STREAMS", "12"))
FIRST = int(os.environ.get("LEDGER_SERVICE_FIRST", "0"))


def test_the_books_on_postgres_equal_the_oracle_and_the_venue() -> None:
    first, second = outcome_make(), outcome_make()
    outcomes = [o for one in (first, second) for o in one.market.outcomes.order_by("index")]
    began, entries = time.monotonic(), 0
    for seed in range(FIRST, FIRST + STREAMS):
        with transaction.atomic():  # each stream is looked at whole, then forgotten: the tables stay small
            assert services.check(seed, outcomes) == "", f"stream {seed}"
            entries += services.entries_count()
            transaction.set_rollback(True)
    assert entries > 0
    print(f"{STREAMS} streams, {entries} ledger entries, {time.monotonic() - began:.0f} s: no difference")
