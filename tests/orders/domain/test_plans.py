"""Whatever comes back in whatever order, no child leaves its plan's envelope, and every plan ends."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from markets.domain.instruments import FeeSchedule, Side
from markets.domain.units import ONE, Price, Shares
from orders.domain import chase, plans, slices
from orders.domain.intents import BasketPolicy, OrderType
from orders.domain.plan_steps import plan_next
from orders.domain.plans import Child, Leg, Phase, Plan, PlanKind, PlanState, Scene, Touch
from orders.domain.reserve import cash_to_reserve
from tests.factories.orders import micro

FEE = FeeSchedule(rate_ppm=40_000)
FEES = {1: FEE, 2: FEE, 3: FEE}
TICKS = dict.fromkeys((1, 2, 3), 10_000)
START = 1_000_000


def leg(number: int = 0, *, side: Side = Side.BUY, size: str = "30", worst: str = "0.55") -> Leg:
    return Leg(
        number=number,
        market_id=number + 1,
        outcome_id=number + 1,
        side=side,
        size=micro(size),
        worst_price=micro(worst),
    )


def plan(kind: PlanKind, *legs: Leg, life_ms: int = 60_000, bound: str = "1", **parameters: Any) -> Plan:
    legs = legs or (leg(),)
    return Plan(
        kind=kind,
        legs=legs,
        created_ms=START,
        expires_ms=START + life_ms,
        max_cost=plans.cost_bound(legs, FEES, orders=12),
        unwind_bound=micro(bound),
        parameters=parameters,
    )


def child(number: int = 1, *, size: str = "30", filled: str = "0", phase: Phase = Phase.ENDED, **values: Any) -> Child:
    fields = {"leg": 0, "price": micro("0.5"), "paid": micro(filled) // 2, "created_ms": START}
    return Child(order_id=number, size=micro(size), filled=micro(filled), phase=phase, **{**fields, **values})


def scene(now_ms: int = START, bid: str = "0.48", ask: str = "0.5") -> Scene:
    touch = Touch(bid=micro(bid), ask=micro(ask), tick=10_000)
    return Scene(now_ms=now_ms, touches=dict.fromkeys((1, 2, 3), touch), ticks=TICKS, fees=FEES)


# Chase ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "touch", "worst", "expected"),
    [
        (Side.BUY, "0.50", "0.55", ["0.50", "0.55"]),  # 1.5 % of 50 cents is under a cent's tick
        (Side.BUY, "0.80", "0.85", ["0.80", "0.81", "0.85"]),
        (Side.SELL, "0.80", "0.75", ["0.80", "0.79", "0.75"]),
        (Side.BUY, "0.55", "0.55", ["0.55"]),
        (Side.BUY, "0.60", "0.55", ["0.55"]),
        (Side.BUY, None, "0.55", ["0.55"]),
        (Side.SELL, "0.50", "0.52", ["0.52"]),
    ],
)
def test_a_chase_goes_from_the_touch_to_the_worst_price(
    side: Side, touch: str | None, worst: str, expected: list[str]
) -> None:
    at = None if touch is None else micro(touch)
    prices = chase.chase_prices(side, touch=at, worst=micro(worst), tick=10_000)
    assert list(prices) == [micro(price) for price in expected]


def test_a_chase_asks_for_what_is_left_at_the_next_price() -> None:
    chased = plan(PlanKind.CHASE, prices=[micro("0.5"), micro("0.55")])
    (first,) = plan_next(chased, [], scene()).places
    assert (first.price, first.size, first.order_type) == (micro("0.5"), micro("30"), OrderType.FAK)
    (second,) = plan_next(chased, [child(filled="12")], scene()).places
    assert (second.price, second.size, second.number) == (micro("0.55"), micro("18"), 1)
    last = plan_next(chased, [child(1, filled="12"), child(2, size="18", filled="3")], scene())
    assert (last.end, last.reason) == (PlanState.DONE, "filled 15 of 30")


@pytest.mark.parametrize("phase", [Phase.WORKING, Phase.UNKNOWN])
def test_nothing_follows_a_child_that_may_still_fill(phase: Phase) -> None:
    chased = plan(PlanKind.CHASE, prices=[micro("0.5"), micro("0.55")])
    assert plan_next(chased, [child(phase=phase)], scene()).places == ()


def test_a_fill_that_failed_to_settle_is_not_bought_again() -> None:
    chased = plan(PlanKind.CHASE, prices=[micro("0.5"), micro("0.55")])
    steps = plan_next(chased, [replace(child(filled="0"), voided=micro("30"))], scene())
    assert (steps.places, steps.end) == ((), PlanState.DONE)


def test_less_than_the_venues_dollar_is_not_chased() -> None:
    chased = plan(PlanKind.CHASE, prices=[micro("0.5"), micro("0.55")])
    steps = plan_next(chased, [child(filled="29")], scene())
    assert (steps.places, steps.reason) == ((), "filled 29 of 30")


# Slices ---------------------------------------------------------------------------------


def twap(count: int = 3, **parameters: Any) -> Plan:
    times = [START + i * 10_000 for i in range(count)]
    return plan(PlanKind.TWAP, at_ms=times, life_ms=count * 10_000 + 5_000, **parameters)


def test_slice_times_rise_and_repeat_with_their_seed() -> None:
    made = [
        slices.slice_times(start_ms=0, count=6, interval_ms=1_000, jitter_ms=900, rng=random.Random(seed))
        for seed in (3, 3, 4)
    ]
    assert made[0] == made[1] != made[2]
    assert list(made[0]) == sorted(made[0])
    assert all(abs(at - i * 1_000) <= 500 for i, at in enumerate(made[0]))


def test_a_slice_catches_up_on_what_the_one_before_did_not_get() -> None:
    sliced = twap()
    (first,) = plan_next(sliced, [], scene()).places
    assert (first.size, first.price, first.order_type) == (micro("10"), micro("0.5"), OrderType.FAK)
    done = [child(size="10", filled="4")]
    assert plan_next(sliced, done, scene(START + 5_000)).places == ()  # one child per slice
    (second,) = plan_next(sliced, done, scene(START + 10_000)).places
    assert second.size == micro("16")


def test_a_joining_slice_rests_and_is_cancelled_before_the_next_is_sized() -> None:
    sliced = twap(child=slices.JOIN, smallest=micro("5"))
    (first,) = plan_next(sliced, [], scene()).places
    assert (first.price, first.order_type, first.post_only) == (micro("0.48"), OrderType.GTC, True)
    resting = child(7, size="10", filled="2", phase=Phase.WORKING)
    steps = plan_next(sliced, [resting], scene(START + 10_000))
    assert (steps.places, steps.cancels) == ((), (7,))
    steps = plan_next(sliced, [replace(resting, ending=True)], scene(START + 10_500))
    assert (steps.places, steps.cancels) == ((), ())
    (second,) = plan_next(sliced, [replace(resting, phase=Phase.ENDED)], scene(START + 11_000)).places
    assert second.size == micro("18")


def test_a_slice_waits_while_the_book_is_beyond_the_worst_price() -> None:
    steps = plan_next(twap(), [], scene(ask="0.6", bid="0.58"))
    assert (steps.places, steps.again_ms) == ((), START + 1_000)


# Baskets --------------------------------------------------------------------------------


def basket(policy: BasketPolicy, **values: Any) -> Plan:
    return plan(PlanKind.BASKET, leg(0), leg(1, worst="0.4"), policy=policy, **values)


def test_all_legs_go_at_once_and_whole_or_not_at_all() -> None:
    places = plan_next(basket(BasketPolicy.ALL_OR_NONE), [], scene()).places
    assert [(p.leg, p.number, p.order_type) for p in places] == [(0, 0, OrderType.FOK), (1, 1, OrderType.FOK)]


def test_a_failed_leg_undoes_the_others_inside_the_bound() -> None:
    bought = child(1, filled="30", paid=micro("15"))
    failed = child(2, leg=1)
    steps = plan_next(basket(BasketPolicy.ALL_OR_NONE), [bought, failed], scene())
    (undo,) = steps.unwind
    # 30 shares for $15, $1 may be lost: $14 must come back after a fee of 4 % x p x (1 - p) per share.
    assert (undo.outcome_id, undo.size, undo.worst_price) == (1, micro("30"), micro("0.48"))
    assert steps.reason == "leg 2 was not filled whole"


def test_nothing_is_undone_while_a_leg_is_unknown() -> None:
    children = [child(1, filled="30", paid=micro("15")), child(2, leg=1, phase=Phase.UNKNOWN)]
    steps = plan_next(basket(BasketPolicy.ALL_OR_NONE), children, scene())
    assert (steps.unwind, steps.places, steps.end) == ((), (), None)


def test_a_basket_of_which_nothing_filled_just_fails() -> None:
    steps = plan_next(basket(BasketPolicy.ALL_OR_NONE), [child(1), child(2, leg=1)], scene())
    assert (steps.end, steps.unwind) == (PlanState.FAILED, ())


def test_sequential_legs_follow_each_other() -> None:
    wanted = basket(BasketPolicy.SEQUENTIAL)
    assert [p.leg for p in plan_next(wanted, [], scene()).places] == [0]
    assert [p.leg for p in plan_next(wanted, [child(filled="30")], scene()).places] == [1]
    ended = plan_next(wanted, [child(filled="30"), child(2, leg=1, filled="30")], scene())
    assert ended.end is PlanState.DONE


def test_best_effort_keeps_what_it_got() -> None:
    steps = plan_next(basket(BasketPolicy.BEST_EFFORT), [child(filled="30"), child(2, leg=1, filled="3")], scene())
    assert (steps.end, steps.reason) == (PlanState.DONE, "1 of 2 legs are filled whole")


# Closing and replacing ------------------------------------------------------------------


def test_a_flatten_sells_only_while_somebody_pays_the_floor() -> None:
    flatten = plan(PlanKind.FLATTEN, leg(side=Side.SELL, worst="0.45"))
    (sale,) = plan_next(flatten, [], scene()).places
    assert (sale.price, sale.size, sale.order_type) == (micro("0.45"), micro("30"), OrderType.FAK)
    assert plan_next(flatten, [], scene(bid="0.44")).places == ()
    over = plan_next(flatten, [child(filled="10")], scene(START + 60_000))
    assert (over.end, over.reason) == (PlanState.EXPIRED, "its time is over: sold 10 of 30 shares")


def test_a_replacement_is_sized_after_the_old_orders_end() -> None:
    wanted = plan(PlanKind.REPLACE, filled=micro("4"), order_type="gtc", post_only=True)
    old = child(5, size="50", filled="4", phase=Phase.WORKING)
    assert plan_next(wanted, [], replace(scene(), replaced=old)).cancels == (5,)
    late = replace(old, filled=micro("9"), phase=Phase.ENDED)  # five more traded while the cancel travelled
    (place,) = plan_next(wanted, [], replace(scene(), replaced=late)).places
    assert (place.size, place.post_only) == (micro("25"), True)
    for phase in (Phase.UNKNOWN, Phase.WORKING):
        waiting = replace(old, phase=phase, ending=True)
        assert plan_next(wanted, [], replace(scene(), replaced=waiting)).places == ()


def test_an_open_child_takes_its_whole_size_and_an_ended_one_what_it_filled() -> None:
    assert child(filled="12", phase=Phase.WORKING).used == child(filled="12", phase=Phase.UNKNOWN).used == micro("30")
    assert replace(child(filled="12"), voided=micro("3")).used == micro("15")


def test_buys_are_committed_with_what_they_paid_and_may_still_pay() -> None:
    both = plan(PlanKind.BASKET, leg(0), leg(1, side=Side.SELL))
    children = [child(1, paid=micro("6"), reserved=micro("2")), child(2, leg=1, paid=micro("9"), reserved=micro("1"))]
    assert plans.committed(both, children) == micro("8")


def test_a_plans_bound_is_worst_prices_worst_fees_and_rounding_of_every_order() -> None:
    # 30 x 0.55 = 16.50; 30 x 0.04 x 0.25 = 0.30 and 0.001; twelve orders, each up to 0.001002 of rounding more.
    assert plans.cost_bound([leg(), leg(1, side=Side.SELL)], FEES, orders=12) == micro("16.813024")


def test_a_lot_and_a_dollar_are_enough() -> None:
    assert not plans.is_too_small(leg(), micro("0.5"), micro("2"))
    assert plans.is_too_small(leg(), micro("0.5"), micro("1.99"))
    sale = leg(side=Side.SELL)
    assert not plans.is_too_small(sale, micro("0.5"), plans.LOT)
    assert plans.is_too_small(sale, micro("0.5"), plans.LOT - 1)


def test_a_plan_that_is_over_or_being_undone_does_nothing() -> None:
    assert {state for state in PlanState if not state.is_over} == {PlanState.ACTIVE, PlanState.UNWINDING}
    chased = plan(PlanKind.CHASE, prices=[micro("0.5"), micro("0.55")])
    for state in set(PlanState) - {PlanState.ACTIVE}:
        assert plan_next(replace(chased, state=state), [], scene()) == plans.Steps()


def test_when_its_time_is_over_what_works_is_cancelled_once_and_then_the_plan_ends() -> None:
    chased = plan(PlanKind.CHASE, prices=[micro("0.5"), micro("0.55")])
    late, working = scene(START + 60_000), child(7, filled="12", phase=Phase.WORKING)
    steps = plan_next(chased, [working], late)
    assert (steps.cancels, steps.again_ms, steps.end) == ((7,), START + 61_000, None)
    assert plan_next(chased, [replace(working, ending=True)], late).cancels == ()
    ended = plan_next(chased, [replace(working, phase=Phase.ENDED)], late)
    assert (ended.end, ended.reason) == (PlanState.EXPIRED, "its time is over")
    assert plan_next(chased, [child(7, filled="30")], late).end is PlanState.DONE


def test_a_replacement_rests_on_when_its_plan_is_over() -> None:
    wanted = plan(PlanKind.REPLACE, filled=0, order_type="gtc")
    steps = plan_next(wanted, [child(7, size="20", phase=Phase.WORKING)], scene(START + 60_000))
    assert (steps.cancels, steps.end) == ((), PlanState.EXPIRED)


def test_one_whole_leg_of_two_is_not_a_filled_basket() -> None:
    steps = plan_next(basket(BasketPolicy.BEST_EFFORT), [child(filled="30")], scene(START + 60_000))
    assert (steps.end, steps.reason) == (PlanState.EXPIRED, "its time is over")


def test_before_its_first_moment_a_sliced_plan_waits_for_it() -> None:
    steps = plan_next(twap(), [], scene(START - 700))
    assert (steps.places, steps.again_ms) == ((), START)


@pytest.mark.parametrize(("smallest", "rests"), [("10", True), ("10.01", False)])
def test_a_joining_slice_of_the_venues_smallest_size_rests(smallest: str, rests: bool) -> None:
    steps = plan_next(twap(child=slices.JOIN, smallest=micro(smallest)), [], scene())
    assert bool(steps.places) is rests


# Any world ------------------------------------------------------------------------------


class World:
    """Takes every step of a plan and answers with luck: fills, nothing, unknowns, refusals, voids, late news."""

    def __init__(self, seed: int) -> None:
        self.luck = random.Random(seed)
        self.plan = self._plan()
        self.children: list[Child] = []
        self.now_ms = START

    def _plan(self) -> Plan:
        luck, kind = self.luck, self.luck.choice(list(PlanKind))
        worst = luck.randrange(10, 90) * 10_000
        sells = kind is PlanKind.FLATTEN or luck.random() < (0.5 if kind is PlanKind.UNWIND else 0.2)
        first, mixed = Side.SELL if sells else Side.BUY, kind is PlanKind.BASKET and luck.random() < 0.5
        sides = [first, *[Side.SELL if mixed else first] * 2]
        many = luck.randint(2, 3) if kind in (PlanKind.BASKET, PlanKind.FLATTEN) else 1
        legs = tuple(
            leg(n, side=sides[n], size=str(luck.randint(5, 90)), worst=f"0.{worst // 10_000}") for n in range(many)
        )
        times = [START + i * 1_000 for i in range(luck.randint(1, 9))]
        prices = chase.chase_prices(legs[0].side, touch=luck.randrange(5, 95) * 10_000, worst=worst, tick=10_000)
        return plan(
            kind, *legs, life_ms=luck.choice([3_000, 20_000]), bound=str(luck.randint(0, 5)),
            policy=luck.choice(list(BasketPolicy)), at_ms=times, child=luck.choice([slices.TAKE, slices.JOIN]),
            prices=prices, filled=0, order_type="gtc",
        )  # fmt: skip

    def run(self) -> PlanState:
        self.old = child(99, size="40", phase=Phase.WORKING)
        for _ in range(400):
            mid = self.luck.randrange(6, 94) * 10_000
            touch = Touch(bid=mid - 10_000, ask=mid + 10_000, tick=10_000)
            touches = dict.fromkeys((1, 2, 3), touch) if self.luck.random() < 0.8 else {}
            seen = Scene(now_ms=self.now_ms, touches=touches, ticks=TICKS, fees=FEES, replaced=self.old)
            steps = plan_next(self.plan, self.children, seen)
            self.children = [replace(c, ending=c.ending or c.order_id in steps.cancels) for c in self.children]
            for place in steps.places:
                self._place(place)
            self._check()
            if steps.unwind:
                lost = sum(undo.may_lose for undo in steps.unwind)
                assert lost <= self.plan.unwind_bound
                assert all(undo.size <= plans.filled(self.children, undo.outcome_id - 1) for undo in steps.unwind)
                assert all(undo.side is not self.plan.leg(undo.outcome_id - 1).side for undo in steps.unwind)
                return PlanState.UNWINDING
            if steps.end is not None:
                return steps.end
            self.children = [self._moved(c) for c in self.children]
            self.old = self._moved(self.old)
            self.now_ms += self.luck.choice([100, 400, 1_500])
        return PlanState.ACTIVE

    def _place(self, place: plans.Place) -> None:
        side = self.plan.leg(place.leg).side
        cost = cash_to_reserve(
            side=side, price=Price(place.price), size=Shares(place.size), may_take=not place.post_only, fee=FEE
        )
        assert plans.outside(self.plan, place, self.children, cost=cost) == ""
        mine = [c for c in self.children if c.leg == place.leg]
        assert all(c.phase is Phase.ENDED for c in mine), "placed beside one that may still fill"
        assert place.number == len(self.children)
        self.children.append(
            Child(
                order_id=place.number, leg=place.leg, price=place.price, size=place.size, phase=Phase.WORKING,
                reserved=cost, created_ms=self.now_ms,
            )
        )  # fmt: skip

    def _moved(self, child: Child) -> Child:
        luck = self.luck
        if child.phase is Phase.ENDED:
            if child.filled and luck.random() < 0.05:
                return replace(child, voided=child.voided + child.filled, filled=0)
            return child
        if luck.random() < 0.3:
            return replace(child, phase=Phase.UNKNOWN)
        open_size = child.size - child.filled
        some = luck.choice([0, 0, open_size, luck.randint(0, open_size)])
        paid = child.paid + some * child.price // ONE
        moved = replace(child, filled=child.filled + some, paid=paid, reserved=max(0, child.reserved - paid))
        ends = moved.filled == child.size or child.ending or luck.random() < 0.4
        return replace(moved, phase=Phase.ENDED, reserved=0) if ends else moved

    def _check(self) -> None:
        for wanted in self.plan.legs:
            assert plans.used(self.children, wanted.number) <= wanted.size
        assert plans.committed(self.plan, self.children) <= self.plan.max_cost


def test_no_child_leaves_its_envelope_and_every_plan_ends() -> None:
    ends: dict[PlanState, int] = {}
    for seed in range(2_000):
        state = World(seed).run()
        ends[state] = ends.get(state, 0) + 1
        assert state is not PlanState.ACTIVE, f"seed {seed} never ended"
    assert min(ends.get(state, 0) for state in (PlanState.DONE, PlanState.EXPIRED, PlanState.UNWINDING)) > 50, ends


def test_a_step_outside_the_envelope_is_named() -> None:
    wanted = plan(PlanKind.CHASE)
    place = plans.Place(leg=0, number=0, price=micro("0.55"), size=micro("30"), order_type=OrderType.FAK)
    cost = wanted.max_cost
    assert plans.outside(wanted, place, [], cost=cost) == ""
    assert "beyond the worst" in plans.outside(wanted, replace(place, price=micro("0.56")), [], cost=0)
    assert "more than is left" in plans.outside(wanted, replace(place, size=micro("30.01")), [], cost=0)
    assert "more than" in plans.outside(wanted, place, [], cost=cost + 1)
    assert "no leg 4" in plans.outside(wanted, replace(place, leg=4), [], cost=0)
