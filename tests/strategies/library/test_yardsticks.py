"""The two strategies that know nothing: each asks once per market, takes what is offered, and says why it did not."""

from __future__ import annotations

from typing import Any

import pytest

from markets.domain.instruments import MarketState, Side
from orders.domain.intents import OrderType
from strategies.domain.base import Decision, Resolved, Strategy
from strategies.library.longshots import Longshots
from strategies.library.random_entry import RandomEntry
from tests.factories.markets import AT
from tests.factories.strategies import NOW_MS, YES, book, facts, view

LONGSHOTS, RANDOM = Longshots(), RandomEntry()


def _decide(strategy: Strategy, yes: Any, params: dict[str, Any] | None = None, **values: Any) -> Decision:
    return strategy.decide(view(strategy, yes, params=params or {}, **values))


def _gates(decision: Decision) -> list[str]:
    return [entry.gate for entry in decision.trace]


def test_longshots_take_what_is_cheap_once_and_hold() -> None:
    cheap = book("0.11", "0.12")
    decision = _decide(LONGSHOTS, cheap)
    (intent,) = decision.intents
    assert (intent.outcome_id, intent.side, intent.order_type) == (YES, Side.BUY, OrderType.FAK)
    assert (intent.size, intent.limit_price) == (20_000_000, 120_000)
    assert decision.state is not None
    again = _decide(LONGSHOTS, cheap, state=decision.state)
    assert again.intents == () and again.state is None
    market = facts().market_id
    forgotten = LONGSHOTS.on_resolved(decision.state, Resolved(market_id=market, payouts={}, at=AT))
    assert forgotten == {"asked": []}


def test_longshots_leave_the_rest_alone() -> None:
    even = _decide(LONGSHOTS, book("0.49", "0.50"))
    assert even.intents == () and _gates(even) == ["price_out_of_range"] * 2
    nearly_nothing = _decide(LONGSHOTS, book("0.001", "0.005"))
    assert nearly_nothing.intents == ()


def test_random_entries_repeat_with_their_seed_and_differ_without() -> None:
    even = book("0.49", "0.50")
    always = {"chance": "1"}
    taken = [_decide(RANDOM, even, always | {"seed": seed}).intents[0].outcome_id for seed in range(60)]
    assert taken == [_decide(RANDOM, even, always | {"seed": seed}).intents[0].outcome_id for seed in range(60)]
    assert 15 < taken.count(YES) < 45
    assert _decide(RANDOM, even, {"chance": "0"}).intents == ()
    some = sum(bool(_decide(RANDOM, even, {"chance": "0.3", "seed": seed}).intents) for seed in range(300))
    assert 55 < some < 125


def test_random_entries_ask_once() -> None:
    even = book("0.49", "0.50")
    decision = _decide(RANDOM, even, {"chance": "1"})
    assert decision.state is not None and decision.intents[0].size == 20_000_000
    assert _decide(RANDOM, even, {"chance": "1"}, state=decision.state).intents == ()


@pytest.mark.parametrize("strategy", [LONGSHOTS, RANDOM])
def test_nothing_is_bought_from_a_book_that_cannot_be_trusted(strategy: Strategy) -> None:
    params = {"chance": "1"} if strategy is RANDOM else {}
    stale = _decide(strategy, book("0.11", "0.12", confirmed_ms=NOW_MS - 60_000), params)
    assert stale.intents == () and set(_gates(stale)) == {"book_stale"}
    closed = _decide(strategy, book("0.11", "0.12"), params, market=facts(state=MarketState.CLOSED))
    assert closed.intents == () and set(_gates(closed)) == {"market_not_open"}
