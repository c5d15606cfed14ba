"""The browser's socket: who may open it, what it sends, and when it closes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from channels.security.websocket import OriginValidator
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connections
from django.test import Client

from alerts.services import journal
from markets.tickstore import Batch, TickstoreWriter
from polybot.dashboard import consumers, news
from polybot.dashboard.consumers import parse_watch
from polybot.dashboard.routing import websocket_urlpatterns
from tests.factories.desk import DeskRows, desk_make
from tests.factories.markets import book_make

pytestmark = pytest.mark.django_db(transaction=True)
HOST = (b"origin", b"http://desk.test")
WATCHED: list[tuple[int, list[int]]] = []


def application() -> Any:
    routes = websocket_urlpatterns(watch=lambda user_id, ids: WATCHED.append((user_id, list(ids))))
    return OriginValidator(AuthMiddlewareStack(URLRouter(routes)), ["http://desk.test"])


@pytest.fixture
def desk() -> DeskRows:
    WATCHED.clear()
    return desk_make()


def cookie(person: Any) -> tuple[bytes, bytes]:
    client = Client()
    client.force_login(person)
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    return (b"cookie", f"{settings.SESSION_COOKIE_NAME}={value}".encode())


def socket(*headers: tuple[bytes, bytes]) -> WebsocketCommunicator:
    return WebsocketCommunicator(application(), "/ws/desk", headers=list(headers))


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def told() -> None:
        try:
            await story()
        finally:
            await database_sync_to_async(connections.close_all)()

    asyncio.run(told())


async def message_of(one: WebsocketCommunicator, kind: str) -> dict[str, Any]:
    """Wait for the next message of a kind; others may come in between."""
    for _ in range(20):
        message = json.loads(await one.receive_from(timeout=5))
        if message["type"] == kind:
            return message  # type: ignore[no-any-return]
    raise AssertionError(f"no {kind} among twenty messages")


async def closing_code(one: WebsocketCommunicator) -> int:
    for _ in range(20):
        output = await one.receive_output(timeout=5)
        if output["type"] == "websocket.close":
            return int(output["code"])
    raise AssertionError("the socket stays open")


def test_a_stranger_is_told_to_sign_in(desk: DeskRows) -> None:
    async def story() -> None:
        one = socket(HOST)
        assert (await one.connect())[0]
        assert await closing_code(one) == consumers.UNAUTHENTICATED

    run(story)


@pytest.mark.parametrize("origin", [None, b"http://evil.test", b"null"])
def test_another_site_or_none_cannot_open_a_socket(desk: DeskRows, origin: bytes | None) -> None:
    signed_in = cookie(desk.owner)

    async def story() -> None:
        one = socket(signed_in, *([(b"origin", origin)] if origin else []))
        assert (await one.connect())[0] is False

    run(story)


def test_without_an_origin_the_consumer_itself_refuses(desk: DeskRows) -> None:
    """Where every host is allowed the validator lets a missing origin pass; the consumer does not."""
    signed_in = cookie(desk.owner)

    async def story() -> None:
        one = WebsocketCommunicator(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns())), "/ws/desk", headers=[signed_in]
        )
        assert (await one.connect())[0] is False

    run(story)


def test_a_page_gets_the_book_it_shows_and_the_quotes_of_the_rest(desk: DeskRows) -> None:
    signed_in = cookie(desk.owner)
    shown, other = (market.outcomes.get(index=0).pk for market in desk.group[:2])

    async def story() -> None:
        one = socket(HOST, signed_in)
        await one.connect()
        await one.send_json_to({"type": "watch", "outcomes": [shown, other], "books": [shown]})
        rows = {row["id"]: row for row in (await message_of(one, "ticks"))["rows"]}
        assert rows[shown]["bids"][0] == ["0.61", "2615"] and "bids" not in rows[other]
        assert rows[other]["bid"] == "0.36"
        tape = await message_of(one, "tape")
        assert tape["id"] == shown and len(tape["rows"]) == consumers.TAPE_ROWS
        writer = TickstoreWriter(settings.TICKSTORE_URL)
        writer.epoch_open(9_999_999_999_999)
        moved = Batch(books={shown: book_make(shown, bid=550_000, ask=560_000)})
        await sync_to_async(writer.publish)(moved)
        assert (await message_of(one, "ticks"))["rows"][0]["bid"] == "0.55"
        assert [(desk.owner.pk, sorted([shown, other]))] == WATCHED
        await one.disconnect()

    run(story)


def test_a_change_is_told_to_those_whose_account_it_is(desk: DeskRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(news, "SLOW_EVERY", 10_000)
    theirs, strangers = cookie(desk.owner), cookie(desk.viewer)

    async def story() -> None:
        owner, viewer = socket(HOST, theirs), socket(HOST, strangers)
        for one in (owner, viewer):
            await one.connect()
        before = (await message_of(owner, "version"))["n"]
        await message_of(viewer, "version")
        await sync_to_async(journal.event_record_alone)("order.filled", "x", account_id=desk.account.pk)
        told = await message_of(owner, "version")
        assert told["n"] > before and set(told["topics"]) == {"orders", "positions"}
        assert (await message_of(viewer, "version"))["topics"] == []
        for one in (owner, viewer):
            await one.disconnect()

    run(story)


@pytest.mark.parametrize("how", ["signed out", "switched off"])
def test_a_session_that_ends_closes_the_socket(desk: DeskRows, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(consumers, "SESSION_CHECK_S", 0.1)
    signed_in = cookie(desk.owner)

    async def story() -> None:
        one = socket(HOST, signed_in)
        await one.connect()
        if how == "signed out":
            await Session.objects.all().adelete()
        else:
            desk.owner.is_active = False
            await desk.owner.asave()
        assert await closing_code(one) == consumers.UNAUTHENTICATED

    run(story)


@pytest.mark.parametrize(
    ("text", "code"),
    [("x" * 5000, consumers.TOO_MUCH), ("{", consumers.REFUSED), ('{"type":"trade"}', consumers.REFUSED)],
)
def test_a_message_that_is_no_watch_closes_the_socket(desk: DeskRows, text: str, code: int) -> None:
    signed_in = cookie(desk.owner)

    async def story() -> None:
        one = socket(HOST, signed_in)
        await one.connect()
        await one.send_to(text_data=text)
        assert await closing_code(one) == code

    run(story)


def test_a_socket_that_talks_too_much_is_closed(desk: DeskRows) -> None:
    signed_in = cookie(desk.owner)

    async def story() -> None:
        one = socket(HOST, signed_in)
        await one.connect()
        for _ in range(consumers.MAX_MESSAGES + 1):
            await one.send_json_to({"type": "watch", "outcomes": [], "books": []})
        assert await closing_code(one) == consumers.TOO_MUCH

    run(story)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "watch", "outcomes": "1"},
        {"type": "watch", "outcomes": [0]},
        {"type": "watch", "outcomes": [True]},
        {"type": "watch", "outcomes": [1.5]},
        {"type": "watch", "outcomes": [2**63]},
        {"type": "watch", "outcomes": list(range(1, 200))},
        {"type": "watch", "books": [1, 2, 3, 4, 5]},
        {"type": "watch", "outcomes": None},
        [],
        None,
    ],
)
def test_only_ids_in_bounds_can_be_watched(message: Any) -> None:
    assert parse_watch(json.dumps(message)) is None
