"""Kill switch, trading state, master switch."""

from __future__ import annotations

import pytest

from markets.domain.instruments import Side
from orders.domain.intents import Origin
from orders.domain.lifecycle import TradingState
from risk.rules import state
from tests.factories.risk import EXIT, MANUAL, ORIGIN, ask, portfolio, wanted


@pytest.mark.parametrize("side", list(Side))
def test_a_set_kill_switch_stops_entries_and_exits(side: Side) -> None:
    check = ask(state.kill_switch, wanted(side), killed=True, kill_reason="fire drill")
    assert not check.passed
    assert check.note == "the kill switch is set: fire drill"


def test_what_is_in_order_is_on_file_as_that() -> None:
    switch, automatic = ask(state.kill_switch), ask(state.auto_trade)
    assert (switch.passed, switch.value, switch.limit, switch.note) == (True, 0, 0, "")
    assert (automatic.passed, automatic.value, automatic.limit, automatic.note) == (True, 1, 1, "")


def test_a_kill_switch_that_cannot_be_read_counts_as_set() -> None:
    check = ask(state.kill_switch, killed=None)
    assert not check.passed
    assert check.value is None


@pytest.mark.parametrize(
    ("now", "side", "passes"),
    [
        (TradingState.ACTIVE, Side.BUY, True),
        (TradingState.REDUCE_ONLY, Side.BUY, False),
        (TradingState.REDUCE_ONLY, Side.SELL, True),
        (TradingState.HALTED, Side.BUY, False),
        (TradingState.HALTED, Side.SELL, False),
    ],
)
def test_reduce_only_lets_sales_through_and_halted_nothing(now: TradingState, side: Side, passes: bool) -> None:
    assert ask(state.trading_state, wanted(side), portfolio=portfolio(trading_state=now)).passed is passes


@pytest.mark.parametrize(("origin", "passes"), [(ORIGIN, False), (MANUAL, True), (EXIT, True)])
def test_the_master_switch_holds_back_strategies_only(origin: Origin, passes: bool) -> None:
    assert ask(state.auto_trade, wanted(origin=origin), auto_trade=False).passed is passes
