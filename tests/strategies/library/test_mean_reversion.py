"""Mean reversion: entries at a z-score, exits, stops, cooldown, and the reasons for doing nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from markets.domain.instruments import FeeSchedule, MarketState, Side
from orders.domain.intents import Urgency
from strategies.domain.base import Decision, OwnFill, Resolved
from strategies.library.mean_reversion import MeanReversion, fee_per_share, score
from tests.factories.markets import AT
from tests.factories.strategies import NO, NOW_MS, YES, book, facts, holding, resting, samples, view

REVERTER = MeanReversion()
# Mean 0.50, deviation 0.02: a mid of 0.46 is two deviations below.
RING = ["0.48", "0.52"] * 30
PLAIN: dict[str, Any] = {
    "window": 60,
    "minimum_samples": 20,
    "entry_z": "1.5",
    "exit_z": "0.5",
    "stop_z": "4",
    "minimum_edge": "0.01",
    "slippage_bps": 250,
    "cooldown_s": 60,
    "order_life_s": 30,
}


def _decide(
    yes_book: Any, params: dict[str, Any] | None = None, *, ring: list[str] | None = None, **values: Any
) -> Decision:
    return REVERTER.decide(
        view(
            REVERTER,
            yes_book,
            params={**PLAIN, **(params or {})},
            samples_1s={YES: samples(RING if ring is None else ring)},
            **values,
        )
    )


def _gates(decision: Decision) -> list[str]:
    return [entry.gate for entry in decision.trace if not entry.passed]


def test_the_score_is_the_distance_from_the_mean_in_deviations() -> None:
    found = score([480_000, 520_000] * 30, 460_000)
    assert found is not None
    assert (found.mean, found.deviation, found.z) == (500_000, 20_000, -2_000_000)
    assert score([500_000] * 10, 500_000) is None


def test_a_price_far_below_its_mean_is_bought() -> None:
    # Bid 0.45, ask 0.47: mid 0.46, z -2. Mean 0.50 less ask 0.47 is an edge of 3 cents.
    decision = _decide(book("0.45", "0.47"))
    (intent,) = decision.intents
    assert (intent.outcome_id, intent.side, intent.size) == (YES, Side.BUY, 20_000_000)
    assert intent.limit_price == 480_000  # 0.47 and 2.5 % of it is 0.48175, down to the tick
    assert (intent.urgency, intent.fair_value, intent.expires_at) == (Urgency.HIGH, 500_000, None)
    assert intent.reason == "mean reversion: entry at z -2.00"
    assert decision.state == {"1": {"asked_ms": NOW_MS, "outcomes": [YES, NO]}}


def test_a_price_far_above_its_mean_buys_the_other_outcome() -> None:
    (intent,) = _decide(book("0.53", "0.55")).intents
    # NO mirrors YES: its ask is 1 - 0.53 = 0.47.
    assert (intent.outcome_id, intent.side, intent.limit_price, intent.fair_value) == (NO, Side.BUY, 480_000, 500_000)


@pytest.mark.parametrize(
    ("one", "params", "gate", "value", "threshold"),
    [
        (book("0.48", "0.50"), {}, "z_under_entry", 500_000, 1_500_000),
        (book("0.38", "0.40"), {}, "z_beyond_stop", 5_500_000, 4_000_000),
        (book("0.45", "0.47"), {"minimum_edge": "0.05"}, "edge_under_minimum", 30_000, 50_000),
        (book("0.43", "0.49"), {"maximum_spread": "0.05"}, "spread_too_wide", 60_000, 50_000),
        (book("0.45", "0.47"), {"lowest_price": "0.48"}, "price_out_of_range", 470_000, 480_000),
        (book("0.45", "0.47"), {"minimum_deviation": "0.03"}, "too_quiet", 20_000, 30_000),
        (book("0.45", "0.47", confirmed_ms=NOW_MS - 3_001), {}, "book_stale", 3_001, 3_000),
        (book("0.45", None), {}, "one_sided", None, None),
        (None, {}, "book_missing", None, None),
    ],
)
def test_no_entry_names_the_gate_its_value_and_its_threshold(
    one: Any, params: dict[str, Any], gate: str, value: int | None, threshold: int | None
) -> None:
    decision = _decide(one, params)
    assert decision.intents == ()
    assert [(e.gate, e.value, e.threshold) for e in decision.trace if not e.passed] == [(gate, value, threshold)]


def test_the_fee_is_part_of_the_edge() -> None:
    # 4 % times 0.47 times 0.53 is 0.009964 a share: 0.50 - 0.47 - 0.009964 leaves 0.020036.
    fee = FeeSchedule(rate_ppm=40_000)
    assert fee_per_share(470_000, fee) == 9_964
    market = facts(fee=fee)
    assert _decide(book("0.45", "0.47"), {"minimum_edge": "0.02"}, market=market).intents
    assert _gates(_decide(book("0.45", "0.47"), {"minimum_edge": "0.0201"}, market=market)) == ["edge_under_minimum"]


def test_few_samples_are_not_enough() -> None:
    assert _gates(_decide(book("0.45", "0.47"), ring=["0.5"] * 19)) == ["few_samples"]


def test_one_intent_is_out_at_a_time() -> None:
    asked = {"1": {"asked_ms": NOW_MS - 10_000, "outcomes": [YES, NO]}}
    assert _gates(_decide(book("0.45", "0.47"), state=asked)) == ["order_asked"]
    old = {"1": {"asked_ms": NOW_MS - 31_000, "outcomes": [YES, NO]}}
    assert _decide(book("0.45", "0.47"), state=old).intents
    assert _gates(_decide(book("0.45", "0.47"), orders=[resting(1, Side.BUY, "0.47")])) == ["order_working"]


def test_after_an_exit_it_rests_for_the_cooldown() -> None:
    left = {"1": {"exited_ms": NOW_MS - 59_000, "outcomes": [YES, NO]}}
    decision = _decide(book("0.45", "0.47"), state=left)
    assert [(e.gate, e.value, e.threshold) for e in decision.trace] == [("cooldown", 59, 60)]


def _holding(one: Any, *, outcome: int = YES, entered_s: int = 10, **values: Any) -> Decision:
    memory = {"1": {"asked_ms": 0, "entered_ms": NOW_MS - entered_s * 1000, "outcomes": [YES, NO]}}
    return _decide(one, positions=[holding(outcome, "20")], own={outcome: 20_000_000}, state=memory, **values)


def test_a_position_is_kept_until_the_price_came_back() -> None:
    assert _gates(_holding(book("0.46", "0.48"))) == ["waiting_for_exit"]  # z -1.5
    (intent,) = _holding(book("0.48", "0.50")).intents  # z -0.5
    assert (intent.outcome_id, intent.side, intent.size) == (YES, Side.SELL, 20_000_000)
    assert intent.limit_price == 470_000  # 0.48 less 2.5 % is 0.468, up to the tick
    assert intent.reason == "mean reversion: back at z -0.50"


def test_no_is_sold_when_yes_came_down() -> None:
    (intent,) = _holding(book("0.49", "0.51"), outcome=NO).intents
    assert (intent.outcome_id, intent.side) == (NO, Side.SELL)


def test_a_stop_sells_at_once() -> None:
    (intent,) = _holding(book("0.40", "0.42"), params={"exit_urgency": "medium"}).intents  # z -4.5
    assert (intent.urgency, intent.reason) == (Urgency.HIGH, "mean reversion: stop at z -4.50")


def test_a_stop_does_not_wait_behind_a_resting_exit() -> None:
    offer = resting(4, Side.SELL, "0.49", level=-1)
    low = book("0.40", "0.42")  # z -4.5
    ends = _holding(low, orders=[offer])
    assert (ends.cancels, ends.intents) == ((4,), ())
    assert "asked_ms" not in (ends.state or {})["1"]
    waits = _holding(low, orders=[replace(offer, cancel_requested=True)])
    assert (waits.cancels, waits.intents) == ((), ())
    (sale,) = _holding(low).intents  # the old order has ended
    assert sale.urgency is Urgency.HIGH
    calm = _holding(book("0.46", "0.48"), orders=[offer])
    assert (calm.cancels, _gates(calm)) == ((), ["order_working"])


def test_a_position_held_too_long_is_sold_whatever_the_price() -> None:
    (intent,) = _holding(book("0.46", "0.48"), entered_s=900).intents
    assert intent.reason == "mean reversion: holding time over"


def test_it_also_leaves_in_time_when_the_ring_has_been_lost() -> None:
    (intent,) = _holding(book("0.46", "0.48"), entered_s=900, ring=["0.5"]).intents
    assert intent.side is Side.SELL


def test_shares_promised_to_another_order_are_not_sold_twice() -> None:
    memory = {"1": {"entered_ms": NOW_MS, "outcomes": [YES, NO]}}
    decision = _decide(
        book("0.48", "0.50"), positions=[holding(YES, "20", reserved="20")], own={YES: 20_000_000}, state=memory
    )
    assert _gates(decision) == ["nothing_sellable"]


@pytest.mark.parametrize(("life_s", "lives_s"), [(30, 120), (300, 300)])
def test_a_resting_entry_expires_and_lives_as_long_as_the_gate_demands(life_s: int, lives_s: int) -> None:
    (intent,) = _decide(book("0.45", "0.47"), {"entry_urgency": "medium", "order_life_s": life_s}).intents
    assert (intent.urgency, intent.expires_at) == (Urgency.MEDIUM, AT + timedelta(seconds=lives_s))


@pytest.mark.parametrize("closes_in", [timedelta(minutes=29), timedelta(minutes=-1)])
def test_nothing_is_entered_shortly_before_the_close(closes_in: timedelta) -> None:
    assert _gates(_decide(book("0.45", "0.47"), market=facts(closes_at=AT + closes_in))) == ["closing_soon"]


def test_a_market_that_takes_no_orders_is_left_alone() -> None:
    assert _gates(_decide(book("0.45", "0.47"), market=facts(state=MarketState.CLOSED))) == ["market_not_open"]


def _fill(side: Side, *, outcome: int = YES) -> OwnFill:
    return OwnFill(fill_id=1, order_id=1, outcome_id=outcome, side=side, price=470_000, size=1, fee=0, at=AT)


def test_fills_set_the_times_of_entry_and_exit() -> None:
    asked = {"1": {"asked_ms": 5, "outcomes": [YES, NO]}, "2": {"asked_ms": 6, "outcomes": [20, 21]}}
    entered = REVERTER.on_fill(asked, _fill(Side.BUY))
    assert entered["1"]["entered_ms"] == NOW_MS
    assert REVERTER.on_fill(entered, _fill(Side.SELL))["1"]["exited_ms"] == NOW_MS
    assert entered["2"] == asked["2"]
    assert asked["1"] == {"asked_ms": 5, "outcomes": [YES, NO]}  # the old state is untouched
    assert REVERTER.on_fill(asked, _fill(Side.BUY, outcome=99)) is asked


def test_a_resolved_market_is_forgotten() -> None:
    state = {"1": {"asked_ms": 5}, "2": {"asked_ms": 6}}
    assert REVERTER.on_resolved(state, Resolved(market_id=1, payouts={}, at=AT)) == {"2": {"asked_ms": 6}}
