"""Touch maker: where its quotes go, what leans them, and how they are carried out without a short sale."""

from __future__ import annotations

from typing import Any

from markets.domain.units import text_from_micro
from strategies.domain.base import Decision
from strategies.library.touch_maker import TouchMaker, touch_quotes
from tests.factories.strategies import NO, YES, book, holding, view

MAKER = TouchMaker()
PLAIN: dict[str, Any] = {"half_spread": "1", "inventory_skew": "0", "smoothing": "0.5"}


def _decide(yes_book: Any, params: dict[str, Any] | None = None, **values: Any) -> Decision:
    return MAKER.decide(view(MAKER, yes_book, params={**PLAIN, **(params or {})}, **values))


def _quotes(decision: Decision) -> list[tuple[str, str, str, str, int]]:
    names = {YES: "yes", NO: "no"}
    return [
        (names[q.outcome_id], q.side.value, text_from_micro(q.price), text_from_micro(q.size), q.level)
        for q in decision.quotes
    ]


def test_the_ask_of_what_is_not_held_is_a_bid_for_the_other_outcome() -> None:
    # Middle 0.50, half a spread of one tick: 0.49 and 0.51; the book's own 0.48 and 0.52 are farther out.
    assert _quotes(_decide(book("0.48", "0.52"))) == [
        ("yes", "buy", "0.48", "10", 0),
        ("no", "buy", "0.48", "10", 0),
    ]


def test_held_shares_are_offered_first_and_a_part_too_small_is_left_out() -> None:
    held = {"positions": [holding(YES, "7")], "own": {YES: 7_000_000}}
    # 7 of 10 are held: the other 3 would be under the venue's minimum of 5, so only 7 are offered.
    assert _quotes(_decide(book("0.48", "0.52"), **held))[1:] == [("yes", "sell", "0.52", "7", 0)]
    assert _quotes(_decide(book("0.48", "0.52"), {"size": "12"}, **held))[1:] == [
        ("yes", "sell", "0.52", "7", 0),
        ("no", "buy", "0.48", "5", 0),
    ]


def test_levels_share_what_is_held() -> None:
    decision = _decide(
        book("0.48", "0.52"), {"levels": 2, "level_step": 3}, positions=[holding(NO, "15")], own={NO: 15_000_000}
    )
    assert _quotes(decision) == [
        ("no", "sell", "0.52", "10", 0),
        ("no", "sell", "0.55", "5", 1),
        ("yes", "buy", "0.45", "5", 1),
        ("no", "buy", "0.48", "10", 0),
        ("no", "buy", "0.45", "10", 1),
    ]


def test_at_the_maximum_position_one_side_stops_and_the_other_leans() -> None:
    decision = _decide(
        book("0.48", "0.52"),
        {"maximum_position": "20", "inventory_skew": "2"},
        positions=[holding(YES, "20")],
        own={YES: 20_000_000},
    )
    # The average 50 leans by 2 x 20 / 10 = 4 ticks: the ask would be 47, and joins the best ask instead.
    assert _quotes(decision) == [("yes", "sell", "0.52", "10", 0)]


def test_the_average_moves_by_its_part_and_survives_the_state() -> None:
    first = _decide(book("0.48", "0.52"))
    assert first.state == {"memory": {"1": [50.0, 10_000]}}
    second = _decide(book("0.58", "0.62"), state=first.state)
    assert second.state is not None
    assert second.state["memory"]["1"][0] == 55.0
    # Average 0.55, so the bid waits at 0.54 while the market is at 0.58; the ask joins the best.
    assert [quote[2] for quote in _quotes(second)] == ["0.54", "0.38"]


def test_a_changed_tick_changes_the_unit_of_the_average() -> None:
    memory, out = [50.0, 10_000.0], [0, 0]
    touch_quotes(memory, (1.0, 0.0, 0.5, 10.0, 20.0, 1.0, 1.0), 480, 520, 1_000, 0.0, out)
    assert memory == [500.0, 1_000.0]
    assert out == [480, 520]


def test_markets_without_a_usable_book_are_left_alone() -> None:
    for unusable in (None, book("0.48", None), book("0.52", "0.48")):
        assert _decide(unusable).quotes == ()
