"""Signing in: the journal hears of it, and too many refusals pause it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alerts.models import AuditEvent
from tests.factories.desk import PASSWORD, people_make


@pytest.fixture
def people(db: None) -> None:
    people_make()


def attempt(client: Client, password: str, username: str = "owner") -> Any:
    return client.post(reverse("login"), {"username": username, "password": password})


def kinds() -> list[str]:
    return list(AuditEvent.objects.filter(stream="auth").order_by("id").values_list("kind", flat=True))


def test_sign_ins_refusals_and_sign_outs_are_written_down(people: None) -> None:
    client = Client()
    attempt(client, "wrong")
    assert attempt(client, PASSWORD).status_code == 302
    client.post(reverse("logout"))
    assert kinds() == ["auth.login_failed", "auth.login", "auth.logout"]
    refused = AuditEvent.objects.get(kind="auth.login_failed")
    assert refused.severity == "warning" and refused.payload["address"] == "127.0.0.1"
    assert "wrong" not in refused.message and "wrong" not in str(refused.payload)


def test_the_fifth_refusal_pauses_that_name_from_that_address(people: None, settings: Any) -> None:
    settings.AXES_ENABLED = True
    client = Client()
    page = attempt(client, "wrong").content.decode()
    assert "User name or password is wrong." in page and "4 tries left before a 15-minute pause" in page
    for _ in range(2):
        attempt(client, "wrong")
    assert "1 try left" in attempt(client, "wrong").content.decode()
    locked = attempt(client, "wrong")
    assert locked.status_code == 429 and locked["Retry-After"] == "900"
    assert "Wait 15 minutes" in locked.content.decode()
    assert attempt(client, PASSWORD).status_code == 429, "the right password waits as well"
    assert attempt(Client(), PASSWORD, username="admin").status_code == 302, "others are not held"


def test_a_refusal_says_the_same_for_a_name_that_exists_and_one_that_does_not(people: None) -> None:
    pages = {
        attempt(Client(), "wrong", name).content.decode().split("<form")[1].split("csrf")[0] for name in ("owner", "x")
    }
    assert len(pages) == 1


def test_somebody_who_is_switched_off_does_not_get_in(people: None, django_user_model: Any) -> None:
    django_user_model.objects.filter(username="owner").update(is_active=False)
    assert attempt(Client(), PASSWORD).status_code == 200
    assert "auth.login" not in kinds()


def test_signing_in_leads_back_to_the_page_asked_for_and_nowhere_else(people: None) -> None:
    def landed(wanted: str) -> str:
        fields = {"username": "owner", "password": PASSWORD, "next": wanted}
        return str(Client().post(reverse("login"), fields)["Location"])

    assert landed("/orders/?state=open") == "/orders/?state=open"
    assert landed("https://evil.test/") == "/"


def test_the_pages_carry_their_policies(people: None) -> None:
    answer = Client().get(reverse("login"))
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert answer["X-Frame-Options"] == "DENY" and answer["Referrer-Policy"] == "same-origin"
