"""Browsers get the latest state of what they look at, and a stalled one costs the others nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from django.conf import settings

from markets.tickstore import Batch, TickstoreWriter
from polybot.dashboard.hub import Slot, TickHub, ticks_text
from tests.factories.markets import book_make


@pytest.fixture
def writer() -> Iterator[TickstoreWriter]:
    writer = TickstoreWriter(settings.TICKSTORE_URL)
    writer.redis.flushdb()
    writer.epoch_open(1_790_000_000_000)
    yield writer
    writer.redis.flushdb()
    writer.redis.close()


async def following(slot: Slot, **bids: int) -> dict[int, int | None]:
    """Collect best bids from a slot until they are as wanted, for two seconds at most."""
    seen: dict[int, int | None] = {}
    wanted = {int(k.removeprefix("o")): v for k, v in bids.items()}

    async def collect() -> None:
        async for ticks in slot:
            seen.update({i: t.view.best_bid if t.view else None for i, t in ticks.items()})
            if all(seen.get(i) == bid for i, bid in wanted.items()):
                return

    await asyncio.wait_for(collect(), 2)
    return seen


def publish(writer: TickstoreWriter, outcome_id: int, bid: int) -> None:
    writer.publish(Batch(books={outcome_id: book_make(outcome_id, bid=bid)}))


def test_a_socket_first_gets_what_is_known_and_then_what_changes(writer: TickstoreWriter) -> None:
    async def story() -> None:
        publish(writer, 1, 400_000)
        hub = TickHub(settings.TICKSTORE_URL, coalesce_s=0.01)
        slot = await hub.attach({1, 2})
        assert await following(slot, o1=400_000) == {1: 400_000, 2: None}
        await asyncio.sleep(0.05)
        publish(writer, 2, 300_000)
        publish(writer, 3, 200_000)
        assert 3 not in await following(slot, o2=300_000)
        hub.detach(slot)
        assert [ticks async for ticks in slot] == []

    asyncio.run(story())


def test_updates_are_coalesced_to_the_latest(writer: TickstoreWriter) -> None:
    async def story() -> None:
        hub = TickHub(settings.TICKSTORE_URL, coalesce_s=0.1)
        slot = await hub.attach({1})
        await following(slot)
        before = hub.flushes
        for cent in range(1, 41):
            publish(writer, 1, cent * 10_000)
            await asyncio.sleep(0.005)
        await following(slot, o1=400_000)
        assert hub.flushes - before <= 6
        hub.detach(slot)

    asyncio.run(story())


def test_a_stalled_socket_holds_one_tick_per_outcome_and_the_others_go_on(writer: TickstoreWriter) -> None:
    async def story() -> None:
        hub = TickHub(settings.TICKSTORE_URL, coalesce_s=0.01)
        stalled, lively = await hub.attach({1, 2}), await hub.attach({1, 2})
        for cent in range(1, 21):
            publish(writer, 1, cent * 10_000)
            await following(lively, o1=cent * 10_000)
        assert len(stalled._pending) <= 2
        assert (await following(stalled, o1=200_000))[1] == 200_000
        hub.detach(stalled)
        hub.detach(lively)

    asyncio.run(story())


def test_a_socket_may_look_at_something_else(writer: TickstoreWriter) -> None:
    async def story() -> None:
        publish(writer, 2, 300_000)
        hub = TickHub(settings.TICKSTORE_URL, coalesce_s=0.01)
        slot = await hub.attach({1})
        await following(slot)
        hub.change(slot, {2})
        assert await following(slot, o2=300_000) == {2: 300_000}
        hub.detach(slot)
        assert not hub._slots and not hub._tasks

    asyncio.run(story())


def test_a_tick_is_written_once_as_plain_json(writer: TickstoreWriter) -> None:
    async def story() -> None:
        publish(writer, 1, 400_000)
        hub = TickHub(settings.TICKSTORE_URL, coalesce_s=0.01)
        slot = await hub.attach({1})
        ticks = await anext(slot)
        (tick,) = json.loads(ticks_text(ticks))
        assert (tick["id"], tick["bid"], tick["ask"], tick["mid"], tick["status"]) == (1, "0.4", "0.52", "0.46", "live")
        assert tick["bids"] == [["0.4", "100"]]
        assert ticks[1].text is ticks[1].text
        hub.detach(slot)

    asyncio.run(story())
