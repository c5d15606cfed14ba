"""Candles of 5 minutes, an hour and a day, each made from the next finer ones.

A coarse candle is always computed whole from what it is made of, so a repeated run changes nothing. Work goes
oldest first in batches of bounded time, each committed; an interrupted run goes on where the last one ended.
The last two days are looked at again: minutes may have waited in the feed while Postgres was away.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Max, Min

from markets.models import Candle
from markets.services.locks import alone

MINUTE, FIVE_MINUTES, HOUR, DAY = 60, 300, 3_600, 86_400
AGAIN = timedelta(days=2)
_EPOCH = datetime.fromtimestamp(0, tz=UTC)
_GRACE = timedelta(minutes=5)  # the feed hands a minute over two seconds late, and Postgres may be slow
_STEPS = (  # made from, made, seconds of it in one statement
    (MINUTE, FIVE_MINUTES, 6 * HOUR),
    (FIVE_MINUTES, HOUR, 2 * DAY),
    (HOUR, DAY, 30 * DAY),
)

Progress = Callable[[str], None]


def candles_compact(
    *, now: datetime, progress: Progress | None = None, until: Callable[[], bool] = lambda: False
) -> int | None:
    """Make every coarse candle that is complete; returns how many rows were written, None while another run is at it.

    `until` is asked after each new batch whether to leave the rest to the next run.
    """
    with alone("compaction") as free:
        if not free:
            return None
        written = 0
        for source_s, target_s, batch_s in _STEPS:
            end = _floor(now - _GRACE, target_s)
            known = Candle.objects.filter(period_s=target_s).aggregate(at=Max("opens_at"))["at"]
            since = _floor(known - AGAIN, DAY) if known else _EPOCH
            at = _next_source(source_s, target_s, since)
            while at is not None and at < end:
                stop = min(_floor(at, batch_s) + timedelta(seconds=batch_s), end)
                written += _compact(source_s, target_s, at, stop)
                if progress:
                    progress(f"candles of {target_s // 60} min up to {stop:%Y-%m-%d %H:%M}, {written} written")
                if at > (known or _EPOCH) and until():  # never before something new was made
                    return written
                at = _next_source(source_s, target_s, stop)
        return written


def compacted_until() -> datetime | None:
    """Return the time up to which minutes are safe in coarser candles and will not be looked at again."""
    latest = Candle.objects.filter(period_s=FIVE_MINUTES).aggregate(at=Max("opens_at"))["at"]
    return _floor(latest - AGAIN, DAY) if latest else None


def _next_source(source_s: int, target_s: int, since: datetime) -> datetime | None:
    """Return where the next coarse candle begins that has something to be made of: silent months cost nothing."""
    rows = Candle.objects.filter(period_s=source_s, opens_at__gte=since)
    found = rows.aggregate(at=Min("opens_at"))["at"]
    return _floor(found, target_s) if found else None


def _compact(source_s: int, target_s: int, start: datetime, end: datetime) -> int:
    table = Candle._meta.db_table
    values = ("open", "high", "low", "close", "volume", "trades")
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} AS kept (outcome_id, period_s, opens_at, {', '.join(values)},"  # noqa: S608
            " writer, earlier_volume, earlier_trades)"
            " SELECT outcome_id, %s, date_bin(make_interval(secs => %s), opens_at, 'epoch'::timestamptz) AS opens,"
            " (array_agg(open ORDER BY opens_at))[1], max(high), min(low),"
            " (array_agg(close ORDER BY opens_at DESC))[1], sum(volume), sum(trades), 0, 0, 0"
            f" FROM {table} WHERE period_s = %s AND opens_at >= %s AND opens_at < %s GROUP BY outcome_id, opens"
            " ON CONFLICT (outcome_id, period_s, opens_at) DO UPDATE SET"
            f" {', '.join(f'{v} = EXCLUDED.{v}' for v in values)}"
            f" WHERE ({', '.join(f'kept.{v}' for v in values)})"
            f" IS DISTINCT FROM ({', '.join(f'EXCLUDED.{v}' for v in values)})",
            [target_s, target_s, source_s, start, end],
        )
        return int(cursor.rowcount)


def _floor(at: datetime, period_s: int) -> datetime:
    seconds = int(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % period_s, tz=UTC)
