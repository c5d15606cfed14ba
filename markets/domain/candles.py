"""One-minute candles of the mid price and the traded volume, built as the feed goes.

Prices and sizes are millionths, times milliseconds. A minute without an update has no candle.
"""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_MS = 60_000


@dataclass(slots=True, kw_only=True)
class CandleRow:
    """One minute of one outcome. `opens_ms` is a whole minute."""

    outcome_id: int
    opens_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    trades: int = 0


class CandleBuilder:
    """Collects the current minute of one outcome; `close_before` hands over what is finished."""

    __slots__ = ("_mid", "_row", "outcome_id")

    def __init__(self, outcome_id: int) -> None:
        self.outcome_id = outcome_id
        self._row: CandleRow | None = None
        self._mid: int | None = None

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
        done, self._row = self._row, None
        return done

    def interrupt(self) -> CandleRow | None:
        """Return what was collected and forget the last price: after a gap nothing is known of it."""
        done, self._row, self._mid = self._row, None, None
        return done

    def _roll(self, price: int, at_ms: int) -> CandleRow | None:
        opens_ms = at_ms - at_ms % MINUTE_MS
        row = self._row
        if row is not None and row.opens_ms >= opens_ms:  # a late event counts for the open minute
            return None
        self._row = CandleRow(
            outcome_id=self.outcome_id, opens_ms=opens_ms, open=price, high=price, low=price, close=price
        )
        return row
