"""Rows wait for Postgres and are written once; a full disk is told as such."""

from __future__ import annotations

from decimal import Decimal
from queue import SimpleQueue
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import DataError, OperationalError

from alerts.models import AuditEvent
from markets.domain.candles import CandleRow
from markets.domain.events import TradePrint as PrintEvent
from markets.domain.instruments import Side, Venue
from markets.domain.views import Sample
from markets.feed import storage as storage_module
from markets.feed.storage import Rows, Storage
from markets.models import Candle, Market, TradePrint
from markets.services import history
from markets.services.notices import Notice
from markets.tickstore import Batch, TickstoreWriter
from tests.factories.markets import AT, book_make, outcome_make

pytestmark = pytest.mark.django_db
AT_MS = int(AT.timestamp() * 1000)


@pytest.fixture
def storage() -> Storage:
    return Storage(Venue.POLYMARKET, SimpleQueue(), TickstoreWriter(settings.TICKSTORE_URL), lambda: {})


def print_of(size: int, ref: str = "", occurrence: int = 0) -> PrintEvent:
    return PrintEvent(
        token_id="7", side=Side.BUY, price=500_000, size=size, venue_ms=AT_MS, received_ns=1, venue_ref=ref,
        occurrence=occurrence,
    )  # fmt: skip


def candle(outcome_id: int, close: int, volume: int = 1_000_000, *, writer: int = 1, trades: int = 1) -> CandleRow:
    return CandleRow(
        outcome_id=outcome_id, writer=writer, opens_ms=AT_MS, open=500_000, high=max(500_000, close),
        low=min(500_000, close), close=close, volume=volume, trades=trades,
    )  # fmt: skip


def stored() -> tuple[float, ...]:
    row = Candle.objects.get()
    return (*(float(v) for v in (row.open, row.high, row.low, row.close, row.volume)), row.trades)


def test_rows_arrive_and_repeats_change_nothing(storage: Storage) -> None:
    outcome = outcome_make()
    storage.add(Rows(trades=[(outcome.pk, print_of(3)), (outcome.pk, print_of(4)), (999_999, print_of(5))]))
    storage._write()
    storage.add(Rows(trades=[(outcome.pk, print_of(3))]))
    storage._write()
    assert sorted(TradePrint.objects.values_list("size", flat=True)) == [Decimal("0.000003"), Decimal("0.000004")]


def test_equal_trades_of_one_millisecond_are_two_rows_and_stay_two(storage: Storage) -> None:
    outcome = outcome_make()
    for _ in range(2):
        storage.add(Rows(trades=[(outcome.pk, print_of(3)), (outcome.pk, print_of(3, occurrence=1))]))
        storage._write()
    assert TradePrint.objects.count() == 2


def test_a_minute_cut_in_two_is_put_together_in_either_order_within_a_batch(storage: Storage) -> None:
    outcome = outcome_make()
    storage.add(Rows(candles=[candle(outcome.pk, 520_000, writer=1)]))
    storage._write()
    storage.add(Rows(candles=[candle(outcome.pk, 490_000, writer=3), candle(outcome.pk, 470_000, writer=2)]))
    storage._write()
    assert stored() == (0.5, 0.52, 0.47, 0.49, 3.0, 3)


