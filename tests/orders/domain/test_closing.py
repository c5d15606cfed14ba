"""Selling what is held: not below the floor, not what somebody else sold, and undoing loses no more than its bound."""

from __future__ import annotations

from dataclasses import replace

import pytest

from markets.domain.instruments import Side
from orders.domain.closing import closing_next, floor_price, unwindings
from orders.domain.intents import OrderType
from orders.domain.plans import Phase, PlanKind, PlanState, Unwinding
from orders.domain.replacing import replacing_next
from tests.factories.orders import micro
from tests.orders.domain.test_plans import FEE, FEES, START, TICKS, child, leg, plan, scene


@pytest.mark.parametrize(
    ("bid", "slippage_bps", "tick", "expected"),
    [
        ("0.50", 200, "0.01", "0.49"),
        ("0.50", 0, "0.01", "0.50"),
        ("0.50", 201, "0.01", "0.49"),  # 0.48995 is on no tick, and 0.48 would be beyond the slippage
        ("0.505", 100, "0.001", "0.500"),
        ("0.01", 5_000, "0.01", "0.01"),  # never below one tick
    ],
)
def test_a_floor_is_on_the_tick_and_within_the_slippage(bid: str, slippage_bps: int, tick: str, expected: str) -> None:
    assert floor_price(micro(bid), slippage_bps=slippage_bps, tick=micro(tick)) == micro(expected)


FLATTEN = plan(PlanKind.FLATTEN, leg(0, side=Side.SELL, worst="0.45"), leg(1, side=Side.SELL, worst="0.45"), attempts=2)


def test_what_somebody_else_sold_is_not_sold_again() -> None:
    held = replace(scene(), held={1: micro("0.009"), 2: micro("30")})
    assert [place.leg for place in closing_next(FLATTEN, [], held).places] == [1]
    gone = closing_next(FLATTEN, [child(1, filled="5")], replace(scene(), held={}))
    assert (gone.end, gone.reason) == (PlanState.DONE, "sold 5 of 60 shares")


def test_only_free_shares_in_whole_lots_are_offered_and_the_rest_is_waited_for() -> None:
    free = replace(scene(), held={1: micro("30"), 2: micro("30")}, free={1: micro("7.019"), 2: micro("0.009")})
    steps = closing_next(FLATTEN, [], free)
    assert [(place.leg, place.size) for place in steps.places] == [(0, micro("7.01"))]
    assert steps.end is None and steps.again_ms == START + 1_000


def test_every_leg_is_tried_a_few_times_and_no_more() -> None:
    tried = [child(n, leg=0) for n in (1, 2)]
    steps = closing_next(FLATTEN, tried, scene())
    assert [(place.leg, place.number) for place in steps.places] == [(1, 2)]
    tried += [child(n, leg=1, filled="10") for n in (3, 4)]
    done = closing_next(FLATTEN, tried, scene())
    assert (done.end, done.reason) == (PlanState.DONE, "sold 20 of 60 shares")


def test_a_leg_whose_sale_may_still_fill_waits_and_holds_no_other_up() -> None:
    steps = closing_next(FLATTEN, [child(1, phase=Phase.UNKNOWN)], scene())
    assert [place.leg for place in steps.places] == [1]


def test_undoing_shares_the_bound_by_what_the_legs_cost_and_brings_the_rest_back_after_its_fee() -> None:
    basket = plan(PlanKind.BASKET, leg(0), leg(1), bound="2")
    bought = [
        child(1, leg=0, filled="30", paid=micro("15")),
        child(2, leg=1, filled="30", paid=micro("5")),
    ]
    first, second = unwindings(basket, bought, dict.fromkeys(FEES), TICKS)
    # $1.50 and $0.50 of the $2: 13.50 / 30 = 0.45 and 4.50 / 30 = 0.15 a share must come back.
    assert [(u.worst_price, u.may_lose, u.size) for u in (first, second)] == [
        (micro("0.45"), micro("1.5"), micro("30")),
        (micro("0.15"), micro("0.5"), micro("30")),
    ]
    # With a fee of 4 % of price times (1 - price) a share 0.45 no longer brings it; 0.46 does: 13.8 - 0.298.
    taxed, _ = unwindings(basket, bought, FEES, TICKS)
    assert taxed.worst_price == micro("0.46")


def test_what_no_price_below_a_dollar_brings_back_stays() -> None:
    basket = plan(PlanKind.BASKET, leg(0, worst="0.99"), leg(1), bound="0")
    dear = child(1, leg=0, filled="30", paid=micro("30"))  # a dollar a share with its fee
    cheap = child(2, leg=1, filled="30", paid=micro("3"))
    assert [u.outcome_id for u in unwindings(basket, [dear, cheap], {1: FEE, 2: FEE}, TICKS)] == [2]


def test_legs_of_which_nothing_filled_are_not_undone() -> None:
    basket = plan(PlanKind.BASKET, leg(0), leg(1, side=Side.SELL), leg(2))
    filled = [child(1, leg=1, filled="0", paid=0), child(2, leg=2, filled="0.009", paid=1)]
    assert unwindings(basket, filled, FEES, TICKS) == ()


