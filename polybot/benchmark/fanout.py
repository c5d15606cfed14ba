"""Redis to browsers: the hub against the channel layer (channels_redis core) with the same number of sockets.

A round sends updates of a few outcomes as fast as the sender can, and ends when every socket has seen the
last state of each. The channel layer must carry every update to every socket; the hub carries the latest.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Awaitable, Callable

from channels_redis.core import RedisChannelLayer

from markets.domain.views import BookView
from markets.tickstore import Batch, TickstoreWriter
from polybot.benchmark.report import Comparison, Wrong
from polybot.dashboard.hub import Slot, TickHub, ticks_text

_OUTCOMES = 10
_LIMIT_S = 120


def compare(url: str, *, sockets: int, updates: int, rounds: int) -> list[Comparison]:
    """Return updates a second that every socket keeps up with. Raises Wrong when one misses the last state."""
    few = max(_OUTCOMES, updates // 20)
    ours, theirs, alone, beside = [], [], [], []
    for _ in range(rounds):
        ours.append(_timed(lambda: _hub_round(url, sockets, updates, stalled=0), updates))
        theirs.append(_timed(lambda: _layer_round(url, sockets, few), few))
        alone.append(_timed(lambda: _hub_round(url, sockets, updates, stalled=0), updates))
        beside.append(_timed(lambda: _hub_round(url, sockets, updates, stalled=1), updates))
    median = statistics.median
    return [
        Comparison(
            name=f"hub vs channels_redis core, {sockets} sockets",
            unit="updates/s",
            ours=median(ours),
            theirs=median(theirs),
            target=10,
        ),
        Comparison(
            name="hub: pace of the others, alone / beside one stalled browser",
            unit="updates/s",
            ours=median(alone),
            theirs=median(beside),
            target=1.2,
            at_most=True,
        ),
    ]


def _timed(round_: Callable[[], Awaitable[float]], updates: int) -> float:
    async def run() -> float:
        return updates / await asyncio.wait_for(round_(), _LIMIT_S)

    return asyncio.run(run())


def _view(outcome_id: int, number: int) -> BookView:
    levels = tuple((500_000 - n * 10_000, 1_000_000 + number) for n in range(10))
    return BookView(outcome_id=outcome_id, bids=levels, asks=((990_000, 1_000_000),), seq=number)


async def _hub_round(url: str, sockets: int, updates: int, *, stalled: int) -> float:
    """Return the seconds until every lively socket has seen the last state."""
    writer = TickstoreWriter(url)
    writer.redis.flushdb()
    writer.epoch_open(1)
    hub = TickHub(url)
    ids = range(1, _OUTCOMES + 1)
    slots = [await hub.attach(ids) for _ in range(sockets)]
    last = {i: n for n in range(updates) for i in (n % _OUTCOMES + 1,)}
    first = [await anext(slot) for slot in slots]  # the state before: all missing
    if any(tick.view for ticks in first for tick in ticks.values()):
        raise Wrong("a socket saw a book before there was one")
    await asyncio.sleep(0.3)  # the subscription stands

    async def follow(slot: Slot) -> None:
        seen: dict[int, int] = {}
        async for ticks in slot:
            text = ticks_text(ticks)  # what a consumer sends
            seen.update({i: t.view.seq if t.view else -1 for i, t in ticks.items()})
            await asyncio.sleep(0)
            if seen == last and text:
                return

    async def stall(slot: Slot) -> None:
        await asyncio.sleep(_LIMIT_S)  # a browser that does not read: its consumer waits in send

    def send() -> None:
        for n in range(updates):
            outcome_id = n % _OUTCOMES + 1
            writer.publish(Batch(books={outcome_id: _view(outcome_id, n)}))

    stuck = [asyncio.create_task(stall(slot)) for slot in slots[:stalled]]
    began = time.perf_counter()
    sender = threading.Thread(target=send)
    sender.start()
    await asyncio.gather(*(follow(slot) for slot in slots[stalled:]))
    elapsed = time.perf_counter() - began
    sender.join()
    for task in stuck:
        task.cancel()
    for slot in slots:
        hub.detach(slot)
    writer.redis.close()
    return elapsed


async def _layer_round(url: str, sockets: int, updates: int) -> float:
    """Return the seconds until every consumer has received every update, the last one last."""
    layer = RedisChannelLayer(hosts=[url], capacity=updates + 10, group_expiry=600)
    await layer.flush()
    channels = [await layer.new_channel() for _ in range(sockets)]
    for channel in channels:
        await layer.group_add("ticks", channel)

    async def follow(channel: str) -> None:
        for n in range(updates):
            message = await layer.receive(channel)
            if message["n"] != n:
                raise Wrong("the channel layer lost or reordered an update")

    began = time.perf_counter()
    tasks = [asyncio.create_task(follow(channel)) for channel in channels]
    for n in range(updates):
        view = _view(n % _OUTCOMES + 1, n)
        await layer.group_send("ticks", {"type": "tick", "n": n, "bids": view.bids, "asks": view.asks})
    await asyncio.gather(*tasks)
    elapsed = time.perf_counter() - began
    await layer.close_pools()
    return elapsed
