"""Reconciliation over the API: what is told, what a person does about it, and who may."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from orders.models import Account, Discrepancy, ExternalOrder, ReconcileRun
from tests.factories.orders import AT
from tests.factories.venue import sandbox_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(db: None) -> Account:
    return sandbox_account("100", owner=get_user_model().objects.create_superuser("root", password="x"))


@pytest.fixture
def client(account: Account) -> Client:
    client = Client()
    client.force_login(account.owner)
    return client


def call(client: Client, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    answer = getattr(client, method)(f"/api/v1/{path}", body or {}, content_type="application/json")
    told = json.loads(answer.content)
    return answer.status_code, told["data"] if answer.status_code < 400 else told["error"]


def found(account: Account) -> Discrepancy:
    run = ReconcileRun.objects.create(
        account=account, started_at=AT, finished_at=AT, cash_ours=Decimal(100), cash_theirs=Decimal("99.5")
    )
    return Discrepancy.objects.create(run=run, kind="cash_differs", subject="cash", ours="100", theirs="99.5")


def test_runs_and_differences_are_listed_and_a_difference_is_booked_once(account: Account, client: Client) -> None:
    row = found(account)
    status, runs = call(client, "get", "reconciliations")
    assert (status, runs[0]["open_ends"], runs[0]["cash_theirs"]) == (200, 1, "99.500000")
    path = f"differences/{row.pk}/settle"
    assert call(client, "post", path, {"how": "burn", "reason": "x"})[0] == 400
    status, booked = call(client, "post", path, {"how": "book", "reason": "card fee"})
    assert (status, booked["repair"]) == (200, "booked as a withdrawal of $0.5")
    assert Account.objects.get().cash == Decimal("99.5")
    assert call(client, "post", path, {"how": "book", "reason": "again"})[0] == 400
    assert call(client, "get", "differences")[1][0]["closed_by"] == "root"


def test_a_foreign_order_is_acknowledged_and_others_see_nothing(account: Account, client: Client) -> None:
    row = ExternalOrder.objects.create(
        account=account, venue_order_id="0xf0", facts={"side": "buy"}, state="live", first_seen_at=AT, last_seen_at=AT
    )
    path = f"external-orders/{row.pk}/acknowledge"
    assert call(client, "post", path, {})[0] == 400
    status, told = call(client, "post", path, {"reason": "my phone"})
    assert (status, told["acknowledged_by"]) == (200, "root")
    eve = get_user_model().objects.create_user("eve")
    eve.user_permissions.set(Permission.objects.all())
    stranger = Client()
    stranger.force_login(eve)
    assert call(stranger, "get", "external-orders")[1] == []
    assert call(stranger, "post", path, {"reason": "mine"})[0] in (403, 404)
