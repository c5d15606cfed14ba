"""How long history is kept: public trades 90 days, one-minute candles and market snapshots a year.

Candles of 5 minutes and more are kept for ever. A minute goes only when coarser candles hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.db import connection

from markets.models import Candle, MarketSnapshot, TradePrint
from markets.services.compaction import MINUTE, Progress, compacted_until
from markets.services.locks import alone

TRADES_KEPT = timedelta(days=90)
MINUTES_KEPT = timedelta(days=365)
SNAPSHOTS_KEPT = timedelta(days=365)
BATCH = 5_000  # rows deleted in one transaction


def history_prune(
    *, now: datetime, progress: Progress | None = None, until: Callable[[], bool] = lambda: False
) -> dict[str, int] | None:
    """Delete what is past its time, oldest first; returns rows deleted by kind, None while another run is at it.

    `until` is asked after each batch whether to leave the rest to the next run.
    """
    with alone("retention") as free:
        if not free:
            return None
        deleted: dict[str, int] = {}
        for name, where, cutoff in _rules(now):
            deleted[name] = 0
            while True:
                count = _delete(where, cutoff)
                deleted[name] += count
                if progress and count:
                    progress(f"{deleted[name]} {name} from before {cutoff:%Y-%m-%d} deleted")
                if until():
                    return deleted
                if count < BATCH:
                    break
        return deleted


def _rules(now: datetime) -> Iterator[tuple[str, str, datetime]]:
    yield "trades", f"{TradePrint._meta.db_table} WHERE at < %s ORDER BY at", now - TRADES_KEPT
    safe = compacted_until()
    if safe is not None:
        minutes = f"{Candle._meta.db_table} WHERE period_s = {MINUTE} AND opens_at < %s ORDER BY opens_at"
        yield "one-minute candles", minutes, min(now - MINUTES_KEPT, safe)
    yield "snapshots", f"{MarketSnapshot._meta.db_table} WHERE at < %s ORDER BY at", now - SNAPSHOTS_KEPT


def _delete(where: str, cutoff: datetime) -> int:
    table = where.split(" ", 1)[0]
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {where} LIMIT {BATCH})",  # noqa: S608 - our own names
            [cutoff],
        )
        return int(cursor.rowcount)
