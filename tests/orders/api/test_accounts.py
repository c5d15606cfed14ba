"""Accounts over the API: states and addresses, and never a secret."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from orders.domain.private_keys import key_new
from orders.models import Account
from orders.services import keyholder
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db


def client_of(person: object) -> APIClient:
    client = APIClient()
    client.force_login(person)  # type: ignore[arg-type]
    return client


def test_an_owner_sees_the_wallet_and_no_secret(live_desk: LiveDesk) -> None:
    key = key_new()
    account = live_desk.account("safe", key=key)
    answer = client_of(account.owner).get("/api/v1/accounts")
    (row,) = answer.json()["data"]
    assert (row["connection"], row["wallet_address"]) == ("ready", account.wallet_address)
    assert row["secrets"] == ["api_credentials", "private_key"] and row["missing_permits"] == []
    credentials = keyholder.credentials(account.pk)
    for secret in (key.hex(), credentials.secret, credentials.passphrase, credentials.api_key):
        assert secret not in answer.content.decode()
    stranger = client_of(get_user_model().objects.create_user("eve"))
    assert stranger.get("/api/v1/accounts").json()["data"] == []


def test_connecting_again_is_asked_for_and_done_by_the_trader(live_desk: LiveDesk) -> None:
    account = live_desk.account()
    Account.objects.filter(pk=account.pk).update(connection="failed", connection_note="the venue was away")
    staff = client_of(get_user_model().objects.create_superuser("admin"))
    answer = staff.post(f"/api/v1/accounts/{account.pk}/connect")
    assert answer.status_code == 202 and answer.json()["data"]["connection"] == "ready"
