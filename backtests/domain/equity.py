"""What the account of a replay is worth: for the gate, from minute to minute, and for the result's curve.

The gate's figures are the live desk's: shares at the middle of a live book, at the bid where nobody asks, at cost
without a fresh one; peak and day start come from whole minutes. The curve of the result counts shares at the bid.
Times are nanoseconds, dollars millionths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from backtests.domain.fees_by_date import DAY_NS
from backtests.domain.holdings import Holdings
from backtests.domain.result import EQUITY
from backtests.domain.tables import Table
from markets.domain.units import notional_down
from markets.domain.views import BookView, Mark
from orders.domain.equity import Valuation, value_positions

MINUTE_NS = 60 * 10**9
HOUR_NS = 3_600 * 10**9
MARK_FRESH_MS = 15_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EquityBook:
    """Values, peak, day start and curve of one account."""

    def __init__(self, holdings: Holdings, bid_of: Callable[[int], int | None]) -> None:
        self.peak = holdings.cash
        self.curve = Table(EQUITY)
        self._holdings = holdings
        self._bid_of = bid_of  # the best bid last seen, by outcome
        self._day = -1
        self._day_start = holdings.cash
        self._last = (0, holdings.cash)  # the last snapshot
        self._last_marked = (0, holdings.cash)  # and the last in which everything had a price

    @staticmethod
    def at(at_ns: int) -> datetime:
        return _EPOCH + timedelta(microseconds=at_ns // 1_000)

    def value(self, books: Mapping[int, BookView], now_ms: int) -> Valuation:
        positions = self._holdings.positions
        marks = {}
        for outcome_id in positions:
            view = books.get(outcome_id)
            if view is not None:
                marks[outcome_id] = Mark(
                    outcome_id=outcome_id,
                    bid=view.best_bid,
                    ask=view.best_ask,
                    mid=view.mid,
                    last=None,
                    at_ms=view.confirmed_ms,
                    fresh=view.is_fresh(now_ms, MARK_FRESH_MS),
                )
        return value_positions(positions.values(), marks)

    def snapshot(self, at_ns: int, books: Mapping[int, BookView]) -> Valuation:
        """Take the snapshot of a whole minute: it may be a new peak, and the one that a new day starts from."""
        self.day_start(at_ns)  # first: a new day starts from what was before it
        value = self.value(books, at_ns // 10**6)
        equity = self._holdings.cash + value.positions_value
        self._last = (at_ns, equity)
        if not value.unmarked:
            self._last_marked = self._last
            self.peak = max(self.peak, equity)
        return value

    def day_start(self, now_ns: int) -> int:
        """Return the equity of the last snapshot before midnight UTC, one with all prices if it is fresh enough."""
        day = now_ns // DAY_NS
        if day != self._day:
            midnight = day * DAY_NS
            first = self._day < 0
            self._day = day
            if not first:
                fresh = self._last_marked[0] >= midnight - HOUR_NS
                self._day_start = self._last_marked[1] if fresh else self._last[1]
        return self._day_start

    def point(self, at_ns: int) -> None:
        """Add a point to the curve."""
        held = self._holdings
        value = cost = 0
        for outcome_id, position in held.positions.items():
            bid = self._bid_of(outcome_id)
            value += position.cost if bid is None else notional_down(bid, position.size)
            cost += position.cost
        self.curve.append((at_ns, held.cash, value, cost, held.fees, held.rebates))
