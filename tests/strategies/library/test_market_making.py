"""Market making: where quotes go, what leans and widens them, and what keeps a market from being quoted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from markets.domain.instruments import MarketState, Side
from markets.domain.units import text_from_micro
from markets.domain.views import BookStatus
from strategies.domain.base import Decision
from strategies.library.market_making import MarketMaking
from tests.factories.markets import AT
from tests.factories.strategies import NO, NOW_MS, YES, book, facts, holding, resting, samples, view

MAKER = MarketMaking()
# Half a spread of 2 cents around the middle, nothing that moves it.
PLAIN: dict[str, Any] = {
    "fair_value": "mid",
    "half_spread": "0.02",
    "minimum_edge": "0.005",
    "inventory_skew": "0",
    "volatility_factor": "0",
    "requote_ticks": 0,
}


def _decide(yes_book: Any, params: dict[str, Any] | None = None, **values: Any) -> Decision:
    return MAKER.decide(view(MAKER, yes_book, params={**PLAIN, **(params or {})}, **values))


def _quotes(decision: Decision) -> list[tuple[str, str, str, str, int]]:
    names = {YES: "yes", NO: "no"}
    return [
        (names[q.outcome_id], q.side.value, text_from_micro(q.price), text_from_micro(q.size), q.level)
        for q in decision.quotes
    ]


def _stopped_by(decision: Decision) -> list[str]:
    return [entry.gate for entry in decision.trace if not entry.passed]


def test_without_shares_the_ask_becomes_a_bid_for_the_other_outcome() -> None:
    # Fair 0.50: bid 0.48, ask 0.52. Nothing is held, so the ask is a bid for NO at 1 - 0.52 = 0.48.
    assert _quotes(_decide(book("0.45", "0.55"))) == [
        ("yes", "buy", "0.48", "20", 0),
        ("no", "buy", "0.48", "20", 0),
    ]


def test_held_shares_are_offered_first_and_the_rest_is_bought_on_the_other_side() -> None:
    decision = _decide(book("0.45", "0.55"), positions=[holding(YES, "12")], own={YES: 12_000_000})
    assert _quotes(decision) == [
        ("yes", "buy", "0.48", "20", 0),
        ("yes", "sell", "0.52", "12", 0),
        ("no", "buy", "0.48", "8", 0),
    ]


def test_held_no_is_sold_where_yes_would_be_bought() -> None:
    # A bid for YES at 0.48 is an offer of NO at 0.52.
    decision = _decide(book("0.45", "0.55"), positions=[holding(NO, "30")], own={NO: 30_000_000})
    assert _quotes(decision)[0] == ("no", "sell", "0.52", "20", 0)


def test_shares_of_somebody_else_on_the_account_are_not_offered() -> None:
    assert _quotes(_decide(book("0.45", "0.55"), positions=[holding(YES, "50")])) == _quotes(
        _decide(book("0.45", "0.55"))
    )


def test_a_part_too_small_for_the_venue_is_left_out() -> None:
    # 18 held of 20: the other 2 would be under the minimum of 5, so only 18 are offered.
    decision = _decide(book("0.45", "0.55"), positions=[holding(YES, "18")], own={YES: 18_000_000})
    assert _quotes(decision)[1:] == [("yes", "sell", "0.52", "18", 0)]


def test_prices_are_rounded_away_from_fair_value() -> None:
    # Fair 0.505, half 0.02: 0.485 rounds down to 0.48, 0.525 up to 0.53, which is NO at 0.47.
    decision = _decide(book("0.50", "0.51"))
    assert [(name, price) for name, _, price, _, _ in _quotes(decision)] == [("yes", "0.48"), ("no", "0.47")]


def test_a_quote_never_crosses_the_book() -> None:
    # A microprice far to the right: 100 at 0.40 against 1 at 0.60 gives a fair value near 0.60.
    one = book("0.40", "0.60").__class__(
        outcome_id=YES, bids=((400_000, 100_000_000),), asks=((600_000, 1_000_000),), confirmed_ms=NOW_MS
    )
    decision = _decide(one, {"fair_value": "microprice", "half_spread": "0.001", "minimum_edge": "0"})
    bid, no_bid = _quotes(decision)
    assert bid[2] == "0.59"  # one tick below the best ask
    assert no_bid[2] == "0.4"  # an ask of 0.60, and 0.60 is above the best bid


def test_levels_step_away_from_the_first_quote() -> None:
    decision = _decide(book("0.40", "0.60"), {"levels": 3, "level_step": "0.03", "maximum_inventory": "1000"})
    assert [(name, price, level) for name, _, price, _, level in _quotes(decision)] == [
        ("yes", "0.48", 0),
        ("yes", "0.45", 1),
        ("yes", "0.42", 2),
        ("no", "0.48", 0),
        ("no", "0.45", 1),
        ("no", "0.42", 2),
    ]


def test_inventory_leans_both_quotes_against_what_is_held() -> None:
    # 50 of 100 held: the centre moves by half of 0.02 to 0.49, so bid 0.47, ask 0.51.
    decision = _decide(
        book("0.40", "0.60"),
        {"inventory_skew": "0.02", "maximum_inventory": "100"},
        positions=[holding(YES, "50")],
        own={YES: 50_000_000},
    )
    assert [(name, side, price) for name, side, price, _, _ in _quotes(decision)] == [
        ("yes", "buy", "0.47"),
        ("yes", "sell", "0.51"),
    ]


def test_leaning_never_comes_nearer_than_the_minimum_edge() -> None:
    # A full inventory would put the ask at 0.50 + 0.02 - 0.04 = 0.48, below fair value; it stays at 0.51.
    decision = _decide(
        book("0.40", "0.60"),
        {"inventory_skew": "0.04", "maximum_inventory": "100", "minimum_edge": "0.01"},
        positions=[holding(YES, "100")],
        own={YES: 100_000_000},
    )
    assert [(name, side, price) for name, side, price, _, _ in _quotes(decision)] == [("yes", "sell", "0.51")]
    assert _stopped_by(decision) == ["inventory_cap"]


def test_the_last_quote_before_the_cap_is_made_smaller() -> None:
    decision = _decide(
        book("0.45", "0.55"), {"maximum_inventory": "30"}, positions=[holding(YES, "20")], own={YES: 20_000_000}
    )
    assert _quotes(decision)[0] == ("yes", "buy", "0.48", "10", 0)


def test_quotes_widen_by_the_deviation_of_recent_prices() -> None:
    # Mids 0.48 and 0.52 alternate: the deviation is 0.02, one of it is added to 0.02.
    ring = samples(["0.48", "0.52"] * 10)
    decision = _decide(book("0.40", "0.60"), {"volatility_factor": "1"}, samples_1s={YES: ring})
    assert [price for _, _, price, _, _ in _quotes(decision)] == ["0.46", "0.46"]


def test_widening_stops_at_its_maximum() -> None:
    ring = samples(["0.3", "0.7"] * 10)
    decision = _decide(
        book("0.40", "0.60"), {"volatility_factor": "5", "maximum_widening": "0.01"}, samples_1s={YES: ring}
    )
    assert [price for _, _, price, _, _ in _quotes(decision)] == ["0.47", "0.47"]


def test_cheap_outcomes_are_quoted_in_enough_shares_to_cost_the_smallest_quote() -> None:
    # A bid at 0.06 for 10 shares costs 0.60; a dollar's worth is 16.67 shares.
    decision = _decide(book("0.06", "0.10"), {"size": "10", "half_spread": "0.02", "lowest_price": "0.01"})
    assert _quotes(decision)[0] == ("yes", "buy", "0.06", "16.67", 0)


def test_a_resting_quote_near_enough_stays_where_it_is() -> None:
    # The middle moved from 0.50 to 0.51, so the bid would go to 0.49; the one at 0.48 is one tick off.
    orders = [resting(1, Side.BUY, "0.48")]
    stays = _decide(book("0.46", "0.56"), {"requote_ticks": 1}, orders=orders)
    moves = _decide(book("0.46", "0.56"), {"requote_ticks": 0}, orders=orders)
    assert (_quotes(stays)[0][2], _quotes(moves)[0][2]) == ("0.48", "0.49")


def test_a_resting_quote_that_lost_its_edge_moves() -> None:
    # At fair value 0.482 a bid of 0.48 has an edge of 0.002, less than 0.005.
    one = book("0.472", "0.492", tick=1_000)
    decision = _decide(
        one,
        {"half_spread": "0.008", "requote_ticks": 20},
        orders=[resting(1, Side.BUY, "0.48")],
        market=facts(tick=1_000),
    )
    assert _quotes(decision)[0][2] == "0.474"


def test_quotes_stay_in_the_reward_band_with_at_least_its_size() -> None:
    market = facts(reward_minimum_size=50_000_000, reward_maximum_spread=15_000)
    decision = _decide(book("0.40", "0.60"), {"half_spread": "0.05", "stay_in_reward_band": True}, market=market)
    assert _quotes(decision) == [("yes", "buy", "0.49", "50", 0), ("no", "buy", "0.49", "50", 0)]


@pytest.mark.parametrize(
    ("one", "params", "gate"),
    [
        (None, {}, "book_missing"),
        (book("0.45", "0.55", confirmed_ms=NOW_MS - 15_001), {}, "book_stale"),
        (book("0.45", "0.55", status=BookStatus.STALE), {}, "book_stale"),
        (book("0.45", None), {}, "one_sided"),
        (book("0.55", "0.45"), {}, "book_crossed"),
        (book("0.49", "0.50"), {"minimum_market_spread": "0.02"}, "spread_too_tight"),
        (book("0.30", "0.60"), {"maximum_market_spread": "0.2"}, "spread_too_wide"),
        (book("0.01", "0.03"), {}, "price_out_of_range"),
        (book("0.97", "0.99"), {}, "price_out_of_range"),
    ],
)
def test_a_market_is_left_alone_for_one_named_reason(one: Any, params: dict[str, Any], gate: str) -> None:
    decision = _decide(one, params)
    assert (decision.quotes, _stopped_by(decision)) == ((), [gate])


def test_too_little_edge_names_the_edge_and_the_minimum() -> None:
    decision = _decide(book("0.40", "0.60"), {"half_spread": "0.004", "minimum_edge": "0.02"})
    # Leaning away to the tick gives 0.49 and 0.51: an edge of a cent on both sides.
    assert decision.quotes == ()
    assert [(e.gate, e.value, e.threshold, e.note) for e in decision.trace] == [
        ("edge_under_minimum", 10_000, 20_000, "buy"),
        ("edge_under_minimum", 10_000, 20_000, "sell"),
    ]


@pytest.mark.parametrize("state", [MarketState.PAUSED, MarketState.CLOSED, MarketState.RESOLVED])
def test_a_market_that_takes_no_orders_is_not_quoted(state: MarketState) -> None:
    assert _stopped_by(_decide(book("0.45", "0.55"), market=facts(state=state))) == ["market_not_open"]


def test_quotes_are_withdrawn_before_the_market_closes() -> None:
    market = facts(closes_at=AT + timedelta(minutes=20))
    decision = _decide(book("0.45", "0.55"), {"stop_before_close_min": 30}, market=market)
    assert [(e.gate, e.value, e.threshold, e.unit) for e in decision.trace] == [("closing_soon", 1200, 1800, "s")]


def test_the_same_view_gives_the_same_decision() -> None:
    seen = view(MAKER, book("0.45", "0.55"), params=PLAIN)
    assert MAKER.decide(seen) == MAKER.decide(seen)
