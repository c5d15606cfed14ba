"""Simulated orders in a displayed book: numbers worked out by hand."""

import pytest

from markets.domain.events import BookSnapshot, Level, LevelChange, TradePrint
from markets.domain.instruments import FeeSchedule, Side
from markets.venues.simulated.matching import OrderType
from markets.venues.simulated.paper import PaperBook, PaperOrder, PaperStatus, Role
from markets.venues.simulated.queue import QueueModel, RestingOrder

S = 1_000_000  # one share
C = 10_000  # one cent


def snapshot(bids: tuple[Level, ...], asks: tuple[Level, ...], at: int = 0) -> BookSnapshot:
    return BookSnapshot(token_id="yes", bids=bids, asks=asks, venue_ms=at, received_ns=0)


def change(side: Side, price: int, size: int, at: int = 0) -> LevelChange:
    return LevelChange(token_id="yes", side=side, price=price, size=size, venue_ms=at, received_ns=0)


def trade(side: Side, price: int, size: int, *, token: str = "yes", at: int = 0, inferred: bool = False) -> TradePrint:
    return TradePrint(token_id=token, side=side, price=price, size=size, venue_ms=at, received_ns=0, inferred=inferred)


def paper_book(model: QueueModel = QueueModel.PESSIMISTIC) -> PaperBook:
    book = PaperBook(
        "yes", complement_id="no", tick=C, minimum_size=5 * S, fee=FeeSchedule(rate_ppm=50_000), model=model
    )
    book.on_snapshot(snapshot(((50 * C, 100 * S), (49 * C, 40 * S)), ((52 * C, 30 * S), (53 * C, 60 * S))))
    return book


def buy(key: str, price: int, size: int, **more: object) -> PaperOrder:
    return PaperOrder(key=key, side=Side.BUY, price=price, size=size, **more)  # type: ignore[arg-type]


def test_a_taker_walks_the_displayed_levels_and_pays_the_fee() -> None:
    answer = paper_book().place(buy("a", 53 * C, 50 * S), now_ms=7)
    assert answer.status is PaperStatus.MATCHED
    assert [(f.price, f.size, f.role) for f in answer.fills] == [
        (52 * C, 30 * S, Role.TAKER),
        (53 * C, 20 * S, Role.TAKER),
    ]
    assert [f.fee for f in answer.fills] == [374_400, 249_100]  # 30 x .05 x .2496; 20 x .05 x .2491
    assert [f.filled for f in answer.fills] == [30 * S, 50 * S]


def test_what_we_took_is_not_there_twice_until_the_level_grows() -> None:
    book = paper_book()
    book.place(buy("a", 52 * C, 20 * S), now_ms=0)
    second = book.place(buy("b", 52 * C, 20 * S, order_type=OrderType.FAK), now_ms=0)
    assert [f.size for f in second.fills] == [10 * S]
    assert second.status is PaperStatus.CANCELED
    assert book.place(buy("c", 52 * C, 20 * S, order_type=OrderType.FAK), now_ms=0).fills == ()
    book.on_change(change(Side.SELL, 52 * C, 45 * S))
    third = book.place(buy("d", 52 * C, 20 * S, order_type=OrderType.FAK), now_ms=0)
    assert [f.size for f in third.fills] == [15 * S]


def test_a_resting_order_waits_behind_the_queue() -> None:
    book = paper_book()
    answer = book.place(buy("a", 50 * C, 20 * S), now_ms=0)
    assert answer.status is PaperStatus.LIVE
    assert answer.resting is not None and answer.resting.ahead == 100 * S
    assert book.on_trade(trade(Side.SELL, 50 * C, 90 * S)) == []
    assert book.orders["a"].ahead == 10 * S
    (fill,) = book.on_trade(trade(Side.SELL, 50 * C, 25 * S, inferred=True))
    assert (fill.size, fill.price, fill.fee, fill.role) == (15 * S, 50 * C, 0, Role.MAKER)
    assert fill.inferred
    (fill,) = book.on_trade(trade(Side.SELL, 50 * C, 25 * S))
    assert fill.size == 5 * S and fill.filled == 20 * S
    assert book.orders == {}


def test_a_buyer_lifting_the_ask_does_not_fill_our_bid() -> None:
    book = paper_book()
    book.place(buy("a", 50 * C, 20 * S), now_ms=0)
    assert book.on_trade(trade(Side.BUY, 52 * C, 500 * S)) == []
    assert book.orders["a"].ahead == 100 * S


