"""The admin of alerts: rules and channels through services, the journal read-only."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client

from alerts.models import AlertChannel, AlertRule, AuditEvent
from tests.factories.alerts import channel_make, event_make, rule_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser(username="chief", password="x"))
    return client


@pytest.mark.parametrize("name", ["alertchannel", "alertrule", "auditevent", "delivery", "heartbeat", "jobrun"])
def test_every_list_opens(staff: Client, name: str) -> None:
    assert staff.get(f"/admin/alerts/{name}/").status_code == 200


def test_a_channel_is_added_and_tested_and_its_log_keeps_it(staff: Client) -> None:
    AlertChannel.objects.all().delete()
    staff.post(
        "/admin/alerts/alertchannel/add/",
        {"transport": "email", "label": "me", "target": "ann@example.com", "enabled": "on", "minimum_severity": "info"},
    )
    channel = AlertChannel.objects.get()
    page = staff.post(
        "/admin/alerts/alertchannel/", {"action": "send_test", "_selected_action": [channel.pk]}, follow=True
    )
    assert "email: me: sent" in page.content.decode()
    assert mail.outbox[0].to == ["ann@example.com"]
    staff.post(f"/admin/alerts/alertchannel/{channel.pk}/delete/", {"post": "yes"})
    assert AlertChannel.objects.filter(pk=channel.pk).exists()
    kinds = AuditEvent.objects.filter(actor="chief", kind__startswith="alerts.").order_by("id")
    assert list(kinds.values_list("kind", flat=True)) == ["alerts.channel", "alerts.test"]


def test_a_channel_without_a_log_is_removed(staff: Client) -> None:
    channel = channel_make()
    staff.post(f"/admin/alerts/alertchannel/{channel.pk}/delete/", {"post": "yes"})
    assert not AlertChannel.objects.filter(pk=channel.pk).exists()
    assert AuditEvent.objects.get(kind="alerts.channel").message.endswith("was removed")


def rule_form(**values: str) -> dict[str, str]:
    return {
        "name": "big", "kind": "order.filled", "severity": "info", "repeat_after_s": "300", "repeat_by": "subject",
        "wait_s": "0",
        **values,
    }  # fmt: skip


def test_a_rule_is_checked_and_saved_with_its_channels(staff: Client) -> None:
    channel = channel_make()
    page = staff.post("/admin/alerts/alertrule/add/", rule_form(operator="gt"))
    assert "a comparison needs" in page.content.decode()
    wanted = rule_form(operator="gt", field="notional", threshold="250")
    answer = staff.post("/admin/alerts/alertrule/add/", {**wanted, "channels": [channel.pk]})
    assert answer.status_code == 302
    rule = AlertRule.objects.get(name="big")
    assert list(rule.channels.all()) == [channel]
    assert staff.get(f"/admin/alerts/alertrule/{rule.pk}/change/").status_code == 200


def test_the_journal_can_be_read_and_nothing_else(staff: Client) -> None:
    rule_make()
    event = event_make(payload={"price": "0.48"})
    page = staff.get(f"/admin/alerts/auditevent/{event}/change/")
    assert "0.48" in page.content.decode()
    assert staff.get("/admin/alerts/auditevent/add/").status_code == 403
    assert staff.post(f"/admin/alerts/auditevent/{event}/change/", {"message": "forged"}).status_code == 403
    assert staff.post(f"/admin/alerts/auditevent/{event}/delete/", {"post": "yes"}).status_code == 403
