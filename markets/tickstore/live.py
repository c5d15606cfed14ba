"""The tickstore for asyncio: the stream of changed outcomes, and the latest books. Used by the browser hub."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from markets.domain.views import BookView
from markets.tickstore import codec, keys
from markets.tickstore.reads import TickstoreUnavailable


class LiveTickstore:
    """Belongs to one event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = aioredis.Redis.from_url(url)

    async def changes(self) -> AsyncIterator[set[int]]:
        """Yield the ids of outcomes as they change; the first, empty set says that the subscription stands.

        Raises TickstoreUnavailable when the connection is lost: what changed meanwhile is not told.
        """
        client = aioredis.Redis.from_url(self._url)
        try:
            async with client.pubsub() as channel:
                await channel.subscribe(keys.TICKS)
                async for message in channel.listen():
                    if message["type"] == "message":
                        yield set(codec.ids_decode(message["data"]))
                    elif message["type"] == "subscribe":
                        yield set()
        except (RedisError, OSError) as error:
            raise TickstoreUnavailable(f"redis did not answer: {error}") from error
        finally:
            with suppress(Exception):  # closing what is already gone
                await client.aclose()

    async def books_get(self, outcome_ids: Sequence[int]) -> dict[int, BookView | None]:
        """Return the latest book of each outcome, None where there is none."""
        try:
            pipe = self._client.pipeline(transaction=False)
            pipe.mget([keys.book(i) for i in outcome_ids])
            pipe.hmget(keys.STATE, [str(i) for i in outcome_ids])
            raws, states = await pipe.execute()
        except (RedisError, OSError) as error:
            raise TickstoreUnavailable(f"redis did not answer: {error}") from error
        return {
            i: codec.book_with_state(raw, state) if raw is not None else None
            for i, raw, state in zip(outcome_ids, raws, states, strict=True)
        }

    async def close(self) -> None:
        with suppress(Exception):  # closing what is already gone
            await self._client.aclose()
