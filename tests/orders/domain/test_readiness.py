"""Whether an order may leave: each condition at its limit, one second later, and what is never held back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from markets.domain.instruments import MarketState, Side
from orders.domain.lifecycle import Environment
from orders.domain.readiness import (
    LiveConditions,
    VenueMode,
    account_check,
    conditions_check,
    entries_check,
    mode_now,
    send_obstacle,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


WELL = LiveConditions(
    account_id=1,
    environment=Environment.LIVE,
    connection="ready",
    stream_alive_at=ago(2),
    reconciled_at=ago(40),
    clock_offset_ms=-120,
    clock_at=ago(30),
    blocked=False,
    country="PT",
    blocked_at=ago(300),
    has_market=True,
    market_state=MarketState.OPEN,
    market_synced_at=ago(20),
    has_book=True,
    book_is_live=True,
    book_confirmed_ms=int(ago(1).timestamp() * 1000),
)


def obstacle(side: Side = Side.BUY, *, marketable: bool = True, post_only: bool | None = None, **changes: Any) -> str:
    conditions = replace(WELL, **changes)
    return send_obstacle(conditions, side=side, marketable=marketable, now=NOW, post_only=post_only)


def test_with_everything_well_both_sides_may_go() -> None:
    assert obstacle(Side.BUY) == obstacle(Side.SELL) == ""


def test_paper_has_nothing_to_meet() -> None:
    nothing = LiveConditions(account_id=1, environment=Environment.PAPER)
    assert send_obstacle(nothing, side=Side.BUY, marketable=True, now=NOW) == ""
    assert conditions_check(nothing, side=Side.BUY, marketable=True, now=NOW) == ()
    assert account_check(nothing, now=NOW) == entries_check(nothing, now=NOW) == ()


@pytest.mark.parametrize(
    ("changes", "fine"),
    [
        ({"stream_alive_at": ago(15)}, True),
        ({"stream_alive_at": ago(15.1)}, False),
        ({"reconciled_at": ago(120)}, True),
        ({"reconciled_at": ago(120.5)}, False),
        ({"clock_offset_ms": 5_000}, True),
        ({"clock_offset_ms": 5_001}, False),
        ({"clock_offset_ms": -5_001}, False),
        ({"clock_at": ago(300)}, True),
        ({"clock_at": ago(301)}, False),
        ({"blocked_at": ago(1_800)}, True),
        ({"blocked_at": ago(1_801)}, False),
        ({"heartbeat_wanted": True, "heartbeat_at": ago(10)}, True),
        ({"heartbeat_wanted": True, "heartbeat_at": ago(11)}, False),
        ({"heartbeat_wanted": False, "heartbeat_at": ago(1_000)}, True),
        ({"market_synced_at": ago(60)}, True),
        ({"market_synced_at": ago(61)}, False),
        ({"book_confirmed_ms": int(ago(3).timestamp() * 1000)}, True),
        ({"book_confirmed_ms": int(ago(3).timestamp() * 1000) - 1}, False),
    ],
)
def test_every_age_has_its_limit_and_holds_back_both_sides(changes: dict[str, Any], fine: bool) -> None:
    assert (obstacle(Side.BUY, **changes) == "") is fine
    assert (obstacle(Side.SELL, **changes) == "") is fine


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"connection": "failed", "connection_note": "wrong key"}, "not connected to the venue (failed): wrong key"),
        ({"stream_alive_at": None}, "the user stream was never connected"),
        ({"stream_alive_at": ago(16)}, "last sign of life 16 s ago, at most 15 s"),
        ({"stream_alive_at": ago(16), "stream_note": "401"}, "at most 15 s (401)"),
        ({"reconciled_at": None}, "the account was never reconciled"),
        ({"reconciled_at": ago(1_200)}, "the last clean reconciliation was 20 min ago, at most 120 s"),
        ({"clock_offset_ms": None}, "the clock was never compared"),
        ({"clock_offset_ms": 7_300}, "our clock is 7.3 s behind the venue's, at most 5 s"),
        ({"clock_offset_ms": -7_300}, "our clock is 7.3 s ahead of the venue's"),
        ({"blocked": None}, "never asked whether it lets us trade here"),
        ({"blocked": True, "country": "US"}, "does not let this place (US) trade"),
        ({"market_state": None, "market_synced_at": None}, "the market is not in the catalogue"),
        ({"market_state": MarketState.PAUSED}, "the market is paused"),
        ({"book_confirmed_ms": None}, "there is no book"),
        ({"book_is_live": False}, "the book's socket is in doubt"),
    ],
)
def test_every_obstacle_says_its_number_and_its_limit(changes: dict[str, Any], said: str) -> None:
    assert said in obstacle(Side.SELL, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"foreign_orders": 2, "foreign_order": "0xab"}, "2 orders of this wallet not made here (0xab)"),
        ({"venue_block": "unknown field x"}, "entries on this venue are blocked: unknown field x"),
        ({"market_block": "the fee changed"}, "entries on this market are blocked: the fee changed"),
    ],
)
def test_what_is_strange_keeps_entries_out_and_lets_exits_pass(changes: dict[str, Any], said: str) -> None:
    assert said in obstacle(Side.BUY, **changes)
    assert obstacle(Side.SELL, **changes) == ""


def test_what_lets_an_order_pass_says_nothing() -> None:
    strange = replace(WELL, foreign_orders=1, foreign_order="0xab", venue_block="x", market_block="y")
    for conditions, side in ((strange, Side.SELL), (WELL, Side.BUY)):
        found = conditions_check(conditions, side=side, marketable=True, now=NOW)
        assert len(found) > 8
        assert [(each.name, each.note) for each in found if not each.passed or each.note] == []


def test_the_place_is_asked_for_real_money_only() -> None:
    assert obstacle(environment=Environment.SANDBOX, blocked=None, blocked_at=None) == ""


def test_a_resting_order_allows_an_older_book() -> None:
    old = int(ago(14).timestamp() * 1000)
    assert obstacle(marketable=False, book_confirmed_ms=old) == ""
    assert "14.0 s ago, at most 3 s" in obstacle(marketable=True, book_confirmed_ms=old)


def test_the_first_obstacle_in_the_fixed_order_is_named() -> None:
    said = obstacle(stream_alive_at=None, reconciled_at=None, market_state=MarketState.CLOSED)
    assert said == "the user stream was never connected"


def test_a_slow_clock_warns_before_it_stops() -> None:
    clock = next(c for c in account_check(replace(WELL, clock_offset_ms=2_500), now=NOW) if c.name == "clock")
    assert clock.passed and clock.warning and "2.5 s behind" in clock.note
    quiet = next(c for c in account_check(replace(WELL, clock_offset_ms=2_000), now=NOW) if c.name == "clock")
    assert quiet.passed and not quiet.warning and not quiet.note


@pytest.mark.parametrize(
    ("mode", "until_s", "expected"),
    [
        ("", None, VenueMode.NORMAL),
        ("restarting", 10, VenueMode.RESTARTING),
        ("restarting", 0, VenueMode.POST_ONLY),  # over just now: two minutes of post-only follow
        ("restarting", -119, VenueMode.POST_ONLY),
        ("restarting", -120, VenueMode.NORMAL),
        ("post_only", 1, VenueMode.POST_ONLY),
        ("post_only", 0, VenueMode.NORMAL),
        ("cancel_only", 1, VenueMode.CANCEL_ONLY),
        ("cancel_only", 0, VenueMode.NORMAL),
        ("cancel_only", None, VenueMode.CANCEL_ONLY),  # no end is known
        ("something new", 10, VenueMode.NORMAL),
    ],
)
def test_a_mode_ends_by_the_clock(mode: str, until_s: float | None, expected: VenueMode) -> None:
    until = None if until_s is None else NOW + timedelta(seconds=until_s)
    assert mode_now(mode, until, NOW)[0] is expected


def test_post_only_mode_lets_post_only_orders_pass() -> None:
    mode: dict[str, Any] = {"mode": "post_only", "mode_until": NOW + timedelta(seconds=90)}
    assert obstacle(marketable=True, **mode) == "the venue takes post-only orders alone, asked again in 90 s"
    assert obstacle(marketable=False, **mode) == ""
    assert "post-only" in obstacle(marketable=False, post_only=False, **mode)
    assert obstacle(marketable=False, post_only=True, **mode) == ""


@pytest.mark.parametrize("mode", ["restarting", "cancel_only", "disabled"])
def test_a_venue_that_takes_no_orders_takes_no_exits_either(mode: str) -> None:
    for side in Side:
        assert obstacle(side, marketable=False, mode=mode, mode_until=NOW + timedelta(seconds=5)).startswith(
            "the venue"
        )


def test_what_was_not_asked_about_holds_nothing_back() -> None:
    assert {c.name for c in conditions_check(WELL, side=Side.BUY, marketable=True, now=NOW)} >= {"metadata", "book"}
    account_only = replace(WELL, has_market=False, market_state=None, market_synced_at=None, has_book=False)
    checked = conditions_check(account_only, side=Side.BUY, marketable=True, now=NOW)
    assert not {c.name for c in checked} & {"metadata", "market_open", "book"}
    assert all(condition.passed for condition in checked)
    no_book = replace(WELL, has_book=False, book_confirmed_ms=None, book_is_live=False)
    assert send_obstacle(no_book, side=Side.BUY, marketable=True, now=NOW) == ""


def test_paper_accounts_have_no_entries_to_keep_out() -> None:
    paper = LiveConditions(account_id=1, environment=Environment.PAPER, foreign_orders=3, venue_block="drift")
    assert entries_check(paper, now=NOW) == ()
    assert not all(c.passed for c in entries_check(replace(paper, environment=Environment.LIVE), now=NOW))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("user stream", {"stream_alive_at": ago(-6)}),
        ("reconciled", {"reconciled_at": ago(-6)}),
        ("clock", {"clock_at": ago(-6)}),
        ("metadata", {"market_synced_at": ago(-3_600)}),
        ("book", {"book_confirmed_ms": int(ago(-6).timestamp() * 1000)}),
    ],
)
def test_what_a_clock_ahead_wrote_is_not_fresh_once_it_is_set_back(name: str, changes: dict[str, Any]) -> None:
    assert obstacle(**changes).startswith(f"{name}: last seen ")
    assert obstacle(**changes).endswith("ahead of now, so the clock was set back")


def test_clocks_that_differ_by_seconds_are_as_good_as_one() -> None:
    late = ago(-5)
    assert obstacle(stream_alive_at=late, reconciled_at=late, clock_at=late, market_synced_at=late) == ""


def test_every_condition_is_on_file_with_what_was_measured_and_warns_only_where_it_says_so() -> None:
    checked = {c.name: c for c in conditions_check(WELL, side=Side.BUY, marketable=True, now=NOW)}
    assert not any(c.warning for c in checked.values())
    assert (checked["place"].value, checked["place"].limit, checked["place"].unit) == (0, 0, "flag")
    assert (checked["venue_block"].value, checked["venue_block"].limit) == (0, 0)
    assert (checked["user_stream"].value, checked["book"].value) == (2, 1_000)
    asked = {
        c.name: c for c in conditions_check(replace(WELL, blocked_at=None), side=Side.BUY, marketable=True, now=NOW)
    }
    assert (asked["place"].passed, asked["place"].value, asked["place"].limit) == (False, None, 0)


def test_a_book_five_seconds_ahead_is_still_believed_and_one_beyond_is_not() -> None:
    ahead = int(NOW.timestamp() * 1000) + 5_000
    fine, wrong = (
        next(c for c in conditions_check(replace(WELL, book_confirmed_ms=ms), side=Side.BUY, marketable=True, now=NOW)
             if c.name == "book") for ms in (ahead, ahead + 1)
    )  # fmt: skip
    assert (fine.passed, fine.value, wrong.passed) == (True, 0, False)
    late = replace(WELL, reconciled_at=NOW + timedelta(seconds=9))
    (condition,) = [c for c in account_check(late, now=NOW) if c.name == "reconciled"]
    assert not condition.passed and "9 s" in condition.note
