"""Fixtures every test may use."""

from __future__ import annotations

import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from tests.live_desk import live_desk, local_exchange  # noqa: F401  fixtures of the live path


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let the test runner empty the journal and the books between transactional tests.

    Only TRUNCATE is let through, and only here; the triggers that refuse it are tested by switching them
    on again (tests/alerts/services/test_verification.py, tests/orders/test_books_append_only.py).
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE alerts_auditevent DISABLE TRIGGER alerts_audit_no_truncate")
        for table in ("orders_ledgertransaction", "orders_ledgerentry", "orders_fill"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_no_truncate")
