"""What a taker paid on which day, and what is not known is not guessed."""

from __future__ import annotations

from datetime import date

import pytest

from backtests.domain.fees_by_date import FREE, HISTORY, FeeCalendar, fee_on, schedule_on
from backtests.domain.request import Fees
from markets.domain.instruments import Category, FeeSchedule, Venue
from markets.venues.simulated.fees import CATEGORY_FEES
from tests.backtests.scripts import request
from tests.backtests.tapes import facts_make

OWN = FeeSchedule(rate_ppm=12_345)


@pytest.mark.parametrize(
    ("category", "day", "rate"),
    [
        (Category.CRYPTO, date(2025, 12, 31), 0),
        (Category.POLITICS, date(2026, 2, 1), 0),
        (Category.CRYPTO, date(2026, 2, 1), None),
        (Category.SPORTS, date(2026, 3, 29), None),
        (Category.SPORTS, date(2026, 3, 30), 30_000),
        (Category.SPORTS, date(2026, 7, 9), 30_000),
        (Category.SPORTS, date(2026, 7, 10), 50_000),
        (Category.CRYPTO, date(2026, 7, 10), 72_000),
        (Category.CRYPTO, date(2026, 9, 1), 70_000),
        (Category.GEOPOLITICS, date(2026, 9, 1), 0),
    ],
)
def test_schedules_by_day(category, day, rate):
    found = schedule_on(category, day)
    assert (None if found is None else found.rate_ppm) == rate


def test_the_latest_schedule_is_the_venues_current_one():
    latest = HISTORY[-1][1]
    assert {c: (s.rate_ppm, s.rebate_ppm) for c, s in latest.items() if s} == {
        c: (s.rate_ppm, s.rebate_ppm) for c, s in CATEGORY_FEES.items()
    }


def test_what_was_set_market_by_market_is_the_markets_own():
    day = date(2026, 2, 1)
    assert fee_on(facts_make(category=Category.CRYPTO, fee=OWN), day, request(fees=Fees.BY_DATE)) == OWN
    assert fee_on(facts_make(category=Category.CRYPTO, fee=None), day, request(fees=Fees.BY_DATE)) is None
    assert fee_on(facts_make(category=Category.POLITICS, fee=OWN), day, request(fees=Fees.BY_DATE)) == FREE
    other = facts_make(category=Category.POLITICS, fee=OWN, venue=Venue.POLYMARKET_US)
    assert fee_on(other, day, request(fees=Fees.BY_DATE)) == OWN


def test_a_request_may_say_otherwise():
    day, facts = date(2026, 9, 1), facts_make(category=Category.CRYPTO, fee=OWN)
    assert fee_on(facts, day, request(fees=Fees.MARKET)) == OWN
    assert fee_on(facts, day, request(fees=Fees.NONE)) == FREE
    fixed = fee_on(facts, day, request(fees=Fees.FIXED, fee_rate_ppm=10_000))
    assert fixed is not None and fixed.rate_ppm == 10_000


def test_the_calendar_turns_the_page_at_midnight():
    calendar = FeeCalendar(facts_make(category=Category.SPORTS), request(fees=Fees.BY_DATE))
    midnight = 1_783_641_600 * 10**9  # 2026-07-10
    before, after = calendar.at(midnight - 1), calendar.at(midnight)
    assert before is not None and after is not None
    assert (before.rate_ppm, after.rate_ppm) == (30_000, 50_000)