def test_a_trade_through_our_price_fills_us_up_to_its_size() -> None:
    book = paper_book()
    book.place(buy("a", 50 * C, 20 * S), now_ms=0)
    (fill,) = book.on_trade(trade(Side.SELL, 49 * C, 12 * S))
    assert (fill.price, fill.size) == (50 * C, 12 * S)
    assert book.orders["a"].ahead == 0


def test_a_trade_of_the_other_token_counts_mirrored() -> None:
    book = paper_book()
    book.place(buy("a", 51 * C, 20 * S), now_ms=0)
    (fill,) = book.on_trade(trade(Side.BUY, 49 * C, 8 * S, token="no"))  # buys NO at 0.49: hits bids for YES at 0.51
    assert (fill.price, fill.size) == (51 * C, 8 * S)
    with pytest.raises(ValueError, match="token other"):
        book.on_trade(trade(Side.BUY, 49 * C, 8 * S, token="other"))


def test_shrinkage_without_a_trade_moves_us_only_to_the_new_size() -> None:
    book = paper_book()
    book.place(buy("a", 50 * C, 20 * S), now_ms=0)
    book.on_change(change(Side.BUY, 50 * C, 130 * S))
    book.on_change(change(Side.BUY, 50 * C, 110 * S))
    assert book.orders["a"].ahead == 100 * S
    book.on_change(change(Side.BUY, 50 * C, 60 * S))
    assert book.orders["a"].ahead == 60 * S


def test_neutral_shrinkage_moves_us_in_proportion() -> None:
    book = paper_book(QueueModel.NEUTRAL)
    book.place(buy("a", 50 * C, 20 * S), now_ms=0)
    book.on_change(change(Side.BUY, 50 * C, 200 * S))
    book.on_change(change(Side.BUY, 50 * C, 150 * S))
    assert book.orders["a"].ahead == 75 * S


def test_optimistic_shrinkage_moves_us_by_all_of_it() -> None:
    book = paper_book(QueueModel.OPTIMISTIC)
    book.place(buy("a", 50 * C, 20 * S), now_ms=0)
    book.on_change(change(Side.BUY, 50 * C, 200 * S))
    assert book.orders["a"].ahead == 100 * S  # who came later stands behind us
    book.on_change(change(Side.BUY, 50 * C, 150 * S))
    assert book.orders["a"].ahead == 50 * S
    book.on_change(change(Side.BUY, 50 * C, 10 * S))
    assert book.orders["a"].ahead == 0
    (fill,) = book.on_trade(trade(Side.SELL, 50 * C, 8 * S, at=5_000))
    assert fill.size == 8 * S


@pytest.mark.parametrize("shrinkages", [(90, 30, 60), (10, 99, 5), (100, 0, 40)])
def test_each_queue_model_waits_no_longer_than_the_more_careful_one(shrinkages: tuple[int, ...]) -> None:
    ahead = []
    for model in (QueueModel.PESSIMISTIC, QueueModel.NEUTRAL, QueueModel.OPTIMISTIC):
        book = paper_book(model)
        book.place(buy("a", 50 * C, 20 * S), now_ms=0)
        for size in shrinkages:
            book.on_change(change(Side.BUY, 50 * C, size * S))
        ahead.append(book.orders["a"].ahead)
    assert ahead == sorted(ahead, reverse=True)


@pytest.mark.parametrize("trade_first", [True, False])
@pytest.mark.parametrize("model", list(QueueModel))
def test_a_trade_and_its_shrinkage_count_once_in_either_order(trade_first: bool, model: QueueModel) -> None:
    book = paper_book(model)
    book.place(buy("a", 50 * C, 20 * S), now_ms=0)
    events = [
        lambda: book.on_trade(trade(Side.SELL, 50 * C, 40 * S, at=10)),
        lambda: book.on_change(change(Side.BUY, 50 * C, 60 * S, at=10)),
    ]
    for event in events if trade_first else reversed(events):
        assert event() == []
    assert book.orders["a"].ahead == 60 * S


def test_an_old_shrinkage_does_not_explain_a_later_trade() -> None:
    book = paper_book()
    book.place(buy("a", 50 * C, 20 * S), now_ms=0)
    book.on_change(change(Side.BUY, 50 * C, 60 * S, at=10))
    book.on_trade(trade(Side.SELL, 50 * C, 40 * S, at=5_000))
    assert book.orders["a"].ahead == 20 * S


def test_a_book_that_reaches_our_price_fills_us_up_to_its_size() -> None:
    book = paper_book()
    book.place(buy("a", 51 * C, 20 * S), now_ms=0)
    (fill,) = book.on_change(change(Side.SELL, 51 * C, 12 * S))
    assert (fill.price, fill.size, fill.role) == (51 * C, 12 * S, Role.MAKER)
    assert book.on_change(change(Side.BUY, 49 * C, 41 * S)) == [], "the same twelve shares fill nobody again"


