"""The browser's socket: quotes and books of what its page shows, and notices of what changed.

It reads only. A page says which outcomes it shows; the desk listens to them as long as the page is open, through
a function that `polybot/asgi.py` hands in. Who may stay is asked again every few seconds, because a session
that ended elsewhere does not close a socket by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import SESSION_KEY, get_user_model

from markets.selectors import screens as market_pages
from orders.selectors import pages as order_pages
from polybot.dashboard.hub import Slot, Tick, get_hub
from polybot.dashboard.news import Listener, get_news_desk
from polybot.identity.session_store import session_row

log = logging.getLogger(__name__)

SESSION_CHECK_S = 5.0
WATCH_RENEW_S = 240.0
TAPE_EVERY_S = 1.0
TAPE_ROWS = 14
MAX_OUTCOMES = 120
MAX_BOOKS = 4
MAX_MESSAGE = 4096
MAX_MESSAGES = 60  # from one socket in a minute
UNAUTHENTICATED, REFUSED, TOO_MUCH = 4401, 4403, 4429
Watch = Callable[[int, Iterable[int]], None]


class DeskConsumer(AsyncWebsocketConsumer):
    def __init__(self, *args: Any, watch: Watch | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watch_door = watch
        self._slot: Slot | None = None
        self._listener: Listener | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._books: set[int] = set()
        self._outcomes: set[int] = set()
        self._accounts: set[int] = set()
        self._received: list[float] = []
        self._tape_at: dict[int, float] = {}
        self._tape_seen: dict[int, str] = {}

    async def connect(self) -> None:
        if not any(name == b"origin" for name, _ in self.scope["headers"]):
            await self.close(code=REFUSED)  # no browser page of ours sends none
            return
        if not self.scope["user"].is_authenticated or not await self._may_stay():
            await self.accept()  # a refused handshake tells a page nothing; a close code does
            await self.close(code=UNAUTHENTICATED)
            return
        await self.accept()
        self._listener = get_news_desk().attach()
        self._start(self._tell_news(self._listener), self._check_session())

    async def disconnect(self, code: int) -> None:
        for task in self._tasks:
            task.cancel()
        if self._slot is not None:
            get_hub().detach(self._slot)
        if self._listener is not None:
            get_news_desk().detach(self._listener)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        now = time.monotonic()
        self._received = [at for at in self._received if now - at < 60] + [now]
        if bytes_data is not None or text_data is None or len(text_data) > MAX_MESSAGE:
            await self.close(code=TOO_MUCH)
            return
        if len(self._received) > MAX_MESSAGES:
            await self.close(code=TOO_MUCH)
            return
        wanted = parse_watch(text_data)
        if wanted is None:
            await self.close(code=REFUSED)
            return
        self._outcomes, self._books = wanted
        await self._follow()

    async def _follow(self) -> None:
        """Follow what the page shows now, and let the feed listen to it."""
        hub = get_hub()
        followed = self._outcomes | self._books
        if self._slot is None:
            self._slot = await hub.attach(followed)
            self._start(self._tell_ticks(self._slot), self._renew_watch())
        else:
            hub.change(self._slot, followed)
        await self._ask_feed()

    async def _ask_feed(self) -> None:
        if self._watch_door is not None and self._books:
            await database_sync_to_async(self._watch_door)(self.scope["user"].pk, sorted(self._books | self._outcomes))

    async def _renew_watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_RENEW_S)
            await self._ask_feed()

    async def _tell_ticks(self, slot: Slot) -> None:
        async for ticks in slot:
            texts = [tick.text if tick.outcome_id in self._books else brief(tick) for tick in ticks.values()]
            await self.send(f'{{"type":"ticks","at":{int(time.time() * 1000)},"rows":[{",".join(texts)}]}}')
            for outcome_id in self._books & ticks.keys():
                await self._tell_tape(outcome_id)

    async def _tell_tape(self, outcome_id: int) -> None:
        now = time.monotonic()
        if now - self._tape_at.get(outcome_id, 0.0) < TAPE_EVERY_S:
            return
        self._tape_at[outcome_id] = now
        trades = await sync_to_async(market_pages.tape, thread_sensitive=False)(outcome_id, count=TAPE_ROWS)
        rows = [[t.venue_ms, str(t.side), t.price, t.size] for t in trades]
        text = json.dumps(rows, separators=(",", ":"))
        if self._tape_seen.get(outcome_id) != text:
            self._tape_seen[outcome_id] = text
            await self.send(f'{{"type":"tape","id":{outcome_id},"rows":{text}}}')

    async def _tell_news(self, listener: Listener) -> None:
        while True:
            await listener.ready.wait()
            version, by_account = listener.take()
            topics = {t for account, names in by_account.items() if self._concerns(account) for t in names}
            await self.send(json.dumps({"type": "version", "n": version, "topics": sorted(topics)}))

    def _concerns(self, account_id: int | None) -> bool:
        return account_id is None or account_id in self._accounts

    async def _check_session(self) -> None:
        while True:
            await asyncio.sleep(SESSION_CHECK_S)
            if not await self._may_stay():
                await self.close(code=UNAUTHENTICATED)
                return

    async def _may_stay(self) -> bool:
        """Whether the session still belongs to an active person; also refreshes what they may see."""
        key = getattr(self.scope.get("session"), "session_key", None)
        accounts = await database_sync_to_async(_accounts_of_session)(key, self.scope["user"].pk)
        if accounts is None:
            return False
        self._accounts = accounts
        return True

    def _start(self, *coroutines: Coroutine[Any, Any, None]) -> None:
        self._tasks += [asyncio.create_task(_guarded(coroutine)) for coroutine in coroutines]


async def _guarded(coroutine: Coroutine[Any, Any, None]) -> None:
    """A sender that fails ends with a line in the log; the browser reconnects when its socket closes."""
    with contextlib.suppress(asyncio.CancelledError):
        try:
            await coroutine
        except (RuntimeError, OSError) as error:  # sent on a socket that is closing
            log.info("browser socket ended", extra={"problem": str(error)[:200]})


def parse_watch(text: str) -> tuple[set[int], set[int]] | None:
    """Return (outcomes, books) that a page asks for, or None for anything that is not such a message."""
    try:
        message = json.loads(text)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("type") != "watch":
        return None
    outcomes, books = message.get("outcomes", []), message.get("books", [])
    if not _are_ids(outcomes, MAX_OUTCOMES) or not _are_ids(books, MAX_BOOKS):
        return None
    return set(outcomes), set(books)


def _are_ids(values: object, most: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= most
        and all(type(value) is int and 0 < value < 2**63 for value in values)
    )


def brief(tick: Tick) -> str:
    """The quote without its levels, made once per tick however many sockets send it."""
    text: str | None = tick.__dict__.get("brief")
    if text is None:
        full = json.loads(tick.text)
        text = json.dumps({k: v for k, v in full.items() if k not in ("bids", "asks")}, separators=(",", ":"))
        tick.__dict__["brief"] = text
    return text


def _accounts_of_session(session_key: str | None, user_id: int) -> set[int] | None:
    """Return the accounts the session's person may see, or None when the session or the person is gone."""
    session = session_row(session_key)
    if session is None or session.get_decoded().get(SESSION_KEY) != str(user_id):
        return None
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return None
    rows = order_pages.accounts_visible(user_id=user.pk, is_staff=user.is_staff)
    return set(rows.values_list("pk", flat=True))
