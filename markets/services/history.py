"""Prices over time into Postgres: trades once each, one-minute candles merged, ticks as the socket told them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import connection, transaction
from django.utils import timezone

from alerts.services.journal import event_record
from markets.domain.candles import CandleRow
from markets.domain.events import TradePrint as PrintEvent
from markets.domain.units import decimal_from_micro
from markets.models import Candle, Market, Outcome, TradePrint
from markets.services import drift
from markets.venues.base import FactChange


def trades_record(trades: Sequence[tuple[int, PrintEvent]]) -> None:
    """Store public trades. One that is stored already (heard again after a reconnect) changes nothing.

    Equal trades of one millisecond without a transaction hash are told apart by `occurrence`, their order within
    one subscription: see `markets.feed.prints` for what that can and cannot distinguish.
    """
    known = set(Outcome.objects.filter(pk__in={i for i, _ in trades}).values_list("pk", flat=True))
    TradePrint.objects.bulk_create(
        [
            TradePrint(
                outcome_id=outcome_id,
                at=_at(trade.venue_ms),
                side=trade.side,
                price=decimal_from_micro(trade.price),
                size=decimal_from_micro(trade.size),
                inferred=trade.inferred,
                digest=digest(trade),
            )
            for outcome_id, trade in trades
            if outcome_id in known
        ],
        ignore_conflicts=True,
        batch_size=1_000,
    )


def digest(trade: PrintEvent) -> str:
    """Name a trade by its content: the venue gives it no id."""
    text = f"{trade.token_id}|{trade.venue_ms}|{trade.side}|{trade.price}|{trade.size}|{trade.venue_ref}"
    if trade.occurrence:
        text += f"|{trade.occurrence}"
    return hashlib.sha256(text.encode()).hexdigest()[:40]


@transaction.atomic
def candles_record(rows: Sequence[CandleRow]) -> None:
    """Store finished minutes; storing the same rows again changes nothing.

    A row replaces what its writer stored of that minute before and is added to what earlier writers left
    (`earlier_volume`, `earlier_trades`): a minute that a restart cut in two is put together again. A row of a
    writer older than the one on record is ignored: it is a late repeat, and was counted when the later one came.
    """
    # In order of writers, or the older part of a minute would come too late; and of keys, against deadlocks.
    latest = {(row.outcome_id, row.opens_ms, row.writer): row for row in rows}
    merged = dict(sorted(latest.items()))
    table = Candle._meta.db_table

    def earlier(name: str) -> str:
        return f"CASE WHEN {table}.writer = EXCLUDED.writer THEN {table}.earlier_{name} ELSE {table}.{name} END"

    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} (outcome_id, period_s, opens_at, open, high, low, close, volume, trades,"  # noqa: S608
            " writer, earlier_volume, earlier_trades)"
            " SELECT %s, 60, %s, %s, %s, %s, %s, %s, %s, %s, 0, 0"
            f" WHERE EXISTS (SELECT 1 FROM {Outcome._meta.db_table} WHERE id = %s)"
            " ON CONFLICT (outcome_id, period_s, opens_at) DO UPDATE SET"
            f" high = GREATEST({table}.high, EXCLUDED.high), low = LEAST({table}.low, EXCLUDED.low),"
            f" close = EXCLUDED.close, writer = EXCLUDED.writer,"
            f" earlier_volume = {earlier('volume')}, volume = {earlier('volume')} + EXCLUDED.volume,"
            f" earlier_trades = {earlier('trades')}, trades = {earlier('trades')} + EXCLUDED.trades"
            f" WHERE {table}.writer <= EXCLUDED.writer",
            [
                (
                    row.outcome_id,
                    _at(row.opens_ms),
                    *(decimal_from_micro(p) for p in (row.open, row.high, row.low, row.close, row.volume)),
                    row.trades,
                    row.writer,
                    row.outcome_id,
                )
                for row in merged.values()
            ],
        )


@transaction.atomic
def ticks_record(ticks: Sequence[tuple[int, int]], *, source: str = "ws.tick_size_change") -> None:
    """Store the tick sizes that the venue announced, before the next sync would; journalled once per market."""
    for market_id, micro in dict(ticks).items():
        tick = decimal_from_micro(micro)
        market = Market.objects.select_for_update().filter(pk=market_id).exclude(tick=tick).first()
        if market is None:
            continue
        before, market.tick = market.tick, tick
        market.fingerprint = ""  # the next sync compares all of it
        market.save(update_fields=["tick", "fingerprint"])
        event_record(
            "market.tick_changed",
            f"tick of {market.question} went from {before:f} to {tick:f}"[:500],
            subject_kind="market",
            subject_id=str(market_id),
            subject_label=market.question[:240],
            actor="feed",
            payload={"before": f"{before:f}", "after": f"{tick:f}"},
        )
        change = FactChange(
            market_id=market_id, field="tick", before=f"{before.normalize():f}", after=f"{tick.normalize():f}"
        )
        drift.facts_note(market.venue, [change], source=source, now=timezone.now())


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