def test_what_was_sold_is_bought_back_for_what_it_brought_and_its_share_of_the_bound() -> None:
    basket = plan(PlanKind.BASKET, leg(0), leg(1, side=Side.SELL), bound="2")
    moved = [
        child(1, leg=0, filled="30", paid=micro("15")),
        child(2, leg=1, filled="30", paid=micro("5")),
    ]
    sale, purchase = unwindings(basket, moved, dict.fromkeys(FEES), TICKS)
    assert (sale.side, sale.worst_price, sale.may_cost) == (Side.SELL, micro("0.45"), 0)
    # $5 and $0.50 of the $2 buy 30 shares at 0.18: 0.1833 a share, and orders are rounded up.
    assert (purchase.side, purchase.worst_price, purchase.size) == (Side.BUY, micro("0.18"), micro("30"))
    assert (purchase.may_lose, purchase.may_cost) == (micro("0.5"), micro("5.5"))
    # With a fee of 4 % of price times (1 - price) 0.18 costs 5.4 + 0.178: too much; 0.17 does not.
    _, taxed = unwindings(basket, moved, FEES, TICKS)
    assert taxed.worst_price == micro("0.17")


def test_a_sale_that_brought_less_than_a_tick_cannot_be_bought_back() -> None:
    basket = plan(PlanKind.BASKET, leg(0, side=Side.SELL, worst="0.01"), bound="0")
    assert unwindings(basket, [child(1, filled="30", paid=micro("0.29"))], FEES, TICKS) == ()


def test_buying_back_waits_for_its_ceiling_and_leaves_what_is_too_small() -> None:
    undo = plan(PlanKind.UNWIND, leg(0, worst="0.50", size="10"), attempts=5)
    assert closing_next(undo, [], scene(ask="0.51")).places == ()
    (place,) = closing_next(undo, [], scene(ask="0.50")).places
    assert (place.price, place.size, place.order_type) == (micro("0.50"), micro("10"), OrderType.FAK)
    rest = closing_next(undo, [child(1, size="10", filled="8.5")], scene(ask="0.40"))  # 75 cents: no venue takes it
    assert (rest.end, rest.reason) == (PlanState.DONE, "bought back 8.5 of 10 shares")


def test_a_replacement_of_an_order_that_is_not_there_fails_and_one_of_too_little_is_done() -> None:
    wanted = plan(PlanKind.REPLACE, filled=0, order_type="gtc", smallest=micro("5"))
    gone = replacing_next(wanted, [], None, START)
    assert (gone.end, gone.reason) == (PlanState.FAILED, "the order to replace is not there")
    almost = child(5, size="40", filled="25.01")  # of 30 wanted 4.99 are left
    assert replacing_next(wanted, [], almost, START).end is PlanState.DONE
    (place,) = replacing_next(wanted, [], replace(almost, filled=micro("25")), START).places
    assert place.size == micro("5")


def test_while_one_sale_may_still_fill_the_plan_does_not_end_although_nothing_else_is_left_to_try() -> None:
    pending = [child(1, leg=0, phase=Phase.WORKING), *(child(n, leg=1) for n in (2, 3))]
    steps = closing_next(FLATTEN, pending, scene())
    assert (steps.end, steps.places, steps.again_ms) == (None, (), START + 1_000)


def test_one_lot_that_is_free_is_enough_to_offer() -> None:
    free = replace(scene(), held={1: micro("30"), 2: micro("30")}, free={1: micro("0.01"), 2: 0})
    assert [(place.leg, place.size) for place in closing_next(FLATTEN, [], free).places] == [(0, micro("0.01"))]


def test_buying_back_costs_at_most_what_the_sale_brought_and_its_share_of_the_bound() -> None:
    basket = plan(PlanKind.BASKET, leg(0, side=Side.SELL), bound="2")
    sold = child(1, filled="30", paid=micro("15"))
    (back,) = unwindings(basket, [sold], dict.fromkeys(FEES), TICKS)
    # $17 for 30 shares: 0.5666 a share, 0.56 on the tick.
    assert (back.side, back.worst_price, back.may_lose, back.may_cost) == (
        Side.BUY, micro("0.56"), micro("2"), micro("17"),
    )  # fmt: skip
    # Whatever may be lost, no share costs a dollar; what may cost less than a tick a share cannot be bought back.
    rich = plan(PlanKind.BASKET, leg(0, side=Side.SELL), bound="100")
    assert [u.worst_price for u in unwindings(rich, [sold], dict.fromkeys(FEES), TICKS)] == [micro("0.99")]
    poor = plan(PlanKind.BASKET, leg(0, side=Side.SELL), bound="0")
    assert unwindings(poor, [child(1, filled="30", paid=micro("0.2"))], dict.fromkeys(FEES), TICKS) == ()


def test_a_sale_that_undoes_a_purchase_costs_nothing() -> None:
    item = Unwinding(market_id=1, outcome_id=1, size=1, worst_price=1, may_lose=1)
    assert (item.side, item.may_cost) == (Side.SELL, 0)
