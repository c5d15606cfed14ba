"""System checks: an account without limits is said before it surprises."""

from __future__ import annotations

import pytest

from orders.models import Account
from risk.checks import limits_of_live_accounts
from tests.factories.orders import account_make, venue_account_make

pytestmark = pytest.mark.django_db


def test_an_account_without_a_profile_is_a_warning_on_paper_and_an_error_live(account: Account) -> None:
    account_make("10")
    assert [m.id for m in limits_of_live_accounts(databases=["default"])] == ["risk.W001"]
    venue_account_make("live")
    (message,) = [m for m in limits_of_live_accounts(databases=["default"]) if m.id != "risk.W001"]
    assert message.id == "risk.E001"
    assert "every order on it is refused" in message.msg


def test_without_a_database_nothing_is_asked() -> None:
    assert limits_of_live_accounts(databases=None) == []
