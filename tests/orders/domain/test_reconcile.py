import random

from orders.domain.lifecycle import OrderState
from orders.domain.reconcile import (
    Books,
    DiscrepancyKind,
    OurOrder,
    Repair,
    TheirOrder,
    TradeLeg,
    compare_books,
    compare_orders,
    compare_trades,
)

S, K = OrderState, DiscrepancyKind


def trade(trade_id: str, *, size: int = 10, price: int = 5, role: str = "maker") -> TradeLeg:
    return TradeLeg(trade_id=trade_id, venue_order_id="v1", role=role, price=price, size=size, fee=0)


def ours(state: OrderState, *, filled: int = 0) -> OurOrder:
    return OurOrder(order_id=1, venue_order_id="v1", state=state, filled=filled)


def theirs(state: OrderState, *, filled: int = 0) -> TheirOrder:
    return TheirOrder(venue_order_id="v1", state=state, filled=filled)


def test_equal_records_differ_in_nothing() -> None:
    assert compare_trades([trade("a"), trade("b")], [trade("b"), trade("a")]) == []
    assert compare_orders([ours(S.LIVE)], [theirs(S.LIVE)]) == []
    assert compare_books(Books(cash=5, positions={1: 2}, trades=()), Books(cash=5, positions={1: 2}, trades=())) == []


def test_a_trade_we_missed_is_booked_and_one_only_we_know_is_recorded() -> None:
    found = compare_trades([trade("ours only")], [trade("theirs only")])
    assert [(d.kind, d.repair) for d in found] == [
        (K.MISSING_FILL, Repair.BOOK_FILL),
        (K.EXTRA_FILL, Repair.RECORD),
    ]


def test_the_same_trade_id_as_maker_and_taker_is_two_trades() -> None:
    assert [d.kind for d in compare_trades([trade("a")], [trade("a"), trade("a", role="taker")])] == [K.MISSING_FILL]


def test_a_trade_with_other_numbers_is_told_with_both() -> None:
    (found,) = compare_trades([trade("a", size=10)], [trade("a", size=11)])
    assert (found.kind, found.ours, found.theirs) == (K.FILL_DIFFERS, "0.00001 at 0.000005", "0.000011 at 0.000005")


def test_an_open_order_takes_the_venues_state() -> None:
    (found,) = compare_orders([ours(S.UNKNOWN)], [theirs(S.LIVE)])
    assert (found.kind, found.repair, found.order_id) == (K.STATE_DIFFERS, Repair.ATTACH_STATE, 1)


def test_an_order_that_ended_on_both_sides_is_no_difference_however_each_calls_the_end() -> None:
    assert compare_orders([ours(S.CANCELED)], [theirs(S.CANCELED)]) == []
    assert compare_orders([ours(S.EXPIRED)], [theirs(S.CANCELED)]) == []


def test_an_order_the_venue_never_had_is_lost_unless_it_was_never_sent() -> None:
    assert [d.kind for d in compare_orders([ours(S.UNKNOWN)], [])] == [K.LOST_ORDER]
    assert compare_orders([ours(S.RESERVED)], []) == []
    assert compare_orders([ours(S.SENDING)], []) == []


def test_an_order_only_the_venue_has_is_recorded() -> None:
    assert [(d.kind, d.repair) for d in compare_orders([], [theirs(S.LIVE)])] == [(K.UNKNOWN_ORDER, Repair.RECORD)]


def test_an_order_we_ended_that_still_rests_is_found() -> None:
    assert [d.kind for d in compare_orders([ours(S.CANCELED)], [theirs(S.LIVE)])] == [K.STATE_DIFFERS]


def test_cash_and_positions_are_compared_both_ways() -> None:
    found = compare_books(
        Books(cash=5, positions={1: 2, 2: 1}, trades=()), Books(cash=6, positions={1: 2, 3: 4}, trades=())
    )
    assert [(d.kind, d.subject) for d in found] == [
        (K.POSITION_DIFFERS, "outcome 2"),
        (K.POSITION_DIFFERS, "outcome 3"),
        (K.CASH_DIFFERS, "cash"),
    ]


def test_every_random_difference_is_found_once() -> None:
    rng = random.Random(11)
    for _ in range(500):
        both = {f"t{n}" for n in range(rng.randint(0, 20))}
        mine = {f"m{n}" for n in range(rng.randint(0, 5))}
        venue = {f"v{n}" for n in range(rng.randint(0, 5))}
        found = compare_trades([trade(t) for t in both | mine], [trade(t) for t in both | venue])
        assert {d.subject.removeprefix("trade ") for d in found} == mine | venue
        assert len(found) == len(mine) + len(venue)


def test_an_outcome_that_only_one_side_holds_differs_from_nothing_by_exactly_that() -> None:
    ours, theirs = Books(cash=0, positions={1: 1}, trades=()), Books(cash=0, positions={2: 1}, trades=())
    found = compare_books(ours, theirs)
    assert [(d.subject, d.ours, d.theirs) for d in found] == [
        ("outcome 1", "0.000001", "0"), ("outcome 2", "0", "0.000001"),
    ]  # fmt: skip
    assert compare_books(ours, ours) == []
