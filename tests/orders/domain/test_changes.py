import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from markets.domain.instruments import Side
from markets.domain.units import Shares
from orders.domain.changes import Changes, drop_self_trades, plan_changes
from orders.domain.intents import INTENT_LEVEL, OpenOrder, Origin, OriginKind, Quote
from tests.factories.orders import AT, ORIGIN, micro, open_order, quote

BUY, SELL = Side.BUY, Side.SELL
OTHER = Origin(kind=OriginKind.STRATEGY, id=2, label="maker 2")
MARKETS = {1: 1, 2: 1, 3: 3}  # outcomes 1 and 2 are the two sides of market 1


def keys() -> Callable[[datetime], str]:
    numbers = itertools.count(1)
    return lambda now: f"k{next(numbers)}"


def plan(wanted: list[Quote], resting: list[OpenOrder]) -> Changes:
    return plan_changes(wanted, resting, origin=ORIGIN, market_of=MARKETS, now=AT, new_key=keys())


def test_the_first_tick_places_and_the_repeated_one_does_nothing() -> None:
    wanted = [quote(BUY, "0.48"), quote(SELL, "0.52")]
    placements, stale = plan(wanted, [])
    assert [(p.side, p.price) for p in placements] == [(BUY, micro("0.48")), (SELL, micro("0.52"))]
    assert stale == ()
    again = plan(wanted, [open_order(1, BUY, "0.48"), open_order(2, SELL, "0.52")])
    assert (again.placements, again.stale_order_ids, again.kept) == ((), (), 2)


def test_a_moved_quote_replaces_its_order() -> None:
    changes = plan([quote(BUY, "0.47")], [open_order(1, BUY, "0.48")])
    assert changes.stale_order_ids == (1,)
    assert [(p.price, p.replaces_order_id) for p in changes.placements] == [(micro("0.47"), 1)]


def test_an_order_nobody_wants_any_more_is_cancelled() -> None:
    assert plan([], [open_order(1, BUY, "0.48")]).stale_order_ids == (1,)


@pytest.mark.parametrize("wanted_size", ["10", "6"])
def test_a_partly_filled_order_answers_both_the_whole_and_the_rest(wanted_size: str) -> None:
    resting = open_order(1, BUY, "0.48", "10", filled=Shares(micro(4)))
    assert plan([quote(BUY, "0.48", wanted_size)], [resting]).placements == ()


@pytest.mark.parametrize("state", ["reserved", "sending", "live", "matched", "delayed"])
def test_an_order_on_its_way_counts_as_resting(state: str) -> None:
    changes = plan([quote(BUY, "0.48")], [open_order(1, BUY, "0.48", state=state)])
    assert (changes.placements, changes.kept) == ((), 1)


def test_an_unknown_order_is_neither_replaced_nor_joined() -> None:
    changes = plan([quote(BUY, "0.47"), quote(SELL, "0.52")], [open_order(1, BUY, "0.48", state="unknown")])
    assert [p.side for p in changes.placements] == [SELL]
    assert changes.stale_order_ids == ()
    assert "unknown state" in changes.dropped[0].reason


def test_levels_are_slots_of_their_own() -> None:
    wanted = [quote(BUY, "0.48", level=0), quote(BUY, "0.47", level=1)]
    changes = plan(wanted, [open_order(1, BUY, "0.48", level=0)])
    assert [(p.price, p.level) for p in changes.placements] == [(micro("0.47"), 1)]


def test_orders_of_others_and_one_shot_orders_are_left_alone() -> None:
    resting = [open_order(1, BUY, "0.40", origin=OTHER), open_order(2, BUY, "0.41", level=INTENT_LEVEL)]
    assert plan([], resting).stale_order_ids == ()


def test_a_quote_that_would_meet_an_own_order_is_dropped_until_that_order_is_gone() -> None:
    going = open_order(1, SELL, "0.50", cancel_requested=True)
    changes = plan([quote(BUY, "0.50")], [going])
    assert changes.placements == ()
    assert changes.dropped[0].reason == "would trade with own order 1 (sell at 0.5)"
    assert plan([quote(BUY, "0.50")], []).dropped == ()


def test_two_buys_of_both_outcomes_meet_by_minting_when_they_add_up_to_a_dollar() -> None:
    other_side = open_order(1, BUY, "0.45", outcome_id=2, origin=OTHER)
    assert plan([quote(BUY, "0.55")], [other_side]).placements == ()
    assert len(plan([quote(BUY, "0.54")], [other_side]).placements) == 1


def test_two_sells_of_both_outcomes_meet_by_merging_at_or_below_a_dollar() -> None:
    other_side = open_order(1, SELL, "0.45", outcome_id=2, origin=OTHER)
    assert plan([quote(SELL, "0.55")], [other_side]).placements == ()
    assert len(plan([quote(SELL, "0.56")], [other_side]).placements) == 1


def test_of_two_new_orders_that_cross_the_later_is_dropped() -> None:
    changes = plan([quote(BUY, "0.50"), quote(SELL, "0.50")], [])
    assert [p.side for p in changes.placements] == [BUY]
    assert changes.dropped[0].reason == "would trade with another wanted order (buy at 0.5)"


def test_orders_in_other_markets_never_meet() -> None:
    resting = open_order(1, SELL, "0.40", market_id=3, outcome_id=3)
    assert len(plan([quote(BUY, "0.50")], [resting]).placements) == 1


def test_a_filled_order_cannot_meet_anybody() -> None:
    resting = open_order(1, SELL, "0.40", filled=Shares(micro(10)), origin=OTHER)
    wanted = plan([quote(BUY, "0.50")], []).placements
    assert drop_self_trades([replace(wanted[0], price=micro("0.60"))], [resting])[1] == ()


def test_applying_the_plan_reaches_what_is_wanted_in_one_step() -> None:
    """From any resting state and any wish that does not cross itself, the second plan is empty."""
    import random

    rng = random.Random(3)
    for _ in range(500):
        resting = [
            open_order(n, BUY, f"0.{rng.randint(30, 45)}", str(rng.randint(1, 9)), level=level)
            for n, level in enumerate(rng.sample(range(4), rng.randint(0, 4)))
        ]
        wanted = [
            quote(BUY, f"0.{rng.randint(30, 45)}", str(rng.randint(1, 9)), level=level)
            for level in rng.sample(range(4), rng.randint(0, 4))
        ]
        first = plan(wanted, resting)
        left = [o for o in resting if o.order_id not in first.stale_order_ids]
        made = [
            open_order(100 + n, p.side, "0.4", level=p.level, outcome_id=p.outcome_id)
            for n, p in enumerate(first.placements)
        ]
        made = [replace(o, price=p.price, size=p.size) for o, p in zip(made, first.placements, strict=True)]
        second = plan(wanted, [*left, *made])
        assert (second.placements, second.stale_order_ids, second.kept) == ((), (), len(wanted))
