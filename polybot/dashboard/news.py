"""What changed on the desk, as small notices: which kinds of things, for which accounts, up to which event.

The journal is written in the transaction of every change, so its newest id is the version of everything it
describes. One watcher per process looks once a second while somebody listens; nothing is lost with Redis,
and a browser that missed a notice sees that the number moved.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import weakref
from dataclasses import dataclass, field
from datetime import datetime

from channels.db import aclose_old_connections, database_sync_to_async
from django.db import DatabaseError

from alerts.selectors import screens as alert_pages
from backtests.selectors import runs as backtest_pages
from backtests.selectors import searches as search_pages
from strategies.selectors import screens as strategy_pages

log = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0
SLOW_EVERY = 5  # strategies and processes report without journal rows: looked at every so many rounds

# First word of an event's kind → what on a page it may change.
TOPICS: dict[str, tuple[str, ...]] = {
    "order": ("orders",),
    "position": ("positions",),
    "reconcile": ("system",),
    "strategy": ("strategies",),
    "risk": ("risk", "orders"),
    "market": ("markets",),
    "pnl": ("positions", "system"),
    "alerts": ("alerts",),
    "account": ("orders", "risk"),
    "backtest": ("backtests",),
    "search": ("backtests",),
}
FILLED = ("order.filled", "order.partially_filled", "position.settled")


@dataclass(frozen=True, slots=True)
class Notice:
    """Topics that changed up to event `version`. `account_id` None concerns everybody."""

    version: int
    topics: frozenset[str]
    account_id: int | None


def topics_of(kind: str) -> frozenset[str]:
    topics = set(TOPICS.get(kind.partition(".")[0], ("system",)))
    if kind in FILLED:
        topics |= {"orders", "positions"}
    return frozenset(topics)


@dataclass(eq=False)
class Listener:
    """One socket's waiting notices: merged, so that a slow socket costs one set and not a queue."""

    topics: dict[int | None, set[str]] = field(default_factory=dict)
    version: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, notice: Notice) -> None:
        self.topics.setdefault(notice.account_id, set()).update(notice.topics)
        self.version = max(self.version, notice.version)
        self.ready.set()

    def take(self) -> tuple[int, dict[int | None, set[str]]]:
        topics, self.topics = self.topics, {}
        self.ready.clear()
        return self.version, topics


class NewsDesk:
    """One per event loop. It looks while somebody listens, and not otherwise."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._version = 0  # of the last look; 0 until there is one

    def attach(self) -> Listener:
        """Return a listener. Its first notice, which has no topics, says from which version on it is told."""
        listener = Listener()
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._version = 0
            self._task = asyncio.create_task(self._watch())
        elif self._version:
            listener.put(Notice(self._version, frozenset(), None))
        return listener

    def detach(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _watch(self) -> None:
        # Kept here and not on the desk: a look of a watch that was cancelled may still be under way in its thread.
        version = 0
        ticked: datetime | None = None
        moving: frozenset[int] = frozenset()
        for round_number in itertools.count():
            try:
                await aclose_old_connections()
                slow = round_number % SLOW_EVERY == 0
                seen = await database_sync_to_async(look)(version, ticked=ticked, moving=moving, slow=slow)
                version, ticked, moving = seen.version, seen.ticked, seen.moving
                self._version = version
                for notice in seen.notices:
                    for listener in self._listeners:
                        listener.put(notice)
            except DatabaseError as error:
                log.warning("no news: the database does not answer", extra={"problem": str(error)[:200]})
            await asyncio.sleep(LOOK_EVERY_S)


@dataclass(frozen=True, slots=True)
class Look:
    version: int
    ticked: datetime | None
    notices: tuple[Notice, ...]
    moving: frozenset[str] = frozenset()  # topics of backtests and searches that are at work


def look(version: int, *, ticked: datetime | None, slow: bool, moving: frozenset[str] = frozenset()) -> Look:
    """Return what changed after event `version`; 0 means that nobody was told anything yet."""
    newest = alert_pages.latest_event_id()
    notices: list[Notice] = []
    if not version:
        notices.append(Notice(newest, frozenset(), None))
    elif newest > version:
        changed = alert_pages.kinds_between(version, newest)
        notices += [Notice(newest, topics_of(kind), account_id) for kind, account_id in changed]
    if slow:
        now_ticked = strategy_pages.last_tick_at()
        topics = {"system"} | ({"strategies"} if now_ticked != ticked else set())
        ticked = now_ticked
        notices.append(Notice(newest, frozenset(topics), None))
    # Progress writes no journal rows. One that has ended since the last look moved too: to its result.
    at_work = frozenset(
        [f"backtest:{run_id}" for run_id in backtest_pages.unfinished_ids()]
        + [f"search:{search_id}" for search_id in search_pages.unfinished_searches()]
    )
    if at_work | moving:
        notices.append(Notice(newest, at_work | moving | {"backtests"}, None))
    return Look(newest, ticked, tuple(notices), at_work)


_desks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, NewsDesk] = weakref.WeakKeyDictionary()


def get_news_desk() -> NewsDesk:
    loop = asyncio.get_running_loop()
    desk = _desks.get(loop)
    if desk is None:
        desk = _desks[loop] = NewsDesk()
    return desk
