"""How many orders and positions may be open."""

from __future__ import annotations

from markets.domain.instruments import Side
from orders.domain.intents import OrderType, OriginKind
from risk.domain.limits import OriginLimits
from risk.rules import counts
from tests.factories.risk import MANUAL, ask, held, limits, portfolio, resting, wanted

TWO = portfolio(open_orders=(resting(Side.BUY, "0.40", "10"), resting(Side.BUY, "0.41", "10", origin=MANUAL)))


def test_the_order_asked_for_counts_itself() -> None:
    assert ask(counts.open_orders, portfolio=TWO, limits=limits(open_orders=3)).passed
    assert not ask(counts.open_orders, portfolio=TWO, limits=limits(open_orders=2)).passed


def test_an_exit_that_never_rests_is_not_held_back_by_the_count() -> None:
    full = limits(open_orders=2)
    assert ask(counts.open_orders, wanted(Side.SELL, order_type=OrderType.FAK), portfolio=TWO, limits=full).passed
    assert not ask(counts.open_orders, wanted(Side.SELL), portfolio=TWO, limits=full).passed


def test_a_strategys_count_is_its_own_and_its_override_only_tightens() -> None:
    tight = {(OriginKind.STRATEGY, 1): OriginLimits(open_orders=1)}
    loose = {(OriginKind.STRATEGY, 1): OriginLimits(open_orders=99)}
    assert not ask(counts.strategy_open_orders, portfolio=TWO, origin_limits=tight).passed
    assert ask(counts.strategy_open_orders, portfolio=TWO, limits=limits(open_orders=2), origin_limits=loose).passed
    assert not ask(counts.strategy_open_orders, portfolio=TWO, limits=limits(open_orders=1), origin_limits=loose).passed
    assert ask(counts.strategy_open_orders, wanted(origin=MANUAL), portfolio=TWO, origin_limits=tight).passed


def test_a_position_being_bought_counts_like_one_that_is_held() -> None:
    both = portfolio(held(1), open_orders=(resting(Side.BUY, "0.40", "10", outcome_id=20, market_id=2),))
    two = limits(open_positions=2)
    assert ask(counts.open_positions, wanted(outcome_id=2), portfolio=both, limits=limits(open_positions=3)).passed
    assert not ask(counts.open_positions, wanted(outcome_id=2), portfolio=both, limits=two).passed
    assert ask(counts.open_positions, wanted(outcome_id=1), portfolio=both, limits=two).passed
    assert ask(counts.open_positions, wanted(Side.SELL, outcome_id=2), portfolio=both, limits=two).passed
