"""What the rules put on file where nothing stands in the way, or where nobody knows: figures, limits and words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from markets.domain.instruments import Side
from markets.domain.units import Price
from orders.domain.intents import INTENT_LEVEL
from orders.domain.lifecycle import Environment
from risk.rules import conduct, freshness, market, price
from tests.factories.risk import AT, ask, book, facts, portfolio, resting, wanted


def test_an_order_of_the_same_decision_an_order_of_ours_and_a_plan_are_told_apart() -> None:
    meets = resting(Side.SELL, "0.50", "10")
    for order_id, name in ((0, "another order of the same decision"), (7, "our order 7"), (-7, "what a plan of ours")):
        check = ask(conduct.self_trade, wanted(), portfolio=portfolio(open_orders=(replace(meets, order_id=order_id),)))
        assert (check.passed, check.value, check.limit) == (False, 1, 0)
        assert f"would trade with {name}" in check.note


def test_a_market_without_an_end_keeps_no_distance_from_it() -> None:
    check = ask(market.time_to_close, facts={1: facts(closes_at=None)})
    assert (check.passed, check.value, check.limit, check.note) == (True, None, 900, "no closing time is published")
    soon = ask(market.time_to_close, facts={1: facts(closes_at=AT + timedelta(seconds=5))})
    assert soon.note == "the market closes in 5 s; entries stop 900 s before"


def test_an_exit_on_paper_may_use_an_older_book_than_one_with_money() -> None:
    old = {1: book(age_ms=40_000)}
    sale = wanted(Side.SELL, level=INTENT_LEVEL)
    assert ask(freshness.book_fresh, sale, books=old).passed
    live = portfolio(environment=Environment.LIVE)
    assert not ask(freshness.book_fresh, sale, books=old, portfolio=live).passed
    assert not ask(freshness.book_fresh, wanted(), books=old).passed


def test_a_price_in_its_place_has_no_figure_to_explain() -> None:
    for rule in (price.slippage, price.post_only):
        check = ask(rule, wanted(post_only=True))
        assert (check.passed, check.value, check.note) == (True, 0, "")
    taking = ask(price.post_only, wanted())
    assert (taking.passed, taking.value, taking.limit) == (True, 0, 0)
    for tick in (0, -1):
        unknown = ask(price.price_tick, books={}, facts={1: facts(tick=Price(tick))})
        assert (unknown.passed, unknown.limit) == (False, None)
    assert ask(price.price_tick, wanted(price="0.000001"), books={}, facts={1: facts(tick=Price(1))}).passed
