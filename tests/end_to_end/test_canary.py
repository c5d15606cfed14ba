"""Planted secrets appear nowhere while accounts open, connect, trade and fail (I17)."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from eth_account import Account as Referee

from alerts.services.journal import event_record
from markets.domain.instruments import Side
from orders.domain.private_keys import key_new
from orders.models import Account
from orders.services import keyholder
from orders.services.execution import order_submit
from orders.tasks import connect_account
from polybot.celery import app
from polybot.dashboard import account_actions
from tests.canary import Search
from tests.live_desk import CAPS, LiveDesk
from tests.orders.services.test_signer import signer_of

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a password that is planted 8231"
PHRASE = "passphrase-of-a-keystore-7342"


@pytest.fixture
def search() -> Iterator[Search]:
    with Search(django_settings.ENV.redis_url) as found:
        yield found


def readable_urls() -> list[str]:
    """Return every address of pages, API and admin that a GET reaches without an argument."""

    def walk(patterns: list[Any], before: str) -> Iterator[str]:
        for pattern in patterns:
            path = before + str(pattern.pattern).lstrip("^").rstrip("$").replace("\\Z", "")
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, path)
            elif isinstance(pattern, URLPattern) and not any(mark in path for mark in "<(?\\"):
                yield "/" + path

    skipped = ("/logout", "/admin/logout", "/admin/jsi18n", "/api/v1/stream", "/api/v1/docs", "/static")
    return [url for url in walk(get_resolver().url_patterns, "") if not url.startswith(skipped)]


def open_by_form(client: Client, **fields: Any) -> Account | None:
    before = set(Account.objects.values_list("pk", flat=True))
    values = {"environment": "sandbox", "source": "given", "kind": "safe", "cash": "1000", **fields}
    client.post(reverse("desk:account_new"), values, follow=True)
    return Account.objects.exclude(pk__in=before).first()


def test_no_planted_secret_leaves_its_place(
    live_desk: LiveDesk, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = get_user_model().objects.create_superuser("admin", password=PASSWORD)
    client = Client()
    assert client.login(username="admin", password=PASSWORD)
    keys = [key_new() for _ in range(4)]
    for number, key in enumerate(keys):
        search.plant(f"private key {number}", key)
    search.plant("password", PASSWORD)
    search.plant("keystore passphrase", PHRASE)
    search.plant("session", client.cookies["sessionid"].value)
    for name, path in (("trader key file", live_desk.trader_key_file), ("stream key file", live_desk.stream_key_file)):
        search.plant(name, bytes.fromhex(path.read_text()))
    search.plant("installation key", live_desk.install_key)

    # Opened by form: with a key, with a keystore, with mistakes, and into an error of ours.
    account = open_by_form(client, name="with a key", key=keys[0].hex())
    store = json.dumps(Referee.encrypt(keys[1], PHRASE, iterations=16))
    other = open_by_form(client, name="with a keystore", key=store, passphrase=PHRASE)
    assert account is not None and other is not None and {account.connection, other.connection} == {"ready"}
    assert open_by_form(client, name="wrong wallet", key=keys[2].hex(), wallet="0x" + "12" * 20) is None
    assert open_by_form(client, name="wrong phrase", key=store, passphrase=PHRASE + "!") is None
    with monkeypatch.context() as patch:
        patch.setattr(account_actions, "account_open", lambda **_: 1 / 0)
        client.raise_request_exception = False
        broken = client.post(
            reverse("desk:account_new"),
            {"environment": "sandbox", "source": "given", "name": "x", "key": keys[3].hex(), "passphrase": PHRASE},
        )
        assert broken.status_code == 500
        search.look_at("the page of an error", broken.content)
        client.raise_request_exception = True
    made = client.post(reverse("desk:key_create"), {"name": "script", "scopes": ["read"]})
    search.plant("key of our own API", made.content.decode().split("data-secret>")[1].split("<")[0])
    for number, one in enumerate((account, other)):
        credentials = keyholder.credentials(one.pk)
        search.plant(f"API secret {number}", credentials.secret)
        search.plant(f"API passphrase {number}", credentials.passphrase)

    # Orders: accepted, refused by the venue, refused by the signer, with faults on the way.
    live_desk.all_well(account)
    outcome = live_desk.outcome(4)
    for price, size in (("0.02", "100"), ("0.02", "1")):
        with contextlib.suppress(AssertionError):
            live_desk.post_foreign(account, outcome, Side.BUY, price, size)
    for fault in ({"kind": "status", "status": 401}, {"kind": "html"}, {"kind": "malformed"}, {"kind": "reset"}):
        live_desk.exchange.control("faults", **fault, path="/order", times=1)
        live_desk.post_foreign(account, outcome, Side.BUY, "0.02", "100")
    submitted = live_desk.order(account, outcome, Side.BUY, "0.02", "100")
    with contextlib.suppress(keyholder.KeyRefused):
        order_submit(submitted.pk, timezone.now())
    keyholder.install(signer=signer_of(live_desk, order="1"), gateways=None)
    with pytest.raises(keyholder.KeyRefused):
        live_desk.post_foreign(account, outcome, Side.BUY, "0.50", "100")
    live_desk.install(caps=CAPS)

    # Connections that fail, at the venue and by a wrong row; messages as they lie in the broker.
    live_desk.exchange.control("faults", kind="status", status=401, path="/auth/*", times=4)
    client.post(reverse("desk:account_connect", args=[other.pk]), {"credentials": "new"})
    client.post(reverse("desk:permit_new"), {"subject": "installation:0", "phrase": "no", "password": PASSWORD})
    eager = app.conf.task_always_eager
    app.conf.task_always_eager = False
    try:
        connect_account.delay(account.pk)
    finally:
        app.conf.task_always_eager = eager

    assert search.pages(client, readable_urls()) > 30
    assert admin.pk
    assert search.hits() == []


def test_the_search_finds_what_is_there(live_desk: LiveDesk, search: Search) -> None:
    key = bytes(
        range(7, 39)
    )  # with every sign Redis and Python write differently, a quote and a backslash's neighbours
    search.plant("key", key)
    logging.getLogger("somewhere").debug("a value %s", key.hex())
    with transaction.atomic():
        event_record("test", f"0x{key.hex()}")
    search.client.set("leak", key)
    search.look_at("a page", str(int.from_bytes(key, "big")))
    found = search.hits()
    search.client.delete("leak")
    assert {"key in logs", "key in table alerts_auditevent", "key in a page"} <= set(found)
    assert any("redis traffic" in hit for hit in found) and "key in redis 0" in found
