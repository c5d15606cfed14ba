"""Every page of the admin answers, with rows, under the theme; history and audit cannot be edited."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import NoReverseMatch, reverse

from polybot import schedule
from polybot.identity import keys
from tests.factories.desk import DeskRows, desk_make

READ_ONLY = ("alerts.auditevent", "orders.fill", "orders.order", "orders.ledgertransaction", "risk.riskverdict",
             "strategies.decision", "orders.position", "identity.apikey")  # fmt: skip


@pytest.fixture
def desk(db: None) -> DeskRows:
    desk = desk_make()
    schedule.schedule_install()
    keys.key_create(desk.owner, name="script", scopes=["read"])
    Group.objects.create(name="traders")
    return desk


@pytest.fixture
def staff(desk: DeskRows) -> Client:
    client = Client()
    client.force_login(desk.staff)
    return client


def test_every_list_form_and_row_answers(staff: Client) -> None:
    walked = 0
    for model, page in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert staff.get(reverse(f"{name}_changelist")).status_code == 200, name
        adding = staff.get(reverse(f"{name}_add")).status_code
        assert adding == (200 if page.has_add_permission(_request(staff)) else 403), name
        row = model._default_manager.first()
        if row is not None:
            walked += 1
            for part in ("change", "history"):
                try:
                    url = reverse(f"{name}_{part}", args=[row.pk])
                except NoReverseMatch:
                    continue
                assert staff.get(url).status_code == 200, url
    assert walked > 20


def _request(client: Client):  # type: ignore[no-untyped-def]
    return client.get(reverse("admin:index")).wsgi_request


def test_the_menu_leads_only_to_pages_that_answer(staff: Client) -> None:
    page = staff.get(reverse("admin:index")).content.decode()
    links = set(re.findall(r'href="(/(?:admin/[a-z_]+/[a-z]+/)?)"', page))
    assert "/" in links and len(links) > 20
    for link in links:
        assert staff.get(link).status_code == 200, link


@pytest.mark.parametrize("label", READ_ONLY)
def test_history_is_read_only(desk: DeskRows, staff: Client, label: str) -> None:
    registered = next(a for m, a in admin.site._registry.items() if m._meta.label_lower == label)
    request = _request(staff)
    assert not registered.has_add_permission(request)
    assert not registered.has_change_permission(request)
    assert not registered.has_delete_permission(request)


def test_people_who_are_not_staff_stay_out(desk: DeskRows) -> None:
    client = Client()
    client.force_login(desk.owner)
    assert client.get(reverse("admin:index")).status_code == 302


def test_a_key_is_revoked_from_the_list(desk: DeskRows, staff: Client) -> None:
    key, secret = keys.key_create(desk.owner, name="old", scopes=["read"])
    staff.post(reverse("admin:identity_apikey_changelist"), {"action": "revoke", "_selected_action": [key.pk]})
    assert keys.key_find(secret) is None
