"""Who is due: one look per second decides which strategies tick, without a row written per strategy.

A strategy with an interval of n seconds is due in every second s with (s + id) % n == 0, so
equal intervals spread over time. The dispatcher remembers only the last second it looked at;
seconds that were missed are made up for with one tick, and a repeated message finds nothing due.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django.db import connection
from redis import Redis
from redis.exceptions import RedisError

from markets.tickstore import reads
from strategies.services.counts import COUNTS
from strategies.services.states import pauses_end

log = logging.getLogger(__name__)

IDLE_MODES = frozenset({"scrape", "backtest", "server"})  # no strategy is evaluated in these
LONGEST_GAP_S = 86_400
CHUNK = 500  # strategies that share one task, one look at the market and one set of queries

# Every key that strategies keep in Redis (database 3), in one table.
DISPATCHED = "dispatch:second"  # the last second that was looked at; lost: one second is looked at again

_local_second = 0  # used while Redis does not answer


def due_ids(*, now: datetime) -> list[int]:
    """Return the strategies to tick now. A second call within the same second returns none."""
    if settings.POLYBOT_MODE in IDLE_MODES:
        return []
    COUNTS.flush_if_due(now)
    # Rounded: a beat that comes at 0.99 and then at 2.01 has skipped no second.
    second = int(now.timestamp() + 0.5)
    last = _last_second(second)
    if last >= second:
        return []
    with connection.cursor() as cursor:
        # Answered in one row: five hundred of them each second would cost as much as the ticks.
        cursor.execute(
            "SELECT array_agg(id ORDER BY id) FILTER (WHERE (%s + id) / interval_s > (%s + id) / interval_s),"
            " bool_or(state = 'paused') FROM strategies_strategyconfig"
            " WHERE state IN ('running', 'observe') OR (state = 'paused' AND paused_until <= %s)",
            [second, last, now],
        )
        ids, pauses_over = cursor.fetchone()
    if pauses_over:
        pauses_end(now=now)
    return list(ids or ())


def chunks(ids: Sequence[int]) -> list[list[int]]:
    """Split ids into shared tasks."""
    return [list(ids[start : start + CHUNK]) for start in range(0, len(ids), CHUNK)]


def _last_second(second: int) -> int:
    """Return the second last looked at and put `second` in its place; one step, so two dispatchers share the work."""
    global _local_second  # noqa: PLW0603 - the fallback while Redis is away
    try:
        before = _client(settings.STRATEGIES_REDIS_URL).set(DISPATCHED, second, get=True)
        last = int(before) if before else second - 1
    except (RedisError, ValueError) as error:
        log.warning("dispatcher works without redis", extra={"problem": str(error)[:200]})
        last = _local_second or second - 1
    if last > second:
        # Somebody looked ahead of us: an old message, or a clock that was set back by more than a message's life.
        last = second if last - second < 60 else second - 1
    _local_second = second
    return max(last, second - LONGEST_GAP_S)


@lru_cache(maxsize=2)
def _client(url: str) -> Redis:
    return reads.connection(url, decode=True)
