"""One-minute candles of the mid price and the traded volume, built as the feed goes.

Prices and sizes are millionths, times milliseconds. A minute without an update has no candle.

A minute may be collected in parts: the feed restarts, or an outcome is let go and taken up again. Each
collector has a number, `writer`, that only grows; its row holds everything it saw of the minute, never an
addition to an earlier row. So a row may be stored any number of times: the latest writer's row replaces what
that writer stored before and is added to what earlier writers left.
"""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_MS = 60_000


@dataclass(slots=True, kw_only=True)
class CandleRow:
    """All that one collector saw of one minute of one outcome. `opens_ms` is a whole minute."""

    outcome_id: int
    writer: int
    opens_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    trades: int = 0


class CandleBuilder:
    """Collects the current minute of one outcome and hands each minute over once, when it has ended."""

    __slots__ = ("_closed_ms", "_mid", "_row", "outcome_id", "writer")

    def __init__(self, outcome_id: int, *, writer: int) -> None:
        self.outcome_id = outcome_id
        self.writer = writer
        self._row: CandleRow | None = None
        self._mid: int | None = None
        self._closed_ms = 0  # the latest minute handed over: it cannot be opened again

    def price(self, mid: int, at_ms: int) -> CandleRow | None:
        """Note a mid price; returns the minute that this one ends, if it does."""
        done = self._roll(mid, at_ms)
        row = self._row
        assert row is not None  # noqa: S101 - _roll opened it
        row.high = max(row.high, mid)
        row.low = min(row.low, mid)
        row.close = mid
        self._mid = mid
        return done

    def trade(self, price: int, size: int, at_ms: int) -> CandleRow | None:
        """Note a trade. The candle's prices stay those of the mid; without any mid yet the trade's price stands in."""
        done = self._roll(self._mid if self._mid is not None else price, at_ms)
        row = self._row
        assert row is not None  # noqa: S101 - _roll opened it
        row.volume += size
        row.trades += 1
        return done

    def close_before(self, at_ms: int) -> CandleRow | None:
        """Return the collected minute if it ended before `at_ms`."""
        if self._row is None or self._row.opens_ms + MINUTE_MS > at_ms:
            return None
        return self._close()

    def interrupt(self) -> None:
        """Forget the last price, after a gap nothing is known of it; what was collected of the minute stands."""
        self._mid = None

    def finish(self) -> CandleRow | None:
        """Return the minute as far as it was collected: this collector sees no more of it."""
        return self._close()

    def _close(self) -> CandleRow | None:
        done, self._row = self._row, None
        if done is not None:
            self._closed_ms = done.opens_ms
        return done

    def _roll(self, price: int, at_ms: int) -> CandleRow | None:
        opens_ms = at_ms - at_ms % MINUTE_MS
        row = self._row
        if row is not None and row.opens_ms >= opens_ms:  # a late event counts for the open minute
            return None
        done = self._close()
        if self._closed_ms:  # and a very late one for the minute after the last that was handed over
            opens_ms = max(opens_ms, self._closed_ms + MINUTE_MS)
        self._row = CandleRow(
            outcome_id=self.outcome_id,
            writer=self.writer,
            opens_ms=opens_ms,
            open=price,
            high=price,
            low=price,
            close=price,
        )
        return done
