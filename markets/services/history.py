"""Prices over time into Postgres: trades once each, one-minute candles merged, ticks as the socket told them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import connection, transaction

from alerts.services.journal import event_record
from markets.domain.candles import CandleRow
from markets.domain.events import TradePrint as PrintEvent
from markets.domain.units import decimal_from_micro
from markets.models import Candle, Market, Outcome, TradePrint


def trades_record(trades: Sequence[tuple[int, PrintEvent]]) -> None:
    """Store public trades. One that is stored already (a repeated frame, a replay) changes nothing."""
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
    """Name a trade by its content: the feed gives it no id."""
    text = f"{trade.token_id}|{trade.venue_ms}|{trade.side}|{trade.price}|{trade.size}|{trade.venue_ref}"
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def candles_record(rows: Sequence[CandleRow]) -> None:
    """Store finished minutes. A minute that a restart cut in two is put together again."""
    merged: dict[tuple[int, int], CandleRow] = {}
    for row in rows:
        key = (row.outcome_id, row.opens_ms)
        merged[key] = _joined(merged[key], row) if key in merged else row
    table = Candle._meta.db_table
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} (outcome_id, period_s, opens_at, open, high, low, close, volume, trades)"  # noqa: S608
            " SELECT %s, 60, %s, %s, %s, %s, %s, %s, %s"
            f" WHERE EXISTS (SELECT 1 FROM {Outcome._meta.db_table} WHERE id = %s)"
            " ON CONFLICT (outcome_id, period_s, opens_at) DO UPDATE SET"
            f" high = GREATEST({table}.high, EXCLUDED.high), low = LEAST({table}.low, EXCLUDED.low),"
            f" close = EXCLUDED.close, volume = {table}.volume + EXCLUDED.volume,"
            f" trades = {table}.trades + EXCLUDED.trades",
            [
                (
                    row.outcome_id,
                    _at(row.opens_ms),
                    *(decimal_from_micro(p) for p in (row.open, row.high, row.low, row.close, row.volume)),
                    row.trades,
                    row.outcome_id,
                )
                for row in merged.values()
            ],
        )


def _joined(first: CandleRow, second: CandleRow) -> CandleRow:
    return CandleRow(
        outcome_id=first.outcome_id,
        opens_ms=first.opens_ms,
        open=first.open,
        high=max(first.high, second.high),
        low=min(first.low, second.low),
        close=second.close,
        volume=first.volume + second.volume,
        trades=first.trades + second.trades,
    )


@transaction.atomic
def ticks_record(ticks: Sequence[tuple[int, int]]) -> None:
    """Store the tick sizes that the socket announced, before the next sync would; journalled once per market."""
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


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
