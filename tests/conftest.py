"""Fixtures every test may use."""

from __future__ import annotations

import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let the test runner empty the journal between transactional tests.

    Only TRUNCATE is let through, and only here; the trigger that refuses it is tested
    by switching it on again (tests/alerts/services/test_verification.py).
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE alerts_auditevent DISABLE TRIGGER alerts_audit_no_truncate")
