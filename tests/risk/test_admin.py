"""The admin of the gate: profiles and limits by services, verdicts read-only, halts made and lifted."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from alerts.models import AuditEvent
from markets.models import Outcome
from orders.models import Account
from risk.models import AccountLimits, Halt, RiskProfile, RiskVerdict
from risk.services.gate import GateDesk, placements_review
from tests.factories.markets import AT
from tests.factories.orders import ORIGIN, account_make, placement

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser(username="chief", password="x"))
    return client


@pytest.mark.parametrize("name", ["riskprofile", "accountlimits", "originlimits", "riskverdict", "halt"])
def test_every_list_opens(staff: Client, name: str) -> None:
    assert staff.get(f"/admin/risk/{name}/").status_code == 200


def test_an_edited_profile_says_which_numbers_changed(staff: Client, account: Account) -> None:
    profile = RiskProfile.objects.get(name="moderate")
    values = {f.name: getattr(profile, f.name) for f in RiskProfile._meta.fields if f.name != "id"}
    answer = staff.post(f"/admin/risk/riskprofile/{profile.pk}/change/", {**values, "order_size": "75"})
    assert answer.status_code == 302
    event = AuditEvent.objects.filter(kind="risk.limits", subject_kind="profile").get()
    assert (event.actor, list(event.payload["after"])) == ("chief", ["order_size"])
    assert event.payload["before"] == {"order_size": "100.000000"}


def test_an_account_gets_a_profile(staff: Client, account: Account) -> None:
    bare = account_make("10")
    profile = RiskProfile.objects.get(name="aggressive")
    answer = staff.post("/admin/risk/accountlimits/add/", {"account_id": bare.pk, "profile": profile.pk})
    assert answer.status_code == 302
    assert AccountLimits.objects.get(account_id=bare.pk).profile == profile
    row = AccountLimits.objects.get(account_id=account.pk)
    assert staff.get(f"/admin/risk/accountlimits/{row.pk}/change/").status_code == 200
    assert staff.post(f"/admin/risk/accountlimits/{row.pk}/change/", {"profile": profile.pk}).status_code == 302
    row.refresh_from_db()
    assert row.profile == profile


def test_a_strategy_gets_tighter_limits(staff: Client) -> None:
    answer = staff.post("/admin/risk/originlimits/add/", {"origin_kind": "strategy", "origin_id": 7, "order_size": "5"})
    assert answer.status_code == 302
    assert AuditEvent.objects.filter(kind="risk.limits", subject_id="7").count() == 1


def test_verdicts_can_be_read_and_nothing_else(
    staff: Client, account: Account, outcome: Outcome, books: object
) -> None:
    placements_review(GateDesk(account_id=account.pk, origin=ORIGIN, clock=lambda: AT), [placement(outcome)], now=AT)
    row = RiskVerdict.objects.get()
    page = staff.get(f"/admin/risk/riskverdict/{row.pk}/change/")
    assert page.status_code == 200
    assert "account_exposure" in page.content.decode()
    assert staff.get("/admin/risk/riskverdict/add/").status_code == 403
    assert staff.post(f"/admin/risk/riskverdict/{row.pk}/change/", {"decision": "approved"}).status_code == 403
    assert staff.post(f"/admin/risk/riskverdict/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_halts_are_made_and_lifted(staff: Client, account: Account) -> None:
    staff.post("/admin/risk/halt/add/", {"account_id": account.pk, "kind": "halted", "reason": "odd"})
    halt = Halt.objects.get()
    account.refresh_from_db()
    assert (halt.by, account.trading_state) == ("chief", "halted")
    staff.post("/admin/risk/halt/", {"action": "lift", "_selected_action": [halt.pk]})
    account.refresh_from_db()
    assert account.trading_state == "active"
    staff.post("/admin/risk/halt/add/", {"account_id": "", "kind": "reduce_only", "reason": "all"})
    assert Halt.objects.latest("id").account_id is None