def test_a_book_crossed_in_itself_fills_nobody() -> None:
    book = paper_book()
    book.place(buy("a", 51 * C, 20 * S), now_ms=0)
    book.on_change(change(Side.BUY, 53 * C, 10 * S))
    assert book.on_change(change(Side.SELL, 51 * C, 12 * S)) == []
    assert [f.size for f in book.on_change(change(Side.BUY, 53 * C, 0))] == [12 * S], "now the ask stands alone"


def test_two_orders_of_ours_share_one_trade_in_time_order() -> None:
    book = paper_book()
    book.place(buy("a", 51 * C, 20 * S), now_ms=0)
    book.place(buy("b", 51 * C, 20 * S), now_ms=1)
    fills = book.on_trade(trade(Side.SELL, 51 * C, 30 * S))
    assert [(f.key, f.size) for f in fills] == [("a", 20 * S), ("b", 10 * S)]


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (buy("x", 505_000, 10 * S), "breaks minimum tick size rule: 0.01"),
        (buy("x", 50 * C, 4 * S), r"Size \(4\) lower than the minimum: 5"),
        (buy("x", 52 * C, 10 * S, post_only=True), "order crosses book"),
        (buy("x", 52 * C, 1 * S, order_type=OrderType.FAK), r"\(\$0.52\), min size: \$1"),
        (buy("x", 50 * C, 10 * S, order_type=OrderType.FAK, post_only=True), "only GTC and GTD"),
    ],
)
def test_a_refused_order_says_why(order: PaperOrder, text: str) -> None:
    answer = paper_book().place(order, now_ms=0)
    assert answer.status is PaperStatus.REJECTED
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(answer.reason)


def test_fill_or_kill_and_fill_and_kill_never_rest() -> None:
    book = paper_book()
    assert book.place(buy("a", 52 * C, 31 * S, order_type=OrderType.FOK), now_ms=0).fills == ()
    assert book.place(buy("b", 52 * C, 31 * S, order_type=OrderType.FAK), now_ms=0).fills[0].size == 30 * S
    assert book.orders == {}


def test_no_order_is_taken_without_a_current_book() -> None:
    book = PaperBook("yes", tick=C, minimum_size=5 * S, fee=None)
    assert book.place(buy("a", 50 * C, 10 * S), now_ms=0).reason == "no current book for this token"
    book = paper_book()
    book.place(buy("a", 50 * C, 10 * S), now_ms=0)
    book.on_gap()
    assert book.place(buy("b", 50 * C, 10 * S), now_ms=0).status is PaperStatus.REJECTED
    book.on_snapshot(snapshot(((50 * C, 30 * S),), ((52 * C, 30 * S),)))
    assert book.orders["a"].ahead == 30 * S
    assert book.place(buy("b", 50 * C, 10 * S), now_ms=0).status is PaperStatus.LIVE


def test_latency_delays_the_arrival_and_expiry_takes_the_order_off() -> None:
    book = paper_book()
    book.submit(buy("a", 50 * C, 10 * S, order_type=OrderType.GTD, expires_ms=900), arrives_ms=250)
    assert book.advance(249) == []
    ((key, answer),) = book.advance(250)
    assert key == "a" and answer.status is PaperStatus.LIVE
    assert book.expire(899) == []
    assert [o.key for o in book.expire(900)] == ["a"]
    assert book.cancel("a") is None


def test_a_persisted_order_takes_up_its_old_place() -> None:
    book = paper_book()
    book.restore(
        RestingOrder(key="old", side=Side.BUY, price=50 * C, size=20 * S, placed_ms=0, filled=5 * S, ahead=7 * S)
    )
    (fill,) = book.on_trade(trade(Side.SELL, 50 * C, 10 * S))
    assert (fill.size, fill.filled) == (3 * S, 8 * S)


def test_fills_come_in_hundredths_of_a_share_as_orders_do() -> None:
    book = paper_book()
    book.place(buy("a", 51 * C, 10 * S), now_ms=0)
    fills = book.on_trade(trade(Side.SELL, 51 * C, 3_333_333)) + book.on_trade(trade(Side.SELL, 51 * C, 9_999))
    assert [f.size for f in fills] == [3_330_000]
    assert [f.size for f in book.on_trade(trade(Side.SELL, 51 * C, 7 * S))] == [6_670_000]
    book.on_change(change(Side.SELL, 52 * C, 7_777_777))
    taken = book.place(buy("b", 52 * C, 20 * S, order_type=OrderType.FAK), now_ms=0)
    assert [f.size for f in taken.fills] == [7_770_000]
