"""The journal, notifications, rules and channels over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client

from alerts import tasks
from alerts.models import AlertChannel, AlertRule, AuditEvent, Delivery
from tests.factories.alerts import channel_make, event_make, rule_make
from tests.factories.orders import account_make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def bare() -> None:
    AlertRule.objects.all().delete()
    AlertChannel.objects.all().delete()


@pytest.fixture
def staff() -> Client:
    return client_of(get_user_model().objects.create_user(username="chief", is_staff=True))


def client_of(user: Any) -> Client:
    made = Client()
    made.force_login(user)
    return made


def call(client: Client, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    raw = b"" if body is None else json.dumps(body).encode()
    answer = client.generic(method.upper(), f"/api/v1/{path}", data=raw, content_type="application/json")
    told = answer.json() if answer.content else {}
    return answer.status_code, told.get("data") if answer.status_code < 400 else told.get("error")


def test_people_read_the_events_of_their_own_accounts_and_of_the_desk(staff: Client) -> None:
    mine, other = account_make("1"), account_make("1")
    for account in (mine, other):
        event_make("order.live", account_id=account.pk, stream=f"account:{account.pk}")
    event_make("feed.stale", subject_kind="", subject_id="")
    event_make("auth.login", stream="auth")
    person = client_of(mine.owner)
    seen = [row["kind"] for row in call(person, "get", "audit")[1]]
    assert seen.count("order.live") == 1
    assert "feed.stale" in seen
    assert "auth.login" not in seen
    # The event above, and the two sign-ins of this test.
    assert [r["kind"] for r in call(staff, "get", "audit?kind=auth.login")[1]] == ["auth.login"] * 3
    assert call(person, "get", "audit?severity=loud")[0] == 400


def test_notifications_are_listed_and_dismissed() -> None:
    account, other = account_make("1"), account_make("1")
    channel_make("browser", target="")
    rule_make(repeat_after_s=0)
    for owner in (account, other):
        event_make(account_id=owner.pk, stream=f"account:{owner.pk}")
    tasks.deliver_alerts()
    person = client_of(account.owner)
    (row,) = call(person, "get", "notifications?unseen=true")[1]
    assert (row["kind"], row["account_id"]) == ("order.filled", account.pk)
    theirs = Delivery.objects.get(event__account_id=other.pk).pk
    assert call(person, "post", "notifications/seen", {"ids": [row["id"], theirs]})[1] == {"seen": 1}
    assert call(person, "get", "notifications?unseen=true")[1] == []
    assert len(call(person, "get", "notifications")[1]) == 1


def test_rules_are_made_changed_and_removed_by_staff(staff: Client) -> None:
    channel = channel_make()
    wanted = {
        "name": "big", "kind": "order.filled", "severity": "info", "operator": "gte", "field": "notional",
        "threshold": "250", "channels": [channel.pk],
    }  # fmt: skip
    status, rule = call(staff, "post", "alerts/rules", wanted)
    assert (status, rule["threshold"], rule["channels"]) == (201, "250.000000", [channel.pk])
    path = f"alerts/rules/{rule['id']}"
    assert call(staff, "patch", path, {"threshold": "100"})[1]["threshold"] == "100.000000"
    assert call(staff, "get", path)[1]["channels"] == [channel.pk]
    assert call(staff, "delete", path)[0] == 204
    assert call(staff, "get", path)[0] == 404
    assert list(AuditEvent.objects.filter(kind="alerts.rule").values_list("actor", flat=True)) == ["chief"] * 3


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": " "}, "kind"),
        ({"operator": "like"}, "operator"),
        ({"operator": "gt"}, "threshold"),
        ({"threshold": "5"}, "operator"),
        ({"threshold": "NaN", "operator": "gt", "field": "x"}, "threshold"),
        ({"quiet_from": "22:00"}, "quiet_until"),
        ({"quiet_from": "25:00"}, "quiet_from"),
        ({"severity": "loud"}, "severity"),
        ({"subject_id": "3"}, "subject_kind"),
        ({"channels": [999_999]}, "channels"),
        ({"repeat_after_s": -1}, "repeat_after_s"),
        ({"name": "no blanks please"}, "name"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_the_field(
    staff: Client, values: dict[str, Any], field: str
) -> None:
    status, error = call(
        staff, "post", "alerts/rules", {"name": "r", "kind": "order.filled", "severity": "info", **values}
    )
    assert status == 400
    assert field in error["details"]


def test_rules_and_channels_are_not_everybodys_to_change() -> None:
    person = client_of(account_make("1").owner)
    rule = rule_make()
    channel = channel_make()
    assert call(person, "get", "alerts/rules")[0] == 200
    assert call(person, "post", "alerts/rules", {})[0] == 403
    assert call(person, "delete", f"alerts/rules/{rule.pk}")[0] == 403
    assert call(person, "get", "alerts/channels")[0] == 403
    assert call(person, "post", f"alerts/channels/{channel.pk}/test")[0] == 403


def test_a_channel_is_made_tested_and_removed(staff: Client) -> None:
    status, channel = call(
        staff, "post", "alerts/channels", {"transport": "email", "label": "me", "target": "ann@example.com"}
    )
    assert status == 201
    path = f"alerts/channels/{channel['id']}"
    assert call(staff, "post", f"{path}/test")[1]["state"] == "sent"
    assert mail.outbox[0].to == ["ann@example.com"]
    assert call(staff, "patch", path, {"target": "nobody"})[0] == 200
    told = call(staff, "post", f"{path}/test")[1]
    assert (told["state"], told["last_error"]) == ("failed", "'nobody' is not an e-mail address")
    assert call(staff, "post", "alerts/channels", {"transport": "pigeon", "label": "x"})[0] == 400
    assert len(call(staff, "get", "alerts/deliveries?state=failed")[1]) == 1
    assert call(staff, "delete", path)[0] == 400  # its log is kept
    unused = channel_make()
    assert call(staff, "delete", f"alerts/channels/{unused.pk}")[0] == 204
