"""Polymarket's taker fees by category and day, as far as they are public; days are UTC.

Source: docs.polymarket.com, pages "Trading fees" and "Maker rebates" as of autumn 2026, and the venue's changelog of
2026-01-05 .. 2026-07-10. What it does not say:
- From 2026-01-05 to 2026-03-29 fees came market by market (first 15-minute crypto markets, then some sports), with
  other rates and exponents. For those two categories only the market's own record can tell; the others were free.
- Crypto went from 0.072 to 0.07 between August and September 2026. The higher rate is kept until September.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

from backtests.domain.request import BacktestRequest, Fees
from markets.domain.instruments import Category, FeeSchedule, MarketFacts, Venue

DAY_NS = 86_400 * 10**9
FREE = FeeSchedule(rate_ppm=0)
Table = Mapping[Category, FeeSchedule | None]


def _same(schedule: FeeSchedule | None, *categories: Category) -> dict[Category, FeeSchedule | None]:
    return dict.fromkeys(categories, schedule)


_EVERYTHING_FREE: Table = MappingProxyType(_same(FREE, *Category))
_MARKET_BY_MARKET: Table = MappingProxyType({**_EVERYTHING_FREE, **_same(None, Category.CRYPTO, Category.SPORTS)})
_STRUCTURE_V2: Table = MappingProxyType(
    {
        **_same(FeeSchedule(rate_ppm=72_000, rebate_ppm=200_000), Category.CRYPTO),
        **_same(FeeSchedule(rate_ppm=30_000, rebate_ppm=250_000), Category.SPORTS),
        **_same(
            FeeSchedule(rate_ppm=40_000, rebate_ppm=250_000),
            Category.FINANCE,
            Category.POLITICS,
            Category.MENTIONS,
            Category.TECH,
        ),
        **_same(
            FeeSchedule(rate_ppm=50_000, rebate_ppm=250_000),
            Category.ECONOMICS,
            Category.CULTURE,
            Category.WEATHER,
            Category.OTHER,
        ),
        **_same(FREE, Category.GEOPOLITICS),
    }
)
_DEARER_SPORTS: Table = MappingProxyType(
    {**_STRUCTURE_V2, **_same(FeeSchedule(rate_ppm=50_000, rebate_ppm=150_000), Category.SPORTS)}
)
_CHEAPER_CRYPTO: Table = MappingProxyType(
    {**_DEARER_SPORTS, **_same(FeeSchedule(rate_ppm=70_000, rebate_ppm=200_000), Category.CRYPTO)}
)

# From each day on, until the next one. A category with None has no public schedule then.
HISTORY: tuple[tuple[date, Table], ...] = (
    (date.min, _EVERYTHING_FREE),
    (date(2026, 1, 5), _MARKET_BY_MARKET),
    (date(2026, 3, 30), _STRUCTURE_V2),
    (date(2026, 7, 10), _DEARER_SPORTS),
    (date(2026, 9, 1), _CHEAPER_CRYPTO),
)
_DAYS = [day for day, _ in HISTORY]


def schedule_on(category: Category, day: date) -> FeeSchedule | None:
    """Return the category's schedule on `day`; None where it was set market by market."""
    return HISTORY[bisect_right(_DAYS, day) - 1][1][category]


def fee_on(facts: MarketFacts, day: date, request: BacktestRequest) -> FeeSchedule | None:
    """Return what a taker pays in the market on `day` as the request wants it; None: unknown, and the gate refuses.

    By date, a market of another venue, and one whose category had no schedule of its own then, keep their record's.
    """
    if request.fees is Fees.NONE:
        return FREE
    if request.fees is Fees.FIXED:
        return FeeSchedule(rate_ppm=request.fee_rate_ppm)
    if request.fees is Fees.MARKET or facts.venue is not Venue.POLYMARKET:
        return facts.fee
    known = schedule_on(facts.category, day)
    return facts.fee if known is None else known


def day_of(at_ns: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_ns // 10**9)).date()


class FeeCalendar:
    """The schedules of one market over a replay, looked up once a day."""

    def __init__(self, facts: MarketFacts, request: BacktestRequest) -> None:
        self._facts = facts
        self._request = request
        self._day = -1
        self._fee: FeeSchedule | None = None

    def at(self, at_ns: int) -> FeeSchedule | None:
        day = at_ns // DAY_NS
        if day != self._day:
            self._day, self._fee = day, fee_on(self._facts, day_of(at_ns), self._request)
        return self._fee
