"""The facts of the markets as a strategy and the gate may know them at a moment of the replay.

A recorded fact sheet is often newer than the events: it may say resolved, and who won. Here a market is open until
its settlement is booked, and no outcome has a payout before. Fees are those of the day, ticks follow the tape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from backtests.domain.clock import SECOND_NS
from backtests.domain.fees_by_date import FeeCalendar
from backtests.domain.views import SeenMarket
from markets.domain.instruments import MarketFacts, MarketState
from markets.domain.units import Price

FACTS_AGE_NS = 30 * SECOND_NS  # as old as the runner lets facts of traded markets get
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def opened(facts: MarketFacts) -> MarketFacts:
    """Return the facts without what only the future knows."""
    outcomes = tuple(replace(outcome, payout=None) for outcome in facts.outcomes)
    return replace(facts, state=MarketState.OPEN, outcomes=outcomes)


class Catalogue:
    """Facts by market id. The mapping is replaced, never changed: who was handed one keeps it as it was."""

    def __init__(self, markets: Sequence[SeenMarket], fees: Sequence[FeeCalendar]) -> None:
        self._markets = markets
        self._fees = fees
        self._known: dict[int, MarketFacts] = {}
        self._dated_ns: int | None = None
        self._ended: dict[int, Mapping[int, Price]] = {}  # payouts by market id; empty where they were not clear

    def at(self, now_ns: int) -> Mapping[int, MarketFacts]:
        if self._dated_ns is None or now_ns - self._dated_ns >= FACTS_AGE_NS:
            self._dated_ns = now_ns
            self._known = {
                market.facts.market_id: self._dated(market.facts, fees, now_ns)
                for market, fees in zip(self._markets, self._fees, strict=True)
            }
        return self._known

    def end(self, market_id: int, payouts: Mapping[int, Price]) -> None:
        """The market is over; `payouts` by outcome id, empty when nobody can say what it paid."""
        self._ended[market_id] = payouts
        self._dated_ns = None

    def _dated(self, facts: MarketFacts, fees: FeeCalendar, now_ns: int) -> MarketFacts:
        now = _EPOCH + timedelta(microseconds=now_ns // 1_000)
        payouts = self._ended.get(facts.market_id)
        if payouts is None:
            return replace(facts, fee=fees.at(now_ns), synced_at=now)
        outcomes = tuple(replace(outcome, payout=payouts.get(outcome.outcome_id)) for outcome in facts.outcomes)
        state = MarketState.RESOLVED if payouts else MarketState.CLOSED
        return replace(facts, fee=fees.at(now_ns), synced_at=now, state=state, outcomes=outcomes)
