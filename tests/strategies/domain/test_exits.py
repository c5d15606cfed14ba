"""Exits around any strategy: they only sell, end what is in their way first, and say where they cannot work."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from markets.domain.instruments import Side
from orders.domain.intents import OrderIntent, OrderType, Quote, Urgency
from strategies.domain.base import Base, Decision, TradingParameters
from strategies.domain.exits import decide_with_exits
from strategies.domain.view import MarketView
from tests.factories.markets import AT
from tests.factories.strategies import NO, YES, book, facts, holding, micro, resting, view

RULES = {"take_profit": "0.05", "stop_loss": "0.05", "trailing": "0"}


class _Wants(Base):
    name, title, description, params = "wants", "Wants", "", TradingParameters

    def __init__(self, **wanted: Any) -> None:
        self.wanted = wanted
        self.saw: Any = None

    def decide(self, seen: MarketView) -> Decision:
        self.saw = seen.state
        return Decision(**self.wanted)


def held(size: str = "20", *, cost: str = "8", reserved: str = "0") -> Any:
    return replace(holding(YES, size, reserved=reserved), cost=micro(cost))  # 0.40 a share


def decide(bid: str, *, rules: dict[str, str] | None = None, strategy: Any = None, **values: Any) -> Decision:
    strategy = strategy or _Wants()
    fields = {"positions": [held()], "own": {YES: micro("20")}, **values}
    one = fields.pop("book", None) or book(bid, "0.60")
    return decide_with_exits(strategy, view(strategy, one, params={"exits": rules or RULES}, **fields))


def gates(decision: Decision) -> dict[str, bool]:
    return {entry.gate: entry.passed for entry in decision.trace}


def notes(decision: Decision) -> list[str]:
    return [entry.note for entry in decision.trace if entry.gate == "gap_risk"]


def test_without_rules_the_strategy_decides_alone() -> None:
    strategy = _Wants(state={"a": 1})
    decision = decide_with_exits(strategy, view(strategy, book("0.1", "0.2"), own={YES: 1}))
    assert decision == Decision(state={"a": 1})


def test_a_price_between_the_levels_is_left_alone() -> None:
    decision = decide("0.42")
    assert decision.intents == ()
    assert gates(decision) == {"stop_loss": False, "take_profit": False}
    assert decision.state == {"exits": {str(YES): {"peak": micro("0.42"), "fired": ""}}}


def test_a_stop_sells_all_own_shares_at_a_floor() -> None:
    (intent,) = decide("0.35").intents
    assert (intent.side, intent.size, intent.urgency) == (Side.SELL, micro("20"), Urgency.HIGH)
    assert intent.limit_price == micro("0.35")  # 0.35 less 1 % is 0.3465, up to the tick
    assert intent.reason == "stop loss: bid 0.35"


def test_a_stop_that_fired_stays_on_when_the_price_comes_back() -> None:
    fired = decide("0.35").state
    (intent,) = decide("0.44", state=fired).intents
    assert intent.reason == "stop loss: bid 0.44"
    assert decide("0.44", state=fired, positions=[], own={}).state == {}  # until the shares are gone


def test_a_profit_is_taken_while_it_is_there() -> None:
    taken = decide("0.45")
    assert taken.intents[0].reason == "take profit: bid 0.45"
    assert decide("0.44", state=taken.state).intents == ()


def test_a_trailing_stop_follows_the_highest_bid() -> None:
    rules = {"trailing": "0.04"}
    up = decide("0.50", rules=rules)
    assert up.intents == ()
    assert decide("0.47", rules=rules, state=up.state).intents == ()
    (intent,) = decide("0.46", rules=rules, state=up.state).intents
    assert intent.reason == "trailing stop: bid 0.46"


def test_what_rests_there_is_ended_and_what_is_wanted_there_is_dropped() -> None:
    other = Quote(outcome_id=NO, side=Side.BUY, price=micro("0.3"), size=micro("5"))
    strategy = _Wants(
        quotes=(replace(other, outcome_id=YES), other),
        intents=(OrderIntent(outcome_id=YES, side=Side.BUY, size=micro("5"), limit_price=micro("0.3")),),
    )
    offer = resting(4, Side.SELL, "0.44", level=-1)
    gone = resting(5, Side.BUY, "0.30", level=-1, cancel_requested=True)
    decision = decide("0.35", strategy=strategy, orders=[offer, gone], positions=[held(reserved="20")])
    assert (decision.cancels, decision.quotes) == ((4,), (other,))
    assert [(i.side, i.size) for i in decision.intents] == [(Side.SELL, micro("20"))]


def test_a_sale_under_way_is_not_doubled() -> None:
    taking = resting(4, Side.SELL, "0.34", level=-1, order_type=OrderType.FAK, post_only=False)
    decision = decide("0.35", orders=[taking])
    assert (decision.intents, decision.cancels, gates(decision)["exit_under_way"]) == ((), (), False)


def test_the_strategy_neither_sees_nor_loses_the_memory_of_exits() -> None:
    strategy = _Wants(state={"mine": 1})
    decision = decide("0.42", strategy=strategy, state={"exits": {str(YES): {"peak": micro("0.5")}}, "old": 2})
    assert strategy.saw == {"old": 2}
    assert decision.state == {"mine": 1, "exits": {str(YES): {"peak": micro("0.5"), "fired": ""}}}


def test_where_a_stop_cannot_work_the_trace_says_gap_risk() -> None:
    assert notes(decide("0.42", book=book(None, "0.60"))) == ["nobody bids, or the book is too old: no exit can work"]
    assert notes(decide("0.42", book=book("0.42", "0.60", size="7"))) == ["bids within the slippage take 7 shares"]
    near = facts(closes_at=AT + timedelta(minutes=9), seconds_delay=3)
    assert notes(decide("0.42", market=near)) == [
        "the venue holds orders of this market for 3 s",
        "trading ends in 9 min: the price may jump to 0 or 1",
    ]
