"""A wallet is known at one exchange: a desk started at another one sets its account aside and says so."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from orders.domain.lifecycle import Environment
from orders.models import Account
from orders.services.homes import accounts_house
from tests.factories.orders import AT

pytestmark = pytest.mark.django_db


def account(home: str, connection: str, *, environment: Environment = Environment.SANDBOX) -> Account:
    owner, _ = get_user_model().objects.get_or_create(username="ada")
    return Account.objects.create(
        name=f"{home} {connection}", owner=owner, venue="polymarket", environment=environment,
        home=home, connection=connection,
    )  # fmt: skip


def test_accounts_of_another_exchange_go_away_and_come_back(settings: object) -> None:
    settings.POLYBOT_EXCHANGE = "seed-2"  # type: ignore[attr-defined]
    here, there = account("seed-2", "ready"), account("seed-1", "ready")
    live = account("polymarket", "ready", environment=Environment.LIVE)
    failed = account("seed-1", "failed")
    paper = account("", "none", environment=Environment.PAPER)
    assert [words.partition(" is away")[0] for words in accounts_house(AT)] == [there.name, live.name]
    assert accounts_house(AT) == []  # told once
    for row, connection in ((here, "ready"), (there, "away"), (live, "away"), (failed, "failed"), (paper, "none")):
        row.refresh_from_db()
        assert row.connection == connection
    settings.POLYBOT_EXCHANGE = "seed-1"  # type: ignore[attr-defined]
    accounts_house(AT)
    there.refresh_from_db()
    assert there.connection == "connecting"  # it never got as far as credentials
