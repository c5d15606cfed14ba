"""Known, open, far enough from the end, with recent facts and a known fee."""

from __future__ import annotations

from datetime import timedelta

import pytest

from markets.domain.instruments import MarketState, Side
from orders.domain.lifecycle import Environment
from risk.rules import market
from tests.factories.risk import AT, ask, facts, limits, micro, portfolio, wanted


def test_a_market_that_is_not_in_the_catalogue_is_refused() -> None:
    check = ask(market.market_known, facts={})
    assert (check.passed, check.value, check.limit) == (False, 0, 1)
    assert "sync markets" in check.note


def test_an_outcome_of_another_market_is_refused() -> None:
    check = ask(market.market_known, wanted(outcome_id=77))
    assert (check.passed, check.value, check.limit) == (False, 0, 1)


@pytest.mark.parametrize("rule", [market.market_open, market.time_to_close, market.metadata_age, market.fee_known])
def test_without_facts_every_question_about_the_market_is_answered_no(rule: market.Check) -> None:
    assert not ask(rule, facts={}).passed


@pytest.mark.parametrize("state", list(MarketState))
def test_only_an_open_market_takes_orders(state: MarketState) -> None:
    assert ask(market.market_open, facts={1: facts(state=state)}).passed is (state is MarketState.OPEN)


@pytest.mark.parametrize(
    ("side", "left_s", "passes"), [(Side.BUY, 899, False), (Side.BUY, 900, True), (Side.SELL, 5, True)]
)
def test_entries_keep_a_distance_from_the_close(side: Side, left_s: int, passes: bool) -> None:
    closing = facts(closes_at=AT + timedelta(seconds=left_s))
    check = ask(market.time_to_close, wanted(side), facts={1: closing})
    assert check.passed is passes
    assert (check.value, check.limit) == (left_s, 900)


def test_a_market_without_a_closing_time_keeps_none() -> None:
    assert ask(market.time_to_close, facts={1: facts(closes_at=None)}).passed


@pytest.mark.parametrize(
    ("side", "age_s", "environment", "passes"),
    [
        (Side.BUY, 180, Environment.PAPER, True),
        (Side.BUY, 181, Environment.PAPER, False),
        (Side.SELL, 9999, Environment.PAPER, True),
        (Side.SELL, 181, Environment.LIVE, False),
    ],
)
def test_old_facts_stop_entries(side: Side, age_s: int, environment: Environment, passes: bool) -> None:
    old = facts(synced_at=AT - timedelta(seconds=age_s))
    check = ask(market.metadata_age, wanted(side), facts={1: old}, portfolio=portfolio(environment=environment))
    assert check.passed is passes


def test_an_unknown_fee_stops_an_entry_but_not_an_exit() -> None:
    unknown = {1: facts(fee=None)}
    assert not ask(market.fee_known, facts=unknown).passed
    exit_check = ask(market.fee_known, wanted(Side.SELL), facts=unknown)
    assert (exit_check.passed, exit_check.note) == (True, "the fee of this market is not known")
    known = ask(market.fee_known)
    assert (known.passed, known.value, known.note) == (True, 1, "")


@pytest.mark.parametrize("rule", ["liquidity", "volume_24h"])
def test_a_thin_market_is_not_entered_and_may_be_left(rule: str) -> None:
    asks = getattr(market, rule)
    floors = limits(minimum_liquidity="500", minimum_volume_24h="500")
    thin, deep = ({1: facts(**{rule: micro(value)})} for value in ("499.99", "500"))
    check = ask(asks, facts=thin, limits=floors)
    assert not check.passed and "$499.99" in check.note and "$500.00" in check.note
    assert ask(asks, facts=deep, limits=floors).passed
    assert ask(asks, wanted(Side.SELL), facts=thin, limits=floors).passed
    assert ask(asks, facts=thin).passed  # no floor
