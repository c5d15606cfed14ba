"""Market ticks for browsers: one Redis subscription per ASGI process, fanned out in memory.

The feed's channel says only which outcomes changed. Every `coalesce_s` the hub reads the latest books of
those that somebody looks at (one MGET), makes each tick once, and puts it into the slot of every socket
that wants it. A slot keeps the latest tick per outcome, so a browser that stalls costs its own entries in
a dict and nothing else, and catches up with the present instead of the past.

    hub = get_hub()
    slot = await hub.attach({12, 13})
    try:
        async for ticks in slot:             # dict of outcome id to Tick
            await self.send(text_data=ticks_text(ticks))
    finally:
        hub.detach(slot)
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import weakref
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import cached_property

from django.conf import settings

from markets.domain.units import text_from_micro
from markets.domain.views import BookView
from markets.tickstore import TickstoreUnavailable
from markets.tickstore.live import LiveTickstore

log = logging.getLogger(__name__)
COALESCE_S = 0.25
LADDER_DEPTH = 10
_RETRY_S = 1.0


class Tick:
    """One outcome's book at one moment. `text` is its JSON, made once however many sockets send it."""

    __slots__ = ("__dict__", "outcome_id", "view")

    def __init__(self, outcome_id: int, view: BookView | None) -> None:
        self.outcome_id = outcome_id
        self.view = view

    @cached_property
    def text(self) -> str:
        view = self.view
        if view is None:
            return json.dumps({"id": self.outcome_id, "status": "missing"})
        return json.dumps(
            {
                "id": self.outcome_id,
                "status": str(view.status),
                "bid": _text(view.best_bid),
                "ask": _text(view.best_ask),
                "mid": _text(view.mid),
                "spread": _text(view.spread),
                "last": _text(view.last_trade_price),
                "bids": [[text_from_micro(p), text_from_micro(s)] for p, s in view.bids[:LADDER_DEPTH]],
                "asks": [[text_from_micro(p), text_from_micro(s)] for p, s in view.asks[:LADDER_DEPTH]],
                "tick": text_from_micro(view.tick),
                "seq": view.seq,
                "at_ms": view.received_ms,
                "confirmed_ms": view.confirmed_ms,
            },
            separators=(",", ":"),
        )


def ticks_text(ticks: Mapping[int, Tick]) -> str:
    """Return the ticks as one JSON array."""
    return f"[{','.join(tick.text for tick in ticks.values())}]"


class Slot:
    """What one socket has not been sent yet: the latest tick per outcome. Iterate to wait for more."""

    def __init__(self, outcome_ids: Iterable[int]) -> None:
        self.outcome_ids = set(outcome_ids)
        self.closed = False
        self._pending: dict[int, Tick] = {}
        self._ready = asyncio.Event()

    def put(self, tick: Tick) -> None:
        self._pending[tick.outcome_id] = tick
        self._ready.set()

    def close(self) -> None:
        self.closed = True
        self._ready.set()

    def __aiter__(self) -> AsyncIterator[dict[int, Tick]]:
        return self

    async def __anext__(self) -> dict[int, Tick]:
        await self._ready.wait()
        if self.closed:
            raise StopAsyncIteration
        ticks, self._pending = self._pending, {}
        self._ready.clear()
        return ticks


class TickHub:
    """One per process and event loop. It subscribes while somebody is attached, and not otherwise."""

    def __init__(self, url: str, *, coalesce_s: float = COALESCE_S) -> None:
        self._url = url
        self._coalesce_s = coalesce_s
        self._slots: dict[int, set[Slot]] = {}
        self._attached = 0
        self._changed: set[int] = set()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.flushes = 0

    async def attach(self, outcome_ids: Iterable[int]) -> Slot:
        """Return a slot for these outcomes; what is known of them now comes first."""
        slot = Slot(outcome_ids)
        self._attached += 1
        for outcome_id in slot.outcome_ids:
            self._slots.setdefault(outcome_id, set()).add(slot)
        self._mark(slot.outcome_ids)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._fan_out())]
        return slot

    def change(self, slot: Slot, outcome_ids: Iterable[int]) -> None:
        """Let the slot follow these outcomes instead."""
        wanted = set(outcome_ids)
        self._leave(slot, slot.outcome_ids - wanted)
        for outcome_id in wanted - slot.outcome_ids:
            self._slots.setdefault(outcome_id, set()).add(slot)
        self._mark(wanted - slot.outcome_ids)
        slot.outcome_ids = wanted

    def detach(self, slot: Slot) -> None:
        """Forget the slot; its iteration ends."""
        if slot.closed:
            return
        slot.close()
        self._leave(slot, slot.outcome_ids)
        self._attached -= 1
        if not self._attached:
            for task in self._tasks:
                task.cancel()
            self._tasks = []
            self._changed.clear()

    def _leave(self, slot: Slot, outcome_ids: Iterable[int]) -> None:
        for outcome_id in outcome_ids:
            slots = self._slots.get(outcome_id)
            if slots is not None:
                slots.discard(slot)
                if not slots:
                    del self._slots[outcome_id]

    def _mark(self, outcome_ids: Iterable[int]) -> None:
        self._changed.update(outcome_ids)
        if self._changed:
            self._wake.set()

    async def _listen(self) -> None:
        """Note which outcomes change. After a lost connection everything may have."""
        while True:
            try:
                async for changed in LiveTickstore(self._url).changes():
                    self._mark(self._slots.keys() & changed if changed else self._slots)
            except TickstoreUnavailable as error:
                log.warning("browser ticks: %s; trying again", error)
            await asyncio.sleep(_RETRY_S)

    async def _fan_out(self) -> None:
        """Read what changed and hand it out, at most once every `coalesce_s`."""
        store = LiveTickstore(self._url)
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                began = time.monotonic()
                changed, self._changed = self._changed & self._slots.keys(), set()
                if changed:
                    try:
                        self._hand_out(await store.books_get(sorted(changed)))
                    except TickstoreUnavailable:
                        self._mark(changed)
                        await asyncio.sleep(_RETRY_S)
                await asyncio.sleep(max(0.0, self._coalesce_s - (time.monotonic() - began)))
        finally:
            await store.close()

    def _hand_out(self, views: Mapping[int, BookView | None]) -> None:
        self.flushes += 1
        for outcome_id, view in views.items():
            tick = Tick(outcome_id, view)
            for slot in self._slots.get(outcome_id, ()):
                slot.put(tick)


def _text(micro: int | None) -> str | None:
    return None if micro is None else text_from_micro(micro)


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, TickHub] = weakref.WeakKeyDictionary()


def get_hub() -> TickHub:
    """Return this event loop's hub on `settings.TICKSTORE_URL`."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = TickHub(settings.TICKSTORE_URL)
    return hub
