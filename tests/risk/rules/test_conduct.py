"""Our own orders do not repeat, collide or crowd."""

from __future__ import annotations

from datetime import timedelta

import pytest

from markets.domain.instruments import Side
from orders.domain.intents import INTENT_LEVEL, Origin, OriginKind, Placement
from orders.domain.lifecycle import OrderState
from risk.domain.context import RecentOrder, origin_ref
from risk.rules import conduct
from tests.factories.risk import AT, EXIT, MANUAL, ORIGIN, ask, limits, micro, portfolio, resting, wanted


@pytest.mark.parametrize(
    ("ours", "asked", "trades"),
    [
        # the same outcome: a buy at or above our sell
        ((Side.SELL, "0.50", 1), (Side.BUY, "0.50", 1), True),
        ((Side.SELL, "0.51", 1), (Side.BUY, "0.50", 1), False),
        ((Side.BUY, "0.50", 1), (Side.SELL, "0.50", 1), True),
        ((Side.BUY, "0.49", 1), (Side.SELL, "0.50", 1), False),
        ((Side.BUY, "0.50", 1), (Side.BUY, "0.50", 1), False),
        # the two outcomes of one market: both bought for a dollar or more mint a pair
        ((Side.BUY, "0.50", 2), (Side.BUY, "0.50", 1), True),
        ((Side.BUY, "0.49", 2), (Side.BUY, "0.50", 1), False),
        ((Side.SELL, "0.50", 2), (Side.SELL, "0.50", 1), True),
        ((Side.SELL, "0.51", 2), (Side.SELL, "0.50", 1), False),
        ((Side.SELL, "0.01", 2), (Side.BUY, "0.99", 1), False),
    ],
)
def test_two_of_our_orders_never_trade_with_each_other(
    ours: tuple[Side, str, int], asked: tuple[Side, str, int], trades: bool
) -> None:
    book = portfolio(open_orders=(resting(ours[0], ours[1], "10", outcome_id=ours[2]),))
    check = ask(conduct.self_trade, wanted(asked[0], asked[1], outcome_id=asked[2]), portfolio=book)
    assert check.passed is not trades


def test_orders_elsewhere_and_orders_that_are_filled_do_not_meet_ours() -> None:
    elsewhere = portfolio(open_orders=(resting(Side.SELL, "0.50", "10", market_id=2),))
    filled = portfolio(open_orders=(resting(Side.SELL, "0.50", "10", filled=micro("10")),))
    assert ask(conduct.self_trade, portfolio=elsewhere).passed
    assert ask(conduct.self_trade, portfolio=filled).passed


def test_an_order_of_unknown_fate_holds_back_its_origin_on_that_side() -> None:
    waiting = portfolio(open_orders=(resting(Side.BUY, "0.40", "10", state="unknown"),))
    assert not ask(conduct.unknown_order, wanted(), portfolio=waiting).passed
    assert ask(conduct.unknown_order, wanted(Side.SELL), portfolio=waiting).passed
    assert ask(conduct.unknown_order, wanted(origin=MANUAL), portfolio=waiting).passed
    assert ask(conduct.unknown_order, wanted(outcome_id=2), portfolio=waiting).passed


def recent(origin: Origin, *, age_ms: int) -> tuple[RecentOrder, ...]:
    return (
        RecentOrder(
            origin=origin_ref(origin),
            outcome_id=1,
            side=Side.BUY,
            price=micro("0.50"),
            size=micro("10"),
            at=AT - timedelta(milliseconds=age_ms),
        ),
    )


@pytest.mark.parametrize(("age_ms", "passes"), [(0, False), (1_999, False), (2_000, True)])
def test_the_same_manual_order_twice_within_two_seconds_is_a_mistake(age_ms: int, passes: bool) -> None:
    assert ask(conduct.duplicate, wanted(origin=MANUAL), recent_orders=recent(MANUAL, age_ms=age_ms)).passed is passes


def test_another_size_or_another_origin_is_no_duplicate() -> None:
    assert ask(conduct.duplicate, wanted(origin=MANUAL, size="11"), recent_orders=recent(MANUAL, age_ms=10)).passed
    assert ask(conduct.duplicate, wanted(origin=MANUAL), recent_orders=recent(ORIGIN, age_ms=10)).passed


def test_quotes_may_come_again_at_once_but_one_shot_intents_may_not() -> None:
    just_now = recent(ORIGIN, age_ms=10)
    assert ask(conduct.duplicate, wanted(), recent_orders=just_now).passed
    assert not ask(conduct.duplicate, wanted(level=INTENT_LEVEL), recent_orders=just_now).passed


@pytest.mark.parametrize(("origin", "passes"), [(ORIGIN, False), (MANUAL, False), (EXIT, True)])
def test_the_61st_order_of_a_minute_is_refused_unless_it_protects(origin: Origin, passes: bool) -> None:
    check = ask(conduct.order_rate, wanted(origin=origin), orders_last_minute=60, limits=limits(orders_per_minute=60))
    assert check.passed is passes
    assert check.value == 61
    assert origin.kind in OriginKind


def test_the_60th_order_of_a_minute_may_go() -> None:
    check = ask(conduct.order_rate, orders_last_minute=59, limits=limits(orders_per_minute=60))
    assert (check.passed, check.value, check.limit, check.note) == (True, 60, 60, "")


# A plan's claim on what it may still order stands among the open orders as a new one.
CLAIM = resting(Side.BUY, "0.50", "10", state=OrderState.NEW, origin=ORIGIN)


def test_a_strategys_one_shot_order_waits_for_its_plan_on_the_same_side() -> None:
    one_shot = wanted(level=INTENT_LEVEL)
    check = ask(conduct.plan_working, one_shot, portfolio=portfolio(open_orders=(CLAIM,)))
    assert (check.passed, check.value, check.limit) == (False, 1, 0)
    assert check.note == "a plan of this strategy already works on this outcome and side"


@pytest.mark.parametrize(
    "placement",
    [
        wanted(level=0),  # a quote
        wanted(level=INTENT_LEVEL, origin=MANUAL),
        wanted(level=INTENT_LEVEL, outcome_id=2),
        wanted(Side.SELL, level=INTENT_LEVEL),
        wanted(level=INTENT_LEVEL, origin=Origin(kind=OriginKind.STRATEGY, id=2, label="maker 2")),
    ],
    ids=["quote", "person", "other outcome", "other side", "other strategy"],
)
def test_a_plan_holds_back_nothing_else(placement: Placement) -> None:
    check = ask(conduct.plan_working, placement, portfolio=portfolio(open_orders=(CLAIM,)))
    assert (check.passed, check.value, check.limit) == (True, 0, 0)


def test_an_order_that_rests_is_no_plan() -> None:
    some = portfolio(open_orders=(resting(Side.BUY, "0.50", "10", origin=ORIGIN),))
    assert ask(conduct.plan_working, wanted(level=INTENT_LEVEL), portfolio=some).passed