def test_a_candle_whose_commit_was_not_answered_is_written_again_and_counts_once(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = outcome_make()
    storage.add(Rows(candles=[candle(outcome.pk, 520_000, writer=1)]))
    storage._write()
    real = history.candles_record

    def committed_but_unanswered(rows: Any) -> None:
        real(rows)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(storage_module.history, "candles_record", committed_but_unanswered)
    storage.add(Rows(candles=[candle(outcome.pk, 470_000, writer=2)]))
    for _ in range(2):
        with pytest.raises(OperationalError):
            storage._write()
    monkeypatch.setattr(storage_module.history, "candles_record", real)
    storage._write()
    assert stored() == (0.5, 0.52, 0.47, 0.47, 2.0, 2)


def test_a_late_repeat_of_an_earlier_run_changes_nothing() -> None:
    outcome = outcome_make()
    for writer in (1, 2, 1, 2, 2):
        history.candles_record([candle(outcome.pk, 520_000, writer=writer)])
    assert stored() == (0.5, 0.52, 0.5, 0.52, 2.0, 2)


def test_the_same_run_may_say_more_of_its_minute() -> None:
    outcome = outcome_make()
    history.candles_record([candle(outcome.pk, 520_000, writer=1)])
    for volume, trades in ((1_000_000, 1), (5_000_000, 4)):
        history.candles_record([candle(outcome.pk, 520_000, volume, writer=2, trades=trades)])
    assert stored()[4:] == (6.0, 5)


def test_a_tick_from_the_socket_is_stored_and_journalled_once(storage: Storage) -> None:
    market = outcome_make().market
    storage.add(Rows(ticks=[(market.pk, 1_000), (market.pk, 1_000)]))
    storage._write()
    assert float(Market.objects.get().tick) == 0.001
    assert AuditEvent.objects.filter(kind="market.tick_changed").count() == 1


def test_notices_reach_the_journal(storage: Storage) -> None:
    storage.add(Rows(notices=[Notice(kind="feed.down", message="redis is down: gone", subject_id="redis")]))
    storage._write()
    assert AuditEvent.objects.get().message == "redis is down: gone"


def test_rows_wait_while_postgres_is_away(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = outcome_make()
    real = history.trades_record

    def away(rows: Any) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(storage_module.history, "trades_record", away)
    storage.add(Rows(trades=[(outcome.pk, print_of(3))]))
    with pytest.raises(OperationalError):
        storage._write()
    monkeypatch.setattr(storage_module.history, "trades_record", real)
    storage.add(Rows(trades=[(outcome.pk, print_of(4))]))
    storage._write()
    assert TradePrint.objects.count() == 2


def test_what_does_not_fit_is_dropped_oldest_first_and_counted(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(storage_module._LIMITS, "trades", 2)
    outcome = outcome_make()
    storage.add(Rows(trades=[(outcome.pk, print_of(n)) for n in (1_000_000, 2_000_000, 3_000_000)]))
    storage._write()
    assert storage.rows_dropped == 1
    assert sorted(int(s) for s in TradePrint.objects.values_list("size", flat=True)) == [2, 3]


def test_a_full_disk_is_told_as_such(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module.connection, "close", lambda: None)
    full = OperationalError("could not extend file")
    full.__cause__ = psycopg.errors.DiskFull("could not extend file")
    storage._failed(full)
    assert storage.error.startswith("postgres cannot write to its disk")
    storage._failed(OperationalError("server closed the connection"))
    assert storage.error.startswith("postgres did not answer")


def test_a_row_that_postgres_never_takes_holds_nothing_up(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = outcome_make()
    real = history.trades_record

    def refuse(rows: Any) -> None:
        if any(trade.size == 5 for _, trade in rows):
            raise DataError("numeric field overflow")
        real(rows)

    monkeypatch.setattr(storage_module.history, "trades_record", refuse)
    storage.add(Rows(trades=[(outcome.pk, print_of(n)) for n in range(1, 10)]))
    storage._write()
    assert (storage.rows_written, storage.rows_dropped, TradePrint.objects.count()) == (8, 1, 8)


def test_redis_keeps_nothing_of_outcomes_that_went(storage: Storage) -> None:
    here, gone = outcome_make().pk, outcome_make().pk
    writer = storage._writer
    writer.redis.flushdb()
    writer.epoch_open(AT_MS)
    sample = Sample(at_ms=AT_MS, mid=500_000, microprice=500_000)
    for outcome_id in (here, gone):
        writer.publish(
            Batch(
                books={outcome_id: book_make(outcome_id)},
                trades=[(outcome_id, print_of(3))],
                samples=[(1, outcome_id, sample), (60, outcome_id, sample)],
                events=[(outcome_id, print_of(3))],
            )
        )
    storage._rings_filled = {here, gone}
    storage._tidy([here], now=10.0)
    left = {key.decode() for key in writer.redis.keys("*")}
    assert left == {f"book:{here}", f"trades:{here}", f"ring:1:{here}", f"ring:60:{here}", "events", "state"}
    assert writer.redis.hkeys("state") == [str(here).encode()] and storage._rings_filled == {here}
    writer.publish(Batch(books={gone: book_make(gone)}))
    storage._tidy([here], now=20.0)  # an hourly job
    assert writer.redis.exists(f"book:{gone}")
    writer.redis.flushdb()
