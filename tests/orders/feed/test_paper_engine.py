"""The simulated venue without database or clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from markets.domain.events import BookSnapshot, LevelChange, MarketResolved, TickSizeChange, TradePrint
from markets.domain.instruments import Category, FeeSchedule, MarketFacts, MarketState, OutcomeFacts, Side, Venue
from markets.domain.units import Price, Shares
from markets.domain.views import BookStatus, BookView
from markets.tickstore import StreamEvent
from markets.venues.simulated.matching import OrderType
from markets.venues.simulated.paper import PaperOrder
from markets.venues.simulated.queue import RestingOrder
from orders.feed.paper_engine import Arrival, PaperEngine, VenueState
from tests.factories.orders import micro

YES, NO = 1, 2


def facts(**values: object) -> MarketFacts:
    fields: dict[str, object] = {
        "market_id": 9,
        "venue": Venue.POLYMARKET,
        "condition_id": "0x1",
        "question": "?",
        "slug": "s",
        "category": Category.POLITICS,
        "state": MarketState.OPEN,
        "tick": Price(micro("0.01")),
        "minimum_size": Shares(micro(5)),
        "fee": FeeSchedule(rate_ppm=40_000),
        "event_id": 1,
        "event_slug": "e",
        "neg_risk": False,
        "neg_risk_augmented": False,
        "closes_at": None,
        "outcomes": (
            OutcomeFacts(outcome_id=YES, token_id="yes", index=0, label="Yes"),
            OutcomeFacts(outcome_id=NO, token_id="no", index=1, label="No"),
        ),
        "synced_at": datetime(2026, 11, 20, tzinfo=UTC),
        "volume_24h": 0,
        "liquidity": 0,
    }
    return MarketFacts(**{**fields, **values})  # type: ignore[arg-type]


def view(bids: dict[str, str], asks: dict[str, str], **values: object) -> BookView:
    return BookView(
        outcome_id=YES,
        bids=tuple((micro(p), micro(s)) for p, s in bids.items()),
        asks=tuple((micro(p), micro(s)) for p, s in asks.items()),
        **values,  # type: ignore[arg-type]
    )


def engine(bids: dict[str, str] | None = None, asks: dict[str, str] | None = None) -> PaperEngine:
    made = PaperEngine("7-1")
    made.track(YES, facts(), view(bids or {"0.48": "100"}, asks or {"0.52": "100"}))
    return made


def arrival(
    key: str = "paper-a", side: Side = Side.BUY, price: str = "0.48", size: str = "10", **values: object
) -> Arrival:
    return Arrival(
        order_id=1,
        venue_order_id=key,
        account_id=1,
        outcome_id=YES,
        order=PaperOrder(key=key, side=side, price=micro(price), size=micro(size), **values),  # type: ignore[arg-type]
        expires_ms=None,
        arrives_ms=0,
    )


def trade(side: Side, price: str, size: str, *, token: str = "yes", outcome_id: int = YES) -> StreamEvent:
    event = TradePrint(
        token_id=token, side=side, price=micro(price), size=micro(size), venue_ms=5_000, received_ns=5_000 * 10**6
    )
    return StreamEvent(outcome_id, event)


def level(side: Side, price: str, size: str) -> StreamEvent:
    event = LevelChange(
        token_id="yes", side=side, price=micro(price), size=micro(size), venue_ms=5_000, received_ns=5_000 * 10**6
    )
    return StreamEvent(YES, event)


def test_a_trade_is_named_by_order_cause_and_filled_size() -> None:
    made = engine()
    made.place(arrival(), now_ms=0)
    made.effects_take()
    made.apply("7-2", [trade(Side.SELL, "0.48", "103"), trade(Side.SELL, "0.48", "2")])
    assert [t.trade_id for t in made.effects_take().trades] == ["a:7-2:3000000", "a:7-2:5000000"]


def test_a_trade_of_the_partner_counts_though_only_one_outcome_is_followed() -> None:
    made = engine()
    made.place(arrival(), now_ms=0)
    made.apply("7-2", [trade(Side.BUY, "0.52", "105", token="no", outcome_id=NO)])
    assert made.live["paper-a"].order.filled == micro(5)


def test_two_own_orders_at_one_price_share_a_trade_in_the_order_of_arrival() -> None:
    made = engine()
    made.place(arrival("paper-a"), now_ms=0)
    made.place(arrival("paper-b"), now_ms=1)
    made.apply("7-2", [trade(Side.SELL, "0.48", "115")])
    assert "paper-a" not in made.live
    assert made.live["paper-b"].order.filled == micro(5)


def test_an_order_deeper_than_the_book_shows_stands_behind_a_whole_level() -> None:
    bids = {f"0.{n}": str(n) for n in range(48, 28, -1)}  # twenty levels, 0.48 down to 0.29
    made = engine(bids=bids)
    accepted = made.place(arrival(price="0.20"), now_ms=0)
    assert accepted.ahead == micro(48)
    assert made.place(arrival("paper-b", price="0.49"), now_ms=0).ahead == 0  # first at a new best price


def test_what_crosses_an_order_when_its_book_is_loaded_does_not_fill_it_again() -> None:
    made = PaperEngine("7-1")
    made.track(YES, facts(), None)
    order = RestingOrder(key="paper-a", side=Side.BUY, price=micro("0.50"), size=micro(10), placed_ms=0)
    made.restore(order, account_id=1, outcome_id=YES)
    made.view_load(YES, view({"0.48": "100"}, {"0.50": "30"}))
    made.apply("7-2", [level(Side.BUY, "0.47", "5")])
    assert order.filled == 0
    made.apply("7-3", [level(Side.SELL, "0.50", "34")])  # four more than we had seen
    assert order.filled == micro(4)


def test_a_stale_or_crossed_view_is_not_traded_on() -> None:
    for bad in (
        view({"0.48": "1"}, {"0.52": "1"}, status=BookStatus.STALE),
        view({"0.53": "1"}, {"0.52": "1"}),
    ):
        made = PaperEngine()
        made.track(YES, facts(), bad)
        assert not made.is_sure(YES)


def test_a_snapshot_in_the_stream_makes_a_book_sure() -> None:
    made = PaperEngine()
    made.track(YES, facts(), None)
    snapshot = BookSnapshot(token_id="yes", bids=((micro("0.4"), 1),), asks=(), venue_ms=1, received_ns=1)
    made.apply("7-2", [StreamEvent(YES, snapshot)])
    assert made.is_sure(YES)


def test_a_new_tick_counts_at_once() -> None:
    made = engine()
    change = TickSizeChange(token_id="yes", old_tick=10_000, new_tick=1_000, venue_ms=1, received_ns=1)
    made.apply("7-2", [StreamEvent(YES, change)])
    assert made.place(arrival(price="0.481"), now_ms=0).state is VenueState.LIVE


def test_a_resolved_market_sends_its_orders_back() -> None:
    made = engine()
    made.place(arrival(), now_ms=0)
    made.effects_take()
    resolved = MarketResolved(condition_id="0x1", winning_token_id="no", venue_ms=1, received_ns=1)
    made.apply("7-2", [StreamEvent(NO, resolved)])
    (ended,) = made.effects_take().ended
    assert (ended.state, ended.reason) == (VenueState.CANCELED, "the market is resolved")


def test_a_market_without_known_fees_takes_no_order() -> None:
    made = PaperEngine()
    made.track(YES, replace(facts(), fee=None), view({"0.48": "1"}, {"0.52": "1"}))
    assert made.place(arrival(), now_ms=0).reason == "fee rate not found for market"


def test_an_event_that_no_book_can_hold_makes_its_book_unsure_and_the_rest_goes_on() -> None:
    made = engine()
    made.place(arrival(), now_ms=0)
    stranger = trade(Side.SELL, "0.48", "5", token="somebody else's")
    made.apply("7-2", [stranger, trade(Side.SELL, "0.48", "105")])
    assert made.refused == 1
    assert not made.is_sure(YES)
    assert made.live["paper-a"].order.filled == micro(5)


def test_a_book_is_forgotten_only_when_nobody_rests_in_it() -> None:
    made = engine()
    made.place(arrival(), now_ms=0)
    made.untrack([YES])
    assert YES in made.books
    made.cancel("paper-a", "done")
    made.untrack([YES])
    assert (made.books, made.facts) == ({}, {})


def test_a_fok_order_fills_whole_or_not_at_all() -> None:
    made = engine(asks={"0.52": "6", "0.53": "6"})
    assert made.place(arrival(price="0.53", size="13", order_type=OrderType.FOK), now_ms=0).state is VenueState.CANCELED
    filled = made.place(arrival("paper-b", price="0.53", size="12", order_type=OrderType.FOK), now_ms=0)
    assert (filled.state, filled.filled) == (VenueState.FILLED, micro(12))
