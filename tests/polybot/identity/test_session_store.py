from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from polybot.identity.session_store import SessionStore, session_row, stored_key

pytestmark = pytest.mark.django_db


def test_the_table_never_holds_what_the_cookie_holds() -> None:
    store = SessionStore()
    store["colour"] = "green"
    store.create()
    key = store.session_key
    assert key and list(Session.objects.values_list("session_key", flat=True)) == [stored_key(key)] != [key]
    assert SessionStore(key)["colour"] == "green"
    assert store.exists(key) and session_row(key) is not None
    assert SessionStore(stored_key(key)).get("colour") is None  # a leaked row is no key
    assert session_row(None) is None


def test_changing_cycling_and_ending_a_session_work_as_ever() -> None:
    store = SessionStore()
    store["n"] = 1
    store.save()
    first = store.session_key
    store["n"] = 2
    store.save()
    store.cycle_key()
    assert SessionStore(first).get("n") is None and SessionStore(store.session_key)["n"] == 2
    store.flush()
    assert not Session.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_same_from_asynchronous_code() -> None:
    async def steps() -> tuple[object, bool, bool]:
        store = SessionStore()
        await store.aset("n", 1)
        await store.acreate()
        found = await SessionStore(store.session_key).aget("n")
        existed = await store.aexists(store.session_key)
        await store.adelete(store.session_key)
        return found, existed, await store.aexists(store.session_key)

    assert async_to_sync(steps)() == (1, True, False)


def test_signing_in_and_out_in_a_browser(django_user_model: type) -> None:
    django_user_model.objects.create_user("ada", password="correct horse battery")
    client = Client()
    assert client.login(username="ada", password="correct horse battery")
    cookie = client.cookies["sessionid"].value
    assert session_row(cookie) is not None and not Session.objects.filter(session_key=cookie).exists()
    assert client.get(reverse("desk:settings")).status_code == 200
    client.logout()
    assert not Session.objects.exists()
