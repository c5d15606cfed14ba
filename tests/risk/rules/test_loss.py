"""Losses stop entries and leave exits open."""

from __future__ import annotations

import pytest

from markets.domain.instruments import Side
from markets.domain.units import Usd
from orders.domain.intents import OriginKind
from risk.domain.context import OriginUsage
from risk.domain.limits import OriginLimits
from risk.rules import loss
from tests.factories.risk import MANUAL, ask, limits, micro, portfolio, wanted

LOST_50 = portfolio(equity="950", day_start_equity="1000", peak_equity="1000")


@pytest.mark.parametrize(("limit", "passes"), [("50.000001", True), ("50", False), ("49", False)])
def test_a_loss_at_the_limit_stops_entries(limit: str, passes: bool) -> None:
    check = ask(loss.daily_loss, portfolio=LOST_50, limits=limits(daily_loss=limit))
    assert check.passed is passes
    assert check.value == micro("50")


def test_exits_stay_possible_after_a_loss() -> None:
    spent = limits(daily_loss="10", drawdown_stop_bps=100)
    assert ask(loss.daily_loss, wanted(Side.SELL), portfolio=LOST_50, limits=spent).passed
    assert ask(loss.drawdown, wanted(Side.SELL), portfolio=LOST_50, limits=spent).passed


def test_a_gain_is_no_loss() -> None:
    up = portfolio(equity="1100", day_start_equity="1000", peak_equity="1100")
    assert ask(loss.daily_loss, portfolio=up).value == 0
    assert ask(loss.drawdown, portfolio=up).value == 0


def test_an_account_that_never_had_anything_has_no_drawdown() -> None:
    empty = portfolio(cash="0")
    check = ask(loss.drawdown, portfolio=empty, limits=limits(drawdown_stop_bps=1))
    assert (check.value, check.passed) == (0, True)


def test_losing_everything_is_a_drawdown_of_the_whole_peak() -> None:
    gone = portfolio(equity="0", day_start_equity="0", peak_equity="1080")
    assert ask(loss.drawdown, portfolio=gone).value == 10_000


def test_drawdown_counts_from_the_peak() -> None:
    down = portfolio(equity="1026", day_start_equity="1000", peak_equity="1080")  # 54 / 1080 = 5 %
    check = ask(loss.drawdown, portfolio=down, limits=limits(drawdown_stop_bps=500))
    assert (check.value, check.passed) == (500, False)
    assert check.note == "equity is 5 % below its peak; entries stop at 5 %"


def test_a_strategy_answers_for_its_own_loss() -> None:
    usage = {(OriginKind.STRATEGY, 1): OriginUsage(day_loss=Usd(micro("20")))}
    tight = {(OriginKind.STRATEGY, 1): OriginLimits(daily_loss=Usd(micro("20")))}
    assert ask(loss.strategy_daily_loss, origin_usage=usage, limits=limits(daily_loss="21")).passed
    assert not ask(loss.strategy_daily_loss, origin_usage=usage, origin_limits=tight).passed
    assert ask(loss.strategy_daily_loss, wanted(origin=MANUAL), origin_usage=usage, origin_limits=tight).passed
